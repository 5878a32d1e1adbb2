"""What a person may choose, in dataclasses: the model, the question, the look, the layout, and what runs it.

A field says its default, its help and the values that it may have. The arguments of the command line are made from the
fields, Python callers give the same names, and results state them: a new option is one field here, and its use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from numbers import Number
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from whylight.class_names.lookup import class_index_of
from whylight.drawing.colormaps import COLORMAPS
from whylight.errors import WhylightError, nearest
from whylight.files.named_values import named_values

PREDICTED: Literal["predicted"] = "predicted"
"""In place of a class index: the class that the model finds most probable."""
ClassIndex = int | str
"""A class: its index, its name, or ``"predicted"``."""
Against = ClassIndex | None
"""The class that a contrast is made with."""

INPUT_RANGES = ("auto", "1", "255")
LAYOUTS = ("auto", "NCHW", "NHWC", "NHW", "NCL", "NLC", "NL", "NCDHW", "NDHWC")
SCORES = ("logit", "output")
SIZES = ("original", "input")
"""Of overlays, besides a number of pixels."""
PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""What ONNX Runtime calls the devices, the fastest one first."""
DEVICES = ("auto", *PROVIDERS)
_MOST = 2**31 - 1
_A_CLASS = "expected a whole number, a class's name or 'predicted'"
_LARGEST_OVERLAY = 16384
_SHOWN = 80
"""Characters of a value that a message shows at most."""

_Given = TypeVar("_Given", bound="Options")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Argument:
    """How a field is given, by a person or by a program.

    Attributes:
        help: one line; a default that it does not say itself is added where there is one.
        choices: the values that it may have; None for any.
        metavar: what stands for the value in the help.
        parse: makes the field's value of text, or of what a program gives; raises ValueError or TypeError, which say
            what is expected. By default text is taken as it is, and of a field that is False or True these.
        flags: other spellings on the command line.
        several: whether it takes more than one word.
    """

    help: str
    choices: Collection[str] | None = None
    metavar: str | None = None
    parse: Callable[[Any], Any] | None = None
    flags: Sequence[str] = ()
    several: bool = False


def option(
    default: Any,
    help: str,  # noqa: A002  # as argparse calls it
    *,
    choices: Collection[str] | None = None,
    metavar: str | None = None,
    parse: Callable[[Any], Any] | None = None,
    flags: Sequence[str] = (),
    several: bool = False,
) -> Any:
    """A field of `Options`; see `Argument`."""
    argument = Argument(help, choices, metavar, parse, flags, several)
    return field(default=default, metadata={"argument": argument})


