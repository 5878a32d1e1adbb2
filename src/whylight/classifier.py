"""A trained image classifier: its ONNX graph and the facts that ONNX does not hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import onnx
from onnx import helper

from whylight.blank import blank_pixel
from whylight.default_layer import default_layer
from whylight.errors import WhylightError, nearest
from whylight.facts import Box, InputFacts
from whylight.graph import GraphBuilder, Tensor, dependent_nodes, needed_nodes
from whylight.input_axes import layout_by_first_step

if TYPE_CHECKING:
    from whylight.explainer import Explainer

FINAL_ACTIVATIONS = ("Softmax", "LogSoftmax", "Sigmoid")
"""Operators that turn scores (logits) into the model's output."""

_SAME_VALUES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Cast")
_BEFORE_FEATURES = (*_SAME_VALUES, "Add", "Sub", "Mul", "Div", "Cast", "BatchNormalization", "Transpose", "Slice")


@dataclass(frozen=True)
class Layer:
    """A named step of the network whose output is a feature map.

    Attributes:
        name: the name that the model's author knows (for .nnp: the function's).
        type: the function's type, such as ``Convolution``.
        tensor: the name of its output in the graph.
        channels_last: whether that output is (N, H, W, C) instead of (N, C, H, W); of signals and volumes likewise.
        grid: rows and columns of the image's tokens, where that output is (N, T, C) (channels last) or (N, C, T); of
            signals one number, of volumes three.
        tokens_before: how many tokens of no place in the image, such as a class token, come before them.
    """

    name: str
    type: str
    tensor: str
    channels_last: bool = False
    grid: tuple[int, ...] | None = None
    tokens_before: int = 0


