"""The part of the image that the network looks at: what is left by crops before the first convolution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from whylight.classifier.first_steps import Step, straight_steps
from whylight.classifier.layer import Layer
from whylight.contract import Box, InputFacts
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes

_BEFORE_FEATURES = (
    *("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Cast"),
    *("Add", "Sub", "Mul", "Div", "BatchNormalization", "Transpose", "Slice"),
)


def crop_before(model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: InputFacts, layer: Layer) -> Box:
    """Follow the image to where features begin, and compose the crops on that way, in fractions of the image."""
    nodes = dependent_nodes(needed_nodes(model.graph.node, [layer.tensor]), image.name)
    places = [axis for axis, letter in enumerate(image.layout, start=1) if letter != "C"]
    box = image.whole
    for step in straight_steps(nodes, image.name, len(image.layout) + 1, tensors.get):
        if step.node.op_type not in _BEFORE_FEATURES:
            break
        if step.node.op_type == "Slice":
            box = _sliced(box, step, tensors, places)
    return box


def _sliced(box: Box, step: Step, tensors: Mapping[str, Tensor], places: list[int]) -> Box:
    given = {
        place: value
        for place, name in enumerate(step.node.input)
        if place and name and (value := tensors[name].value) is not None
    }
    if len(given) < sum(name != "" for name in step.node.input[1:]):
        return box
    starts, ends = given[1], given[2]
    sliced_axes = given.get(3, np.arange(len(starts)))
    strides = given.get(4, np.ones(len(starts), np.int64))
    before = tensors[step.source]
    edges = list(box)
    for place, start, end, stride in zip(sliced_axes, starts, ends, strides, strict=True):
        axis = step.axes[place]
        if axis not in places:
            continue
        size = before.size(place)
        kept = range(*slice(int(start), int(end), int(stride)).indices(size))
        if not kept:
            continue
        # each that is kept stands for those that are left out behind it
        first, last = min(kept), min(min(kept) + len(kept) * abs(int(stride)), size)
        low, high = places.index(axis), places.index(axis) + len(places)
        begin, extent = edges[low], edges[high] - edges[low]
        edges[low], edges[high] = begin + extent * first / size, begin + extent * last / size
    return tuple(edges)