@dataclass(frozen=True)
class Options:
    """What the dataclasses of options share: values are parsed and checked when they are made."""

    def __post_init__(self) -> None:
        """Parse and check all values; None stands for the default.

        Raises:
            WhylightError: one is not what its field takes; the message names it.
        """
        for each in fields(self):
            argument: Argument = each.metadata["argument"]
            value = getattr(self, each.name)
            if value is None:
                value = each.default
            elif argument.parse is not None:
                value = parsed(_spoken(each.name), value, argument.parse)
            elif isinstance(each.default, bool):
                value = parsed(_spoken(each.name), value, _flag)
            else:
                value = parsed(_spoken(each.name), value, text)
            object.__setattr__(self, each.name, value)
            if value is not None and argument.choices is not None and value not in argument.choices:
                expected = ", ".join(argument.choices)
                raise WhylightError(f"no {_spoken(each.name)} '{value}': expected one of {expected}")

    @classmethod
    def arguments(cls) -> Mapping[str, Argument]:
        """How each field is given, by its name."""
        return {each.name: each.metadata["argument"] for each in fields(cls)}

    @classmethod
    def of(cls, options: Self | None = None, **values: Any) -> Self:
        """``options``, or the defaults, with some values in place of its own.

        Raises:
            WhylightError: there is no field of that name, or a value is not what its field takes.
        """
        options = cls() if options is None else options
        if not isinstance(options, cls):
            raise WhylightError(f"expected {cls.__name__}, found {type(options).__name__}")
        known = [each.name for each in fields(options)]
        for name in values:
            if name not in known:
                raise WhylightError(f"no option '{name}'; the nearest are {nearest(name, known)}")
        return replace(options, **values) if values else options

    def changed(self) -> dict[str, Any]:
        """The fields that are not as they are by default."""
        return {each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default}

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class Chosen:
    """The options that a call takes, of whole objects and of single fields by name.

    ``Chosen((Question(layer="conv5"),), {"device": "cpu"}, Question, Execution)[Execution].device`` is ``"cpu"``.
    """

    def __init__(self, given: Sequence[Options], values: Mapping[str, Any], *kinds: type[Options]) -> None:
        """Sort what is given by kind; fields by name take the place of those of the objects.

        Raises:
            WhylightError: an object or a name belongs to none of ``kinds``, or a value is not what its field takes.
        """
        rest = dict(values)
        self._options: dict[type[Options], Options] = {}
        known: list[str] = []
        for kind in kinds:
            own, *others = [each for each in given if isinstance(each, kind)] or [kind()]
            if others:
                raise WhylightError(f"{kind.__name__} is given {len(others) + 1} times: expected it once")
            names = [each.name for each in fields(own)]
            known += names
            self._options[kind] = kind.of(own, **{name: rest.pop(name) for name in names if name in rest})
        for each in given:
            if not isinstance(each, kinds):
                expected = ", ".join(kind.__name__ for kind in kinds)
                raise WhylightError(f"found {type(each).__name__} among the options: expected {expected}, or fields")
        for name in rest:
            raise WhylightError(f"no option '{name}'; the nearest are {nearest(name, known)}")

    def __getitem__(self, kind: type[_Given]) -> _Given:
        """The options of a kind."""
        return next(each for each in self._options.values() if isinstance(each, kind))

    def to_dict(self) -> dict[str, Any]:
        """The fields of all, ready for JSON."""
        return {name: value for each in self._options.values() for name, value in each.to_dict().items()}


def _shown(value: Any) -> str:
    """Text in quotes, unless it is a number."""
    try:
        return f"{float(value):g}"
    except (ValueError, TypeError, OverflowError, RuntimeError):
        shown = repr(value)
        return shown if len(shown) <= _SHOWN and shown.isprintable() else f"of type {type(value).__name__}"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


# ---- parsing: text from a command line, or values from a program


