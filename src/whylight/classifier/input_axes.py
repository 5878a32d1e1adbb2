"""What the axes of an image input stand for, as the network's first convolution reads them.

    (N, 9, 128) ──Conv of one axis──> CL          (N, 128, 9) ──Transpose──> ──Conv of one axis──> LC

Shapes alone do not say whether two axes are a gray picture or a signal of several channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

Constant = Callable[[str], np.ndarray[Any, Any] | None]
"""The value of a tensor that is constant."""
_Axes = tuple[int | None, ...]
"""For each axis of a tensor the axis of the input that it is; None for one of extent 1 that was put in."""

_PLACES = {1: "L", 2: "HW", 3: "DHW"}
_SAME_AXES = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Log", "Exp", "Abs", "Neg", "Clip", "Relu", "BatchNormalization"),
    *("Identity", "Cast", "Dropout", "Pad", "Slice", "QuantizeLinear", "DequantizeLinear"),
}


def layout_by_first_step(nodes: Iterable[onnx.NodeProto], constant: Constant, image: str, rank: int) -> str | None:
    """The axes after the batch axis, such as ``CL`` or ``CDHW``; None where no convolution or product says it.

    Args:
        nodes: of the graph, in topological order.
        constant: gives the value of a constant tensor.
        image: the input's name.
        rank: the number of its axes, with the batch.
    """
    known: dict[str, _Axes] = {image: tuple(range(rank))}
    for node in nodes:
        source = next((name for name in node.input if name in known), None)
        if source is None:
            continue
        axes = known[source]
        if node.op_type == "Conv" and source == node.input[0]:
            return _letters(axes[1], axes[2:], rank)
        if node.op_type in ("LSTM", "GRU", "RNN") and source == node.input[0]:
            return _letters(axes[2], axes[:1], rank)
        if node.op_type == "MatMul" and source == node.input[0] and len(axes) > 2:
            return _letters(axes[-1], axes[1:-1], rank)
        moved = _moved(node, axes, constant)
        if moved:
            known |= dict.fromkeys(node.output, moved)
    return None


def _letters(channels: int | None, places: Sequence[int | None], rank: int) -> str | None:
    found = sorted(axis for axis in places if axis is not None)
    letters = dict(zip(found, _PLACES.get(len(found), ""), strict=False))
    if channels is not None:
        letters[channels] = "C"
    return "".join(letters[axis] for axis in range(1, rank)) if sorted(letters) == list(range(1, rank)) else None


def _moved(node: onnx.NodeProto, axes: _Axes, constant: Constant) -> _Axes | None:
    """The axes behind a node; None where it is not known."""
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    operand = constant(node.input[1]) if len(node.input) > 1 and node.input[1] else None
    match node.op_type:
        case "Transpose":
            order = attributes.get("perm") or range(len(axes))[::-1]
            return tuple(axes[axis] for axis in order)
        case "Unsqueeze" | "Squeeze":
            named = attributes.get("axes", operand)
            if named is None:
                return None
            rank = len(axes) + (len(named) if node.op_type == "Unsqueeze" else 0)
            chosen = {int(axis) % rank for axis in named}
            if node.op_type == "Squeeze":
                return tuple(axis for place, axis in enumerate(axes) if place not in chosen)
            rest = iter(axes)
            return tuple(None if place in chosen else next(rest) for place in range(rank))
        case "Reshape" if operand is not None and sum(extent != 1 for extent in operand[1:]) == len(axes) - 1:
            rest = iter(axes[1:])  # axes of extent 1 are put in
            return (axes[0], *(None if extent == 1 else next(rest) for extent in operand[1:]))
        case operator if operator in _SAME_AXES:
            return axes
    return None
