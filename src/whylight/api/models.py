"""Models: loaded, described, converted, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from whylight.api.given import path_or_none
from whylight.errors import WhylightError
from whylight.files.storage import local_path_of, path_of
from whylight.options import Chosen, ModelOptions, Options, Question, names, parsed

if TYPE_CHECKING:
    import onnx
    import torch

    from whylight.api.classifier import Classifier
    from whylight.classifier.classifier import Classifier as Described
    from whylight.reading.inspection import Inspection

    ModelLike: TypeAlias = str | Path | Described | torch.nn.Module
    """A model file, or what was made of one."""

_MADE_BY = "made_by"
"""The key in a model's metadata."""


def load(model: ModelLike, parameters: str | Path | None = None, *options: Options, **fields: Any) -> Classifier:
    """Load a trained image classifier.

    Models of signals (N, C, L) and volumes (N, C, D, H, W) take arrays as they are.

    Args:
        model: an .onnx file of any producer, a .nnp file, a loose network (.nntxt, .prototxt, .protobuf), or, where
            PyTorch is installed, a ``torch.nn.Module`` or a .pt2 file of ``torch.export.save``.
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.
        *options: `ModelOptions`.
        **fields: fields of `ModelOptions`: ``input_range=255``, ``mean=(0.5, 0.5, 0.5)``, ...

    Raises:
        WhylightError: the file cannot be read or is not a classifier of one image; the message says why.
    """
    from whylight.api.classifier import Classifier

    return Classifier.of(loaded(model, parameters, Chosen(options, fields, ModelOptions)[ModelOptions]))


def inspect(model: str | Path, parameters: str | Path | None = None, *options: Options, **fields: Any) -> Inspection:
    """Describe a model file, also one that cannot be explained.

    Args:
        model: see `load`.
        parameters: see `load`.
        *options: `ModelOptions`.
        **fields: fields of `ModelOptions`.

    Raises:
        WhylightError: the file cannot be read.
    """
    from whylight import reading

    chosen = Chosen(options, fields, ModelOptions)[ModelOptions]
    return reading.inspect(local_path_of(model), path_or_none(parameters), chosen)


def convert(model: str | Path, parameters: str | Path | None = None) -> onnx.ModelProto:
    """Convert a model file to ONNX: one model in float32 with its weights, in one operator set.

    Args:
        model: see `load`.
        parameters: see `load`.

    Raises:
        WhylightError: the file cannot be read, or the network cannot be converted; the message says why.
    """
    from whylight import reading

    return reading.convert(local_path_of(model), path_or_none(parameters))


def compile(  # noqa: A001  # it is what the command is called
    model: ModelLike,
    method: str | Sequence[tuple[str, str | Sequence[str] | None]] = "gradcam",
    *options: Options,
    parameters: str | Path | None = None,
    pixels: bool = False,
    **fields: Any,
) -> onnx.ModelProto:
    """The explainer of a model as one ONNX model, which any program with ONNX Runtime can run.

    Its inputs are the model's and ``class_index`` (N,) int64, -1 for the predicted class; its outputs the model's,
    ``score`` (N,), and ``cam`` (N, h, w), not normalized.

    Args:
        model: see `load`; or a `Classifier`.
        method: the name of a method: see `methods`; or several, each with its layers (None for the default layer): the
            first one's map is ``cam``, the others' are ``cam/1``, ``cam/2``, and the network runs once for all.
        *options: `Question`; `ModelOptions` for a file.
        parameters: see `load`.
        pixels: take RGB bytes, ``pixels`` (N, H, W, 3) uint8 of any size, in place of the model's input: preparation is
            part of the graph. For models of pictures and methods of one pass.
        **fields: fields of these.

    Raises:
        WhylightError: no such method, layer or class, or the layer cannot be differentiated through.
    """
    from whylight.compiling.compiler import compile_maps
    from whylight.compiling.pixels import taking_pixels

    chosen = Chosen(options, fields, ModelOptions, Question)
    classifier = loaded(model, parameters, chosen[ModelOptions])
    question = chosen[Question]
    if isinstance(method, str):
        wanted: Sequence[tuple[str, str | Sequence[str] | None]] = [(method, question.layer)]
    elif question.layer is not None:
        raise WhylightError("several methods name their layers themselves: leave the option 'layer' out")
    else:
        wanted = parsed("methods", method, _with_layers)
    graph = compile_maps(classifier, wanted, question)
    return taking_pixels(graph) if pixels else graph


def _with_layers(value: Any) -> list[tuple[str, str | Sequence[str] | None]]:
    """Methods, each with its layers."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a method's name, or pairs of a method and its layers")
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError("expected pairs of a method and its layers (None for the default layer)")
    return [(method, None if layers is None else names(layers)) for method, layers in value]


def save_model(model: onnx.ModelProto, path: str | Path) -> None:
    """Write an ONNX model, aside first and then in place. Its metadata say that whylight made it.

    A file that whylight did not make is not written over.

    Raises:
        WhylightError: it cannot be written, or is there from something else.
    """
    import onnx

    from whylight.files.marks import MODEL, signature
    from whylight.files.writing import check_output, save_bytes

    file = path_of(path)
    check_output(file, MODEL, overwrite=True)
    content = model.SerializeToString()
    if all(entry.key != _MADE_BY for entry in model.metadata_props):  # a message behind another adds to its lists
        content += onnx.ModelProto(metadata_props=[{"key": _MADE_BY, "value": signature(MODEL)}]).SerializeToString()
    save_bytes(content, file)


def loaded(model: ModelLike, parameters: str | Path | None, options: ModelOptions) -> Any:
    """The classifier in a file or in a module of PyTorch, or the one that is given."""
    if isinstance(model, str | Path) or hasattr(model, "fs"):  # a path of universal_pathlib
        from whylight import reading

        return reading.load(local_path_of(cast(Path, model)), path_or_none(parameters), options)
    from whylight.classifier.classifier import Classifier

    if isinstance(model, Classifier):
        changed = ", ".join(options.changed())
        if changed or parameters is not None:
            raise WhylightError(f"the classifier is loaded already: give {changed or 'its parameters'} to load")
        return model
    if isinstance(model, type) or not hasattr(model, "state_dict"):
        raise WhylightError(
            f"found {type(model).__name__} in place of a model: expected a file, a Classifier or a torch.nn.Module"
        )
    from whylight.reading.pytorch import load_module

    return load_module(model, options)