def parsed(what: str, value: Any, parse: Callable[[Any], Value]) -> Value:
    """What ``parse`` makes of a value.

    Raises:
        WhylightError: it is none that can be parsed; the message says ``what`` it is.
    """
    try:
        return parse(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:  # what tensors and arrays raise too
        raise WhylightError(f"{what} {_shown(value)}: {error}") from None


def text(value: Any) -> str:
    """Text as it is."""
    if not isinstance(value, str):
        raise TypeError(f"expected text, found {type(value).__name__}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("expected True or False")
    return value


def whole_numbers(value: Any) -> tuple[int, ...]:
    """``"224,224"``, ``"224x224"``, 224 or (224, 224) -> (224, 224); all above 0."""
    parts = value.replace("x", ",").split(",") if isinstance(value, str) else _sequence(value)
    try:
        numbers = tuple(int(part) for part in parts)
        is_whole = isinstance(value, str) or all(number == part for number, part in zip(numbers, parts, strict=True))
    except (ValueError, TypeError):
        numbers, is_whole = (), False
    if not numbers or not is_whole or min(numbers) < 1:
        raise ValueError("expected whole numbers above 0 with commas between them")
    return numbers


def real_numbers(value: Any) -> tuple[float, ...]:
    """``"0.5,0.5"``, 0.5 or (0.5, 0.5) -> (0.5, 0.5)."""
    try:
        return tuple(float(part) for part in (value.split(",") if isinstance(value, str) else _sequence(value)))
    except (ValueError, TypeError):
        raise ValueError("expected numbers with commas between them") from None


def count(value: Any) -> int:
    """A whole number from 1 on."""
    return whole_number(value, least=1)


def whole_number(value: Any, least: int = 0) -> int:
    """A whole number that is not too small."""
    try:
        number = int(value)
    except (ValueError, TypeError):
        number = least - 1
    if number < least or (not isinstance(value, str) and number != value):
        raise ValueError(f"expected {least} or more" if number < least else "expected a whole number")
    if number > _MOST:
        raise ValueError(f"expected {_MOST} at most")
    return number


def number(value: Any) -> float:
    """A number."""
    try:
        found = float(value)
    except (ValueError, TypeError):
        raise ValueError("expected a number") from None
    if not isfinite(found):
        raise ValueError("expected a finite number")
    return found


def share(value: Any) -> float:
    """A number from 0 to 1."""
    found = number(value)
    if not 0 <= found <= 1:
        raise ValueError("expected a number from 0 to 1")
    return found


def names(value: Any) -> str | tuple[str, ...]:
    """A name, or several."""
    if isinstance(value, str):
        return value
    found = tuple(value) if isinstance(value, Sequence) else ()
    if not found or not all(isinstance(name, str) for name in found):
        raise ValueError(f"expected a name or several, found {type(value).__name__}")
    return found


def listed(value: Any) -> tuple[str, ...]:
    """``"a,b"`` or ("a", "b") -> ("a", "b"); empty text -> ()."""
    parts = value.split(",") if isinstance(value, str) and value else value if isinstance(value, Sequence) else [None]
    found = tuple(part.strip() if isinstance(part, str) else "" for part in parts)
    if not all(found):
        raise ValueError("expected names with commas between them")
    return found


def class_reference(value: Any) -> ClassIndex:
    """``"predicted"``, a class index as a number or as text, or a class's name."""
    try:
        index = int(value)
    except (ValueError, TypeError):
        if isinstance(value, str) and value.strip():
            return value.strip()
        raise ValueError(_A_CLASS) from None
    if abs(index) > _MOST or (not isinstance(value, str) and index != value):
        raise ValueError(_A_CLASS)
    return index


def labels(value: Any) -> Path | str | tuple[str, ...]:
    """A labels file, ``"imagenet"``, or the classes' names."""
    if isinstance(value, str | Path):
        return value
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected a file with one class name a line, 'imagenet', or the names")
    return tuple(value)


def overlay_size(value: Any) -> str | int:
    """``"original"``, ``"input"``, or a number of pixels as a number or as text."""
    if isinstance(value, str) and value in SIZES:
        return value
    try:
        size = count(value)
    except ValueError:
        size = 0
    if not 1 <= size <= _LARGEST_OVERLAY:
        raise ValueError(f"expected {', '.join(SIZES)}, or pixels from 1 to {_LARGEST_OVERLAY}")
    return size


def _input_range(value: Any) -> str:
    """``"255"`` or 255."""
    return value if isinstance(value, str) else f"{number(value):g}"


def _sequence(value: Any) -> Sequence[Any]:
    return [value] if isinstance(value, Number) else tuple(value)


# ---- the options


@dataclass(frozen=True)
class ModelOptions(Options):
    """Facts about a model, each as the file says where it is not given.

    An image becomes the model's input as ``(value - mean) / std``, with values from 0 (black) to the input range
    (white).

    Attributes:
        input_range: the value of white at its input: ``1``, ``255`` or ``auto``: what the file says; 255 also where the
            network begins by dividing by 255 itself.
        mean: subtracted from values in the input range, one a channel or one for all.
        std: what they are divided by after that.
        layout: the order of the image's axes, one of `LAYOUTS`; by default as its shape and its first convolution say.
        input_size: height and width, for a model that takes any, or takes pictures as one row of numbers; by default as
            its metadata says, else 224 x 224. One number stands for all. Of signals the length, of volumes depth,
            height and width.
        model_input: the input that takes the image; by default the one with an image's shape.
        fix: values of the model's other inputs, by their names: a number, which is spread over the input's shape, an
            array, or a ``.npy`` or ``.csv`` file with one; with or without a batch axis. They become part of the
            network: an image with its metadata, one of two images that are compared, the texts of CLIP.
        output_variable: the output that holds the class scores; by default the first that can.
        labels: the classes' names, the first that of class 0; a file with one a line, or a JSON list or mapping; or
            ``imagenet``, the 1000 classes of ILSVRC 2012. By default as the model's metadata say.
        output_index: which of several lists of scores: of an output (N, P, classes) one of P, of several outputs that
            hold one each their number, from 0.
        exif_orientation: photographs are turned upright as their EXIF orientation says; False for a model that was
            trained on them as they are stored. ``gradcam-nnc`` takes them as stored, as the Console's plugins do.
    """

    input_range: str = option(
        "auto", "the value of white at the model's input (auto: as the model says)", choices=INPUT_RANGES,
        parse=_input_range,
    )  # fmt: skip
    mean: tuple[float, ...] | None = option(
        None, "subtracted from values in the input range (default: as the model says)", metavar="R,G,B",
        parse=real_numbers,
    )  # fmt: skip
    std: tuple[float, ...] | None = option(
        None, "what they are divided by after that (default: as the model says)", metavar="R,G,B", parse=real_numbers
    )
    layout: str = option(
        "auto", "the order of the input's axes (auto: as its shape and its first convolution say)", choices=LAYOUTS
    )
    input_size: tuple[int, ...] | None = option(
        None,
        "the image size for a model that takes any, or takes pictures as one row of numbers (default: as its metadata "
        "says, else 224); L of a signal, D,H,W of a volume",
        metavar="H,W",
        parse=whole_numbers,
    )
    model_input: str | None = option(
        None, "the input that takes the image (default: the one of its shape)", metavar="NAME"
    )
    fix: Mapping[str, Any] | Sequence[str] | None = option(
        None,
        "values of the model's other inputs: a number, or a .npy or .csv file",
        metavar="NAME=VALUE",
        parse=named_values,
        several=True,
    )
    output_variable: str | None = option(
        None, "the model's output that holds the classes (default: the first that can)", metavar="NAME", flags=("-ov",)
    )
    labels: Path | str | Sequence[str] | None = option(
        None,
        "the classes' names: a file with one a line, a JSON list or mapping, or 'imagenet' (default: as the file says)",
        metavar="FILE",
        parse=labels,
    )
    output_index: int | None = option(
        None, "which of several lists of scores, from 0 (default: the only one)", metavar="INDEX", parse=whole_number
    )
    exif_orientation: bool = option(True, "turn photographs upright, as their EXIF orientation says")

    @property
    def files(self) -> tuple[Any, ...]:
        """Values that may name files that are read, besides the model."""
        return (self.labels, *(self.fix.values() if isinstance(self.fix, Mapping) else ()))


@dataclass(frozen=True)
class Question(Options):
    """What is asked about a class.

    Attributes:
        layer: the target layer's name; by default `Classifier.default_layer`. Of several, the maps are fused.
        score: ``logit`` (before the final Softmax or Sigmoid) or ``output`` (after it).
        against: why the class rather than this one: the difference of the two scores is explained.
        counterfactual: what speaks against the class: the derivative is negated (Selvaraju et al. 2017, section 3.3).
        smooth: average the maps over flipped and rescaled images (six passes).
    """

    layer: str | tuple[str, ...] | None = option(
        None,
        "the layer to look at (default: see 'whylight inspect'); maps of several are fused, 'compare' shows each",
        metavar="NAME",
        parse=names,
        several=True,
    )
    score: str = option(
        "logit", "what is explained: the score before or after the final Softmax or Sigmoid", choices=SCORES
    )
    against: Against = option(
        None,
        "explain why the class rather than this one: an index, a name, or 'predicted'",
        metavar="CLASS",
        parse=class_reference,
    )
    counterfactual: bool = option(False, "explain what speaks against the class")
    smooth: bool = option(False, "average the maps over flipped and rescaled images (six passes)")

    def about(self, class_names: Sequence[str], class_count: int) -> Self:
        """The same question of a model, with the index of the class that it names.

        Raises:
            WhylightError: the model has no such class to compare with.
        """
        if self.against is None or self.against == PREDICTED:
            return self
        return replace(self, against=class_index_of(self.against, class_names, class_count, " to compare with"))

    @property
    def layers(self) -> tuple[str | None, ...]:
        """The layers one by one; None stands for the default layer."""
        return self.layer if isinstance(self.layer, tuple) else (self.layer,)


@dataclass(frozen=True)
class Rendering(Options):
    """How overlays look.

    Attributes:
        alpha: the weight of the colors, 0 to 1.
        colormap: one of `COLORMAPS`.
        size: of overlays of pictures: ``original`` (the image's own), ``input`` (the model's), or the pixels of the
            longest edge. For the latter two a large JPEG file may be decoded at reduced scale, in half of the time.
        title: write above the overlay which class is explained, how probable it is, and by what; a small overlay is
            enlarged.
        legend: draw the scale of the colors beside the overlay.
    """

    alpha: float = option(0.5, "how strongly the colors cover the image", metavar="0..1", parse=share)
    colormap: str = option("jet", "the colors of the map", choices=tuple(COLORMAPS))
    size: str | int = option(
        "original",
        "the overlay's size: 'original' (the image's own), 'input' (the model's), or pixels of its longest edge",
        metavar="SIZE",
        parse=overlay_size,
    )
    title: bool = option(False, "write above the overlay which class is explained, its probability, and by what")
    legend: bool = option(False, "draw the scale of the colors beside the overlay")

    @property
    def is_figure(self) -> bool:
        """Whether there is more to draw than the overlay itself."""
        return self.title or self.legend


@dataclass(frozen=True)
class Arrangement(Options):
    """How overlays are laid out side by side.

    Attributes:
        columns: pictures in a row; rows of several layers have all their methods in one.
        tile: the longer edge of each picture, in pixels.
    """

    columns: int = option(5, "pictures in a row, where there is one layer", metavar="N", parse=count)
    tile: int = option(224, "the longer edge of each picture, in pixels", metavar="PIXELS", parse=count)


@dataclass(frozen=True)
class Output(Options):
    """What becomes of results that are there already.

    Attributes:
        overwrite: replace the finished result of an earlier run over a dataset, and single files of another kind that
            whylight made. A single overlay, page or table is replaced by the next of its kind without it, and what
            whylight did not make is not written over with it either.
    """

    overwrite: bool = option(
        False, "replace the result of an earlier run; what whylight did not make is never written over"
    )


@dataclass(frozen=True)
class Execution(Options):
    """What runs the network, and what is kept of it.

    Attributes:
        device: one of `DEVICES`; ``auto`` takes the fastest that the installed ONNX Runtime has. One that is not there,
            or does not start, gives a warning, and the processor is used.
        threads: that a process may use; by default one a core, as memory allows.
        batch_size: images a run of the network; by default as the model's size allows.
        cache: keep compiled explainers on disk, so that the next start needs neither the model file nor the compiler.
    """

    device: str = option(
        "auto", "what runs the network (auto: the fastest that the installed ONNX Runtime has)", choices=DEVICES
    )
    threads: int | None = option(
        None, "threads of a process (default: one a core, as memory allows)", metavar="N", parse=count
    )
    batch_size: int | None = option(
        None, "images a run of the network (default: as the model's size allows)", metavar="N", parse=count
    )
    cache: bool = option(True, "keep the compiled explainer, and take one that is kept")
