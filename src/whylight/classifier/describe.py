"""Finding in an ONNX graph what makes it a classifier: its image, its scores, its classes, its layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from whylight.classifier.classifier import Classifier
from whylight.classifier.input_axes import layout_by_first_step
from whylight.classifier.layer import Layer
from whylight.contract import InputFacts
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes

FINAL_ACTIVATIONS = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that turn scores (logits) into the model's output."""

SAME_VALUES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Cast")
"""Operators behind it that leave each number as it is."""


def describe(
    path: Path,
    model: onnx.ModelProto,
    layers: Sequence[Layer],
    image: str,
    maximum: float,
    output: str | None = None,
    layout: str | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    channel_order: str = "RGB",
    notes: tuple[str, ...] = (),
    exif_orientation: bool = True,
) -> Classifier:
    """Describe the classifier in ``model``: find its class scores, its classes and the layers to explain.

    Args:
        path: the file the model came from, for messages.
        model: the whole graph.
        layers: all named steps of the network.
        image: the name of the image input.
        maximum: the input's value for white, 1 or 255.
        output: the graph output that holds the class scores; by default the first that can.
        layout: the input's axes after the batch axis; by default as its shape says.
        mean: see `InputFacts`.
        std: see `InputFacts`.
        channel_order: see `InputFacts`.
        notes: see `Classifier`.
        exif_orientation: see `InputFacts`.

    Raises:
        WhylightError: the input is no image, or no output holds class scores.
    """
    tensors = GraphBuilder.extending(model).tensors
    input_facts = replace(
        _input_facts(path, tensors[image], maximum, layout or _layout(model, tensors, image)),
        mean=mean,
        std=std,
        channel_order=channel_order,
        exif_orientation=exif_orientation,
    )
    output = _class_output(path, [output] if output else [info.name for info in model.graph.output], tensors)
    logits, activation = before_final_activation(model.graph.node, output)
    outputs = tensors[logits].size(1)
    reached = {name for node in dependent_nodes(model.graph.node, image) for name in node.output}
    needed = {name for node in needed_nodes(model.graph.node, [logits]) for name in node.output}
    on_the_way = reached & needed
    return Classifier(
        path=path,
        model=model,
        input=input_facts,
        output=output,
        logits=logits,
        final_activation=activation,
        class_count=2 if outputs == 1 and activation == "Sigmoid" else outputs,
        layers=tuple(
            layer
            for layer in layers
            if layer.tensor in on_the_way and _is_feature_map(tensors[layer.tensor], layer, len(input_facts.size))
        ),
        tensors=tensors,
        notes=notes,
    )


def _input_facts(path: Path, tensor: Tensor, maximum: float, layout: str | None) -> InputFacts:
    shape = tensor.shape[1:]
    if layout is None or len(layout) != len(shape) or not all(isinstance(extent, int) for extent in shape):
        raise WhylightError(
            f"{path}: input '{tensor.name}' has shape {_shape_text(tensor)}, "
            "expected an image (channels, height, width)"
        )
    extents = [tensor.size(axis) for axis in range(1, tensor.rank)]
    places = tuple(extent for extent, letter in zip(extents, layout, strict=True) if letter != "C")
    channels = extents[layout.index("C")] if "C" in layout else 1
    return InputFacts(tensor.name, channels, places, layout, maximum)


def _layout(model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: str) -> str | None:
    """The input's axes after the batch axis, where the file does not say them."""
    shape = tensors[image].shape[1:]
    # of constants alone: where an axis of extent 1 goes in a reshape is a guess, too weak to name axes by
    constants = {name: tensor for name, tensor in tensors.items() if tensor.value is not None}
    found = layout_by_first_step(model.graph.node, constants.get, image, len(shape) + 1)
    match len(shape):
        case 1:
            return found
        case 2:
            return found or "HW"
        case 3 if found == "DHW":
            return found
        case 3:
            return "HWC" if shape[0] not in (1, 3) and shape[2] in (1, 3) else "CHW"
        case 4:
            return found or "CDHW"
    return None


def _class_output(path: Path, names: Sequence[str], tensors: dict[str, Tensor]) -> str:
    for name in names:
        shape = tensors[name].shape
        if len(shape) >= 2 and isinstance(shape[1], int) and all(extent == 1 for extent in shape[2:]):
            return name
    found = ", ".join(f"'{name}' {_shape_text(tensors[name])}" for name in names)
    raise WhylightError(f"{path}: no output holds one score a class, of shape (N, classes); found {found}")


def _shape_text(tensor: Tensor) -> str:
    return f"({', '.join(str(extent or '?') for extent in tensor.shape)})"


def before_final_activation(nodes: Iterable[onnx.NodeProto], output: str) -> tuple[str, str | None]:
    """The tensor of scores that an output is made of by a final activation, and that; the output itself without one."""
    producers = {name: node for node in nodes for name in node.output}
    name = output
    while name in producers:
        node = producers[name]
        if node.op_type in FINAL_ACTIVATIONS:
            return node.input[0], node.op_type
        if node.op_type == "Div" and (scores := _spelled_out_softmax(node, producers)):
            return scores, "Softmax"
        if node.op_type not in SAME_VALUES:
            break
        name = node.input[0]
    return output, None


def _spelled_out_softmax(node: onnx.NodeProto, producers: Mapping[str, onnx.NodeProto]) -> str | None:
    """z of exp(z - m) / sum exp(z - m), with or without the maximum m."""
    powers, total = (producers.get(name) for name in node.input)
    if powers is None or total is None or powers.op_type != "Exp" or total.op_type != "ReduceSum":
        return None
    if total.input[0] != powers.output[0]:
        return None
    scores = powers.input[0]
    shift = producers.get(scores)
    if shift is not None and shift.op_type == "Sub":
        largest = producers.get(shift.input[1])
        if largest is not None and largest.op_type == "ReduceMax" and largest.input[0] == shift.input[0]:
            return shift.input[0]
    return scores


def _is_feature_map(tensor: Tensor, layer: Layer, dimensions: int) -> bool:
    """Whether it has the image's dimensions, and more than one place."""
    if layer.grid is not None:
        return True
    places = tensor.shape[1:-1] if layer.channels_last else tensor.shape[2:]
    return len(places) == dimensions and any(extent != 1 for extent in places)
