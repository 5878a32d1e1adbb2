"""The part of the image that the network looks at: what is left by crops before the first convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import helper

from whylight.classifier.layer import Layer
from whylight.contract import Box, InputFacts
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes

_BEFORE_FEATURES = (
    *("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Cast"),
    *("Add", "Sub", "Mul", "Div", "BatchNormalization", "Transpose", "Slice"),
)


def crop_before(model: onnx.ModelProto, tensors: dict[str, Tensor], image: InputFacts, layer: Layer) -> Box:
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
