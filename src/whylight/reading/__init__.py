"""Reading: a model file in -> a `Classifier`, a description, or an ONNX model; one reader a format.

A package of one's own adds a format by a `Reader`, which an entry point in the group ``whylight.readers`` names. Where
files can be turned into ONNX, `reader_through_onnx` makes the reader of one function.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from whylight.contract import ExplainerFacts
from whylight.errors import WhylightError
from whylight.files.checks import check_file, reading
from whylight.options import ModelOptions
from whylight.reading.inspection import Inspection, inspect_explainer
from whylight.registry import Registry, origin_of

if TYPE_CHECKING:
    import onnx

    from whylight.classifier.classifier import Classifier

_AS_THE_FILE_SAYS = ModelOptions()


@dataclass(frozen=True)
class Reader:
    """What reads the files of one format.

    Attributes:
        name: of the format, for people, such as "nnabla network".
        suffixes: of its files, with their dot, in lower case.
        load: makes the classifier of a file, its parameter file and the options.
        inspect: describes these, also where they cannot be explained.
        convert: makes an ONNX model of a file and its parameter file.
        options: the fields of `ModelOptions` that it knows; where others are given, they are refused.
        takes_parameters: whether a file may have a parameter file.
    """

    name: str
    suffixes: tuple[str, ...]
    load: Callable[[Path, Path | None, ModelOptions], Classifier]
    inspect: Callable[[Path, Path | None, ModelOptions], Inspection]
    convert: Callable[[Path, Path | None], onnx.ModelProto]
    options: Collection[str] = ()
    takes_parameters: bool = False

    @property
    def article(self) -> str:
        """A file of the format, in messages."""
        return f"a whole model file of the format {self.name}"


def reader_through_onnx(name: str, suffixes: tuple[str, ...], read: Callable[[Path], onnx.ModelProto]) -> Reader:
    """The reader of a format whose files become ONNX models, which then are read as any other.

    Args:
        name: see `Reader`.
        suffixes: see `Reader`.
        read: makes an ONNX model of a file; raises a WhylightError that says why it cannot.
    """

    @wraps(read, assigned=("__module__", "__qualname__"))  # what registers it
    def load(path: Path, _: Path | None, options: ModelOptions) -> Classifier:
        from whylight.reading.onnx_model import to_classifier

        return to_classifier(path, read(path), options)

    def inspect(path: Path, _: Path | None, options: ModelOptions) -> Inspection:
        from whylight.reading.onnx_model import inspect

        return inspect(path, name, read(path), options)

    def convert(path: Path, _: Path | None) -> onnx.ModelProto:
        from whylight.reading.onnx_model import convert

        return convert(path, read(path))

    return Reader(name, suffixes, load, inspect, convert, tuple(ModelOptions.arguments()))


# ---- what a command or a program asks for


def load(path: Path, parameters: Path | None = None, options: ModelOptions = _AS_THE_FILE_SAYS) -> Classifier:
    """The classifier in a model file of any format.

    Args:
        path: the file.
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.
        options: what is known about the model.

    Raises:
        WhylightError: the file cannot be read, or it is not a classifier of one image; the message says why. Or its
            format does not know an option.
    """
    found = _checked(path, parameters, options)
    with reading(path, found.article):
        return found.load(path, parameters, options)


def inspect(path: Path, parameters: Path | None = None, options: ModelOptions = _AS_THE_FILE_SAYS) -> Inspection:
    """What a model file holds, also one that cannot be explained. See `load`.

    Raises:
        WhylightError: the file cannot be read, or its format does not know an option.
    """
    found = _checked(path, parameters, options)
    if facts := ExplainerFacts.held_by(path):
        return inspect_explainer(path, facts)
    with reading(path, found.article):
        return found.inspect(path, parameters, options)


def convert(path: Path, parameters: Path | None = None) -> onnx.ModelProto:
    """The model of a file in ONNX, in one piece with its weights. See `load`.

    Of an nnabla network it has the variables' names and a dynamic batch axis `N` where the network allows it. Of
    ONNX files, and of exported programs of PyTorch, it is the model as whylight reads it: functions inlined, in
    float32, in the operator set that whylight writes, and checked.

    Raises:
        WhylightError: the file cannot be read or converted.
    """
    found = _checked(path, parameters, _AS_THE_FILE_SAYS)
    with reading(path, found.article):
        return found.convert(path, parameters)


def reader_of(path: Path) -> Reader:
    """What reads a file: by its suffix, or where that says nothing, by its content.

    Raises:
        WhylightError: there is no such file, or it is of no known format.
    """
    check_file(path)
    suffix = path.suffix.lower()
    if suffix in _READERS:
        return _READERS[suffix]
    if _is_zip(path):
        return _NNABLA
    known = ", ".join(suffix for suffix, each in _READERS.items() if each is not _PICKLE)
    raise WhylightError(f"{path}: expected a model file: {known}")


def reader(new: Reader) -> Reader:
    """Register a reader, and give it back.

    Raises:
        WhylightError: another one reads files of one of its suffixes.
    """
    _add(new, origin_of(new.load))
    return new


def _checked(path: Path, parameters: Path | None, options: ModelOptions) -> Reader:
    found = reader_of(path)
    unknown = [name for name in options.changed() if name not in found.options]
    if unknown:
        known = ", ".join(found.options) or "none"
        raise WhylightError(
            f"{path}: no option {' and '.join(map(repr, unknown))} for this format ({found.name}): it takes {known}"
        )
    if parameters is not None and not found.takes_parameters:
        raise WhylightError(f"{path}: no parameter file for this format ({found.name}): leave '{parameters}' out")
    return found


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK"
    except OSError as error:
        raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error


# ---- the readers


def _add(new: Reader, origin: str) -> None:
    for suffix in new.suffixes:
        _READERS.add(suffix, new, origin)


def _take(named: Any, origin: str) -> None:
    """What an entry point names: a reader, or a module that has registered its own."""
    if isinstance(named, Reader):
        _add(named, origin)


_READERS = Registry[Reader]("reader of", (__name__,), "whylight.readers", _take)


def _load_nnabla(path: Path, parameters: Path | None, options: ModelOptions) -> Classifier:
    from whylight.reading import nnp

    return nnp.load(path, parameters, options)


def _inspect_nnabla(path: Path, parameters: Path | None, options: ModelOptions) -> Inspection:
    from whylight.reading import nnp

    return nnp.inspect(path, parameters, options)


def _convert_nnabla(path: Path, parameters: Path | None) -> onnx.ModelProto:
    from whylight.reading import nnp

    return nnp.to_onnx(path, parameters)


def _read_onnx(path: Path) -> onnx.ModelProto:
    from whylight.reading.onnx_model.read import read_model

    return read_model(path)


def _read_exported_program(path: Path) -> onnx.ModelProto:
    from whylight.reading.pytorch import read_exported_program

    return read_exported_program(path)


def _refuse_pickle(path: Path, *_: object) -> NoReturn:
    raise WhylightError(
        f"{path}: a pickle of PyTorch is not read, it may run code; build the network in Python and pass the module to "
        "whylight.load, or export it with torch.onnx.export or torch.export.save (.pt2)"
    )


_NNABLA = reader(
    Reader(
        "nnabla network",
        (".nnp", ".nntxt", ".prototxt", ".protobuf"),
        _load_nnabla,
        _inspect_nnabla,
        _convert_nnabla,
        ("input_range", "mean", "std", "output_variable", "labels", "exif_orientation"),
        takes_parameters=True,
    )
)
reader(reader_through_onnx("ONNX", (".onnx",), _read_onnx))
reader(reader_through_onnx("PyTorch exported program", (".pt2",), _read_exported_program))
_PICKLE = reader(Reader("PyTorch pickle", (".pt", ".pth", ".ckpt"), _refuse_pickle, _refuse_pickle, _refuse_pickle))
