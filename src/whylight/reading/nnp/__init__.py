"""Reading models of Neural Network Console and nnabla, without either."""

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from whylight.classifier.classifier import Classifier
from whylight.classifier.describe import describe
from whylight.classifier.layer import Layer
from whylight.errors import WhylightError
from whylight.options import ModelOptions
from whylight.reading.nnp.archive import Contents, read
from whylight.reading.nnp.convert import convert
from whylight.reading.nnp.network import Function, Network, executor_network

INPUT_RANGES = ("auto", "1", "255")
_AS_THE_FILE_SAYS = ModelOptions()


@dataclass(frozen=True)
class NnpModel:
    """A model file, read but not yet converted."""

    contents: Contents
    network: Network


def read_model(path: str | Path, parameters: str | Path | None = None) -> NnpModel:
    """Read a model file, and find what its executor runs.

    Raises:
        WhylightError: the file cannot be read, or has no executor.
    """
    contents = read(Path(path), Path(parameters) if parameters else None)
    return NnpModel(contents, executor_network(contents.proto, contents.path))


def to_onnx(path: str | Path, parameters: str | Path | None = None) -> onnx.ModelProto:
    """Convert the executor's network of a model file to ONNX.

    Args:
        path: a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf).
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.

    Returns:
        A model whose graph inputs and outputs are named as the network's variables, with the parameters as
        initializers, and a dynamic batch axis `N` where the network allows it. Its metadata says the range of pixels.

    Raises:
        WhylightError: the file cannot be read, or the network cannot be converted; the message says why.
    """
    model = read_model(path, parameters)
    graph = convert(model.network, model.contents.parameters)
    pixel_range = "Normalized_0_1" if maximum(model.network) == 1 else "NominalRange_0_255"
    helper.set_model_props(graph, {"Image.NominalPixelRange": pixel_range})  # the name is the ONNX standard's
    return graph


def to_classifier(model: NnpModel, options: ModelOptions = _AS_THE_FILE_SAYS) -> Classifier:
    """Convert a model that was read, and describe it as a classifier.

    Of the options, those on the input's name and shape are for files that do not say it.

    Raises:
        WhylightError: the network cannot be converted, or is not a classifier of one image.
    """
    network = model.network
    if len(network.data) != 1:
        raise WhylightError(
            f"{network.path}: executor '{network.executor}' has {len(network.data)} data inputs "
            f"({', '.join(network.data)}), expected one: the image"
        )
    graph = convert(network, model.contents.parameters)
    return describe(
        network.path,
        graph,
        _layers(network),
        image=next(iter(network.data)),
        maximum=maximum(network, options.input_range),
        output=_output(network, options.output_variable) if options.output_variable else None,
        mean=options.mean or (),
        std=options.std or (),
    )


def maximum(network: Network, input_range: str = "auto") -> float:
    """The input's value of white: 1 or 255.

    ``auto``: 255 where the file says that images are not normalized, or where the network's first function divides
    its input by 255 itself; otherwise 1.

    Raises:
        WhylightError: ``input_range`` is none of the known ones.
    """
    if input_range not in INPUT_RANGES:
        raise WhylightError(f"no input range '{input_range}': expected one of {', '.join(INPUT_RANGES)}")
    if input_range != "auto":
        return float(input_range)
    readers = [function for function in network.functions if network.data.keys() & set(function.inputs)]
    scaled = [f for f in readers if f.type == "MulScalar" and abs(f.arguments["val"] * 255 - 1) < 1e-3]
    return 255.0 if not network.image_normalization or (scaled and scaled == readers) else 1.0


def _output(network: Network, name: str) -> str:
    for variable, data_name in network.outputs.items():
        if name in (variable, data_name):
            return variable
    raise WhylightError(f"{network.path}: no output variable '{name}'; it has {', '.join(network.outputs)}")


def _layers(network: Network) -> list[Layer]:
    """Every function's first output; whether channels come last is handed on from function to function."""
    channels_last: dict[str, bool] = {}
    layers: list[Layer] = []
    for function in network.functions:
        last = _channels_last(function, channels_last)
        channels_last |= dict.fromkeys(function.outputs, last)
        layers.append(Layer(function.name, function.type, function.outputs[0], last))
    return layers


def _channels_last(function: Function, known: dict[str, bool]) -> bool:
    if "channel_last" in function.arguments:
        return bool(function.arguments["channel_last"])
    last = next((known[name] for name in function.inputs if name in known), False)
    if function.type == "Transpose" and len(function.arguments["axes"]) in (3, 4, 5):
        order = list(function.arguments["axes"])
        end = len(order) - 1
        return order.index(end if last else 1) == end
    return last
