"""Arguments that several commands share, and what they mean."""

import argparse
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight import reading
from whylight.errors import WhylightError
from whylight.options import Execution, Question

if TYPE_CHECKING:
    from whylight.options import ModelOptions
    from whylight.running.explainer import ClassIndex, Explainer

ALL = "all"
"""In place of methods' names: all that fit the model."""


def add_model(command: argparse.ArgumentParser, option: bool) -> None:
    text = "the model: an .onnx file, a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf)"
    if option:
        command.add_argument("-m", "--model", metavar="FILE", type=Path, default=Path("results.nnp"), help=text)
    else:
        command.add_argument("model", metavar="MODEL", type=Path, help=text)
    command.add_argument(
        "--parameters", metavar="FILE", type=Path, help="the parameter file of a loose network (.h5, .protobuf)"
    )


def add_explanation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", default="gradcam", metavar="NAME", help="how to explain: see 'whylight methods'")
    command.add_argument(
        "--layer",
        metavar="NAME",
        nargs="+",
        help="the layer to look at (default: see 'whylight inspect'); maps of several are fused",
    )
    command.add_argument(
        "--smooth", action="store_true", help="average the maps over flipped and rescaled images (six passes)"
    )
    add_question(command)


def add_question(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--against", metavar="INDEX", help="explain why the class rather than this one: an index, or 'predicted'"
    )
    command.add_argument("--counterfactual", action="store_true", help="explain what speaks against the class")
    command.add_argument(
        "--score",
        default="logit",
        choices=("logit", "output"),
        help="what is explained: the score before or after the final Softmax or Sigmoid",
    )


def add_model_facts(command: argparse.ArgumentParser) -> None:
    """What a model file may leave open."""
    command.add_argument(
        "--input_range",
        default="auto",
        choices=("1", "255", "auto"),
        help="the value of white at the model's input (auto: as the model says)",
    )
    command.add_argument(
        "--mean",
        type=_numbers,
        metavar="R,G,B",
        help="subtracted from values in the input range (default: as the model says)",
    )
    command.add_argument(
        "--std", type=_numbers, metavar="R,G,B", help="what they are divided by after that (default: as the model says)"
    )
    command.add_argument(
        "--layout",
        default="auto",
        choices=("auto", "NCHW", "NHWC", "NCL", "NLC", "NCDHW", "NDHWC"),
        help="the order of an .onnx input's axes (auto: as its shape and its first convolution say)",
    )
    command.add_argument(
        "--input_size",
        type=_size,
        metavar="H,W",
        help="the image size for an .onnx model that takes any (default: as its metadata says, else 224); "
        "L of a signal, D,H,W of a volume",
    )
    command.add_argument(
        "--model_input", metavar="NAME", help="the .onnx input that takes the image (default: the one of its shape)"
    )
    command.add_argument(
        "-ov",
        "--output_variable",
        metavar="NAME",
        help="the model's output that holds the classes (default: the first that can)",
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}': expected numbers with commas between them") from None


def _size(text: str) -> tuple[int, ...]:
    try:
        extents = tuple(int(number) for number in text.replace("x", ",").split(","))
    except ValueError:
        extents = ()
    if not extents or min(extents) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': expected whole numbers above 0 with commas between them")
    return extents


def model_options(arguments: argparse.Namespace) -> "ModelOptions":
    from whylight.options import ModelOptions

    return ModelOptions(**{field.name: getattr(arguments, field.name) for field in fields(ModelOptions)})


def add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "directml", "coreml"),
        help="what runs the network (auto: the fastest that the installed ONNX Runtime has)",
    )


def add_colors(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--alpha", type=float, default=0.5, metavar="0..1", help="how strongly the colors cover the image"
    )
    command.add_argument("--colormap", default="jet", metavar="NAME", help="jet, viridis, inferno, turbo or gray")


def add_rendering(command: argparse.ArgumentParser) -> None:
    add_colors(command)
    command.add_argument(
        "--size",
        default="original",
        choices=("original", "input"),
        help="the overlay's size: the image's own, or the model's input size",
    )


def explainer_of(arguments: argparse.Namespace) -> "Explainer":
    from whylight.compiling.compiler import compile_explainer
    from whylight.running.cache import cached_explainer

    options, explained = model_options(arguments), explaining(arguments)
    return cached_explainer(
        arguments.model,
        arguments.parameters,
        {**asdict(options), **explained},
        lambda: compile_explainer(
            reading.load(arguments.model, arguments.parameters, options), explained.pop("method"), Question(**explained)
        ).SerializeToString(),
        Execution(device=arguments.device),
    )


def explaining(arguments: argparse.Namespace) -> dict[str, Any]:
    """How to explain: arguments of `Classifier.explainer`."""
    against = None if arguments.against is None else class_index_of(arguments.against)
    names = ("method", "layer", "score", "counterfactual", "smooth")
    return {**{name: getattr(arguments, name) for name in names}, "against": against}


def class_names(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    from whylight.dataset.labels import read_labels

    return read_labels(path)


def class_index_of(text: str) -> "ClassIndex":
    if text == "predicted":
        return "predicted"
    try:
        return int(text)
    except ValueError:
        raise WhylightError(f"class index '{text}': expected a whole number or 'predicted'") from None


def methods_of(text: str) -> tuple[str, ...]:
    """The methods of a list with commas; ``all`` stands for all of them.

    Raises:
        WhylightError: there is no such method, or no name.
    """
    from whylight.methods import method_named, methods

    names = tuple(methods()) if text == ALL else tuple(dict.fromkeys(names_of(text)))
    if not names:
        raise WhylightError("no method is named: expected names with commas between them, or 'all'")
    for name in names:
        method_named(name)
    return names


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list with commas.

    Raises:
        WhylightError: one of them is empty.
    """
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if not all(names):
        raise WhylightError(f"'{text}': expected names with commas between them")
    return names
