"""Reading models of Neural Network Console and nnabla, without either."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from whylight.classifier.classifier import Classifier
from whylight.classifier.describe import describe
from whylight.classifier.layer import Layer
from whylight.classifier.naming import with_class_names
from whylight.errors import WhylightError
from whylight.options import ModelOptions
from whylight.reading.inspection import Inspection, with_explainable
from whylight.reading.nnp.archive import Contents, read
from whylight.reading.nnp.convert import convert, unsupported_functions
from whylight.reading.nnp.network import BATCH_AXIS, Function, Network, executor_network
from whylight.reading.per_channel import per_channel

_AS_THE_FILE_SAYS = ModelOptions()


@dataclass(frozen=True)
class NnpModel:
    """A model file, read but not yet converted."""

    contents: Contents
    network: Network


def load(path: Path, parameters: Path | None, options: ModelOptions) -> Classifier:
    """The classifier in a model file.

    Raises:
        WhylightError: as `read_model` and `to_classifier`.
    """
    return to_classifier(read_model(path, parameters), options)


def inspect(path: Path, parameters: Path | None, options: ModelOptions) -> Inspection:
    """What a model file holds.

    Raises:
        WhylightError: the file cannot be read, or has no executor.
    """
    model = read_model(path, parameters)
    network = model.network
    white = maximum(network)
    held = Inspection(
        path=str(path),
        format=model.contents.format,
        networks=tuple(network.names),
        executor=network.executor,
        network=network.name,
        inputs=tuple({**_variable(network, name, read), "range": white} for name, read in network.data.items()),
        outputs=tuple(_variable(network, name, written) for name, written in network.outputs.items()),
        functions=dict(sorted(Counter(function.type for function in network.functions).items())),
        unsupported=tuple(unsupported_functions(network)),
    )
    return with_explainable(
        held, lambda: to_classifier(model, options), lambda image: {} if image.is_picture else {"range": None}
    )


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

    Raises:
        WhylightError: the network cannot be converted, or is not a classifier of one image; or ``mean`` or ``std`` has
            not one number a channel.
    """
    network = model.network
    if len(network.data) != 1:
        raise WhylightError(
            f"{network.path}: executor '{network.executor}' has {len(network.data)} data inputs "
            f"({', '.join(network.data)}), expected one: the image"
        )
    graph = convert(network, model.contents.parameters)
    classifier = describe(
        network.path,
        graph,
        _layers(network),
        image=next(iter(network.data)),
        maximum=maximum(network, options.input_range),
        output=_output(network, options.output_variable) if options.output_variable else None,
        exif_orientation=options.exif_orientation,
    )
    image = classifier.input
    mean = () if options.mean is None else per_channel(network.path, "mean", options.mean, image.channels)
    std = () if options.std is None else per_channel(network.path, "std", options.std, image.channels)
    prepared = replace(classifier, input=replace(image, mean=mean, std=std))
    return with_class_names(prepared, options.labels, {})


def maximum(network: Network, input_range: str = "auto") -> float:
    """The input's value of white: 1 or 255.

    ``auto``: 255 where the file says that images are not normalized, or where the network's first function divides
    its input by 255 itself; otherwise 1.
    """
    if input_range != "auto":
        return float(input_range)
    readers = [function for function in network.functions if network.data.keys() & set(function.inputs)]
    scaled = [f for f in readers if f.type == "MulScalar" and abs(f.arguments["val"] * 255 - 1) < 1e-3]
    return 255.0 if not network.image_normalization or (scaled and scaled == readers) else 1.0


def _variable(network: Network, name: str, data_name: str) -> dict[str, Any]:
    shape = ["N" if extent == BATCH_AXIS else extent for extent in network.variables[name].shape]
    return {"name": name, "data_name": data_name, "shape": shape}


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
