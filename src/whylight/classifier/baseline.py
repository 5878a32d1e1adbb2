"""The pixel that says nothing: the one that a network's own preprocessing turns into zero.

A network that is trained on (pixel - mean) / std sees the mean as zero; a file may hold that arithmetic in front of
the network. What is taken out of an image is replaced by this pixel, as it is in frameworks where images come to the
network already normalized.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from whylight.classifier.first_steps import Step, straight_steps
from whylight.graph.walks import dependent_nodes, needed_nodes

if TYPE_CHECKING:
    from whylight.contract import InputFacts
    from whylight.graph.tensor import Tensor

_SAME_PIXELS = ("Identity", "Cast", "Dropout", "Slice", "Pad", "Transpose")


def baseline_pixel(
    model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: InputFacts, logits: str
) -> tuple[float, ...]:
    """The value of each channel at the model's input that reaches the network as zero."""
    nodes = dependent_nodes(needed_nodes(model.graph.node, [logits]), image.name)
    slope, offset = np.ones(image.channels), np.zeros(image.channels)
    channels = image.layout.index("C") + 1 if "C" in image.layout else None
    for step in straight_steps(nodes, image.name, len(image.layout) + 1, tensors.get):
        if step.node.op_type in _SAME_PIXELS:
            continue
        constant = _of_channels(step, tensors, channels, image.channels)
        after = None if constant is None else _after(step, slope, offset, constant)
        if after is None:
            break
        slope, offset = after
    known = slope != 0
    return tuple(float(x) for x in np.where(known, -offset / np.where(known, slope, 1), 0) + 0.0)


def _of_channels(step: Step, tensors: Mapping[str, Tensor], axis: int | None, channels: int) -> NDArray[Any] | None:
    """The constant operand of an arithmetic node, one value a channel."""
    node = step.node
    if node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return None
    other = tensors[node.input[1] if node.input[0] == step.source else node.input[0]]
    if other.value is None:
        return None
    rank = len(step.axes)
    if other.rank > rank:
        return None
    shape = (1,) * (rank - other.rank) + other.value.shape
    if any(extent != 1 for place, extent in enumerate(shape) if place != step.place(axis)):
        return None
    values = np.asarray(other.value, np.float64).ravel()
    return np.broadcast_to(values, (channels,)) if values.size in (1, channels) else None


def _after(
    step: Step, slope: NDArray[Any], offset: NDArray[Any], constant: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """slope * pixel + offset, behind the node."""
    first = step.node.input[0] == step.source
    match step.node.op_type:
        case "Add":
            return slope, offset + constant
        case "Sub":
            return (slope, offset - constant) if first else (-slope, constant - offset)
        case "Mul":
            return slope * constant, offset * constant
        case "Div" if first:
            return slope / constant, offset / constant
        case _:
            return None