@dataclass(frozen=True)
class Classifier:
    """A classifier that can be explained.

    Attributes:
        path: the file it was read from.
        model: the whole model in ONNX.
        input: name, size, channels, layout and value range of the image input.
        output: the graph output that holds the class scores or probabilities.
        logits: the tensor of scores before the final activation; equal to ``output`` where there is none.
        final_activation: the ONNX operator between the two, if any.
        class_count: number of classes; 2 for a model with one Sigmoid output.
        layers: the layers that can be explained, in the order in which they run.
        tensors: shape and type of every tensor of the graph, by name.
    """

    path: Path
    model: onnx.ModelProto
    input: InputFacts
    output: str
    logits: str
    final_activation: str | None
    class_count: int
    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]

    @property
    def is_two_class(self) -> bool:
        """Whether one Sigmoid output stands for two classes: class 1 for it, class 0 against it."""
        return self.class_count == 2 and self.tensors[self.logits].shape[1:] in ((1,), (1, 1, 1))

    @cached_property
    def path_nodes(self) -> list[onnx.NodeProto]:
        """The nodes between the image and `logits`, in topological order."""
        return dependent_nodes(needed_nodes(self.model.graph.node, [self.logits]), self.input.name)

    @cached_property
    def default_layer(self) -> Layer:
        """The layer to explain where none is named: see `whylight.default_layer`.

        Raises:
            WhylightError: the network has none that suits.
        """
        layer = default_layer(self.model.graph.node, self.layers, self.tensors, self.input.name, self.logits)
        if layer is None:
            raise WhylightError(
                f"{self.path}: the network has no convolution on the way to its class scores; "
                f"name another layer to explain: {', '.join(layer.name for layer in self.layers) or 'it has none'}"
            )
        return layer

    def layer(self, name: str | None = None) -> Layer:
        """The layer of that name, or the default layer.

        The last part of a name is enough where no other layer has it, and so is the name of its tensor. The name of a
        module that holds several layers stands for the last of them.

        Raises:
            WhylightError: there is no such layer; the message has the nearest names.
        """
        if name is None:
            return self.default_layer
        for candidates in (
            [layer for layer in self.layers if layer.name == name],
            [layer for layer in self.layers if layer.name.rpartition("/")[2] == name],
            [layer for layer in self.layers if layer.tensor == name],
            [layer for layer in self.layers if layer.name.startswith((f"{name}.", f"{name}/"))][-1:],
            [layer for layer in self.layers if f"/{name}/" in layer.name][-1:],
        ):
            if len(candidates) == 1:
                return candidates[0]
        near = nearest(name, [layer.name for layer in self.layers])
        raise WhylightError(f"{self.path}: no layer '{name}' that can be explained; the nearest are {near}")

    def explainer(
        self,
        method: str = "gradcam",
        layer: str | Sequence[str] | None = None,
        score: str = "logit",
        against: int | Literal["predicted"] | None = None,
        counterfactual: bool = False,
        smooth: bool = False,
    ) -> Explainer:
        """Compile an explainer for this classifier.

        Args:
            method: the name of a method, such as ``"gradcam"`` or ``"score-cam"``.
            layer: the name of the target layer, by default `default_layer`; of several, the maps are fused.
            score: what is differentiated: ``"logit"`` (before the final Softmax or Sigmoid) or ``"output"``.
            against: explain why the class rather than this one: its index, or ``"predicted"``.
            counterfactual: explain what speaks against the class.
            smooth: average the maps over flipped and rescaled images (six passes).

        Raises:
            WhylightError: no such method, layer, score or class, or the layer cannot be differentiated through.
        """
        from whylight.compiler import compile_explainer
        from whylight.explainer import Explainer

        graph = compile_explainer(self, method, layer, score, against, counterfactual, smooth)
        return Explainer(graph.SerializeToString())

    @property
    def blank(self) -> tuple[float, ...]:
        """For each channel the value at the model's input that its own preprocessing turns into zero."""
        return blank_pixel(self.model, self.tensors, self.input, self.logits)

    def crop(self, layer: Layer) -> Box:
        """The part of the input image that the network looks at: what is left by crops before the first convolution."""
        return _crop(self.model, self.tensors, self.input, layer)


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

    Raises:
        WhylightError: the input is no image, or no output holds class scores.
    """
    tensors = GraphBuilder.extending(model).tensors
    input_facts = replace(
        _input_facts(path, tensors[image], maximum, layout or _layout(model, tensors, image)),
        mean=mean,
        std=std,
        channel_order=channel_order,
    )
    output = _class_output(path, [output] if output else [info.name for info in model.graph.output], tensors)
    logits, activation = _before_final_activation(model, output)
    outputs = tensors[logits].size(1)
    reached = {name for node in dependent_nodes(model.graph.node, image) for name in node.output}
    needed = {name for node in needed_nodes(model.graph.node, [logits]) for name in node.output}
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
            if layer.tensor in reached & needed and _is_feature_map(tensors[layer.tensor], layer, len(input_facts.size))
        ),
        tensors=tensors,
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
    found = layout_by_first_step(model.graph.node, lambda name: tensors[name].value, image, len(shape) + 1)
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


def _before_final_activation(model: onnx.ModelProto, output: str) -> tuple[str, str | None]:
    producers = {name: node for node in model.graph.node for name in node.output}
    name = output
    while name in producers:
        node = producers[name]
        if node.op_type in FINAL_ACTIVATIONS:
            return node.input[0], node.op_type
        if node.op_type == "Div" and (scores := _spelled_out_softmax(node, producers)):
            return scores, "Softmax"
        if node.op_type not in _SAME_VALUES:
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


def _crop(model: onnx.ModelProto, tensors: dict[str, Tensor], image: InputFacts, layer: Layer) -> Box:
    """Follow the image to where features begin, and compose the crops on that way, in fractions of the image."""
    nodes = dependent_nodes(needed_nodes(model.graph.node, [layer.tensor]), image.name)
    axes = [axis for axis, letter in enumerate(image.layout, start=1) if letter != "C"]
    box = image.whole
    name = image.name
    while True:
        readers = [node for node in nodes if name in node.input]
        if len(readers) != 1 or readers[0].op_type not in _BEFORE_FEATURES:
            return box
        node = readers[0]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "Slice":
            box = _sliced(box, node, tensors, axes)
        elif node.op_type == "Transpose":
            order = list(attributes["perm"])
            axes = [order.index(axis) for axis in axes]
        elif node.op_type in ("Reshape", "Flatten", "Squeeze", "Unsqueeze"):
            rank = tensors[node.output[0]].rank - tensors[name].rank
            axes = [axis + rank for axis in axes]
        name = node.output[0]


def _sliced(box: Box, node: onnx.NodeProto, tensors: dict[str, Tensor], axes: Sequence[int]) -> Box:
    operands: list[Any] = [tensors[name].value if name else None for name in node.input[1:]]
    starts, ends = operands[0], operands[1]
    if starts is None or ends is None:
        return box
    sliced_axes = operands[2] if len(operands) > 2 else range(len(starts))
    before = tensors[node.input[0]]
    edges = list(box)
    for axis, start, end in zip(sliced_axes, starts, ends, strict=True):
        axis = int(axis) % before.rank
        if axis not in axes:
            continue
        size = before.size(axis)
        first, last, _ = slice(int(start), int(end)).indices(size)
        low, high = axes.index(axis), axes.index(axis) + len(axes)
        begin, extent = edges[low], edges[high] - edges[low]
        edges[low], edges[high] = begin + extent * first / size, begin + extent * last / size
    return tuple(edges)
