"""The network's first steps: the way of the image from node to node, and where its axes are on it.

    (N, 28, 28) ──Unsqueeze──> (N, 1, 28, 28) ──Sub──> (N, 1, 28, 28) ──Conv──>
     0   1   2                  0  -   1   2            0  -   1   2

What a file holds in front of the network tells what its axes stand for (`input_axes`), which pixels it wants
(`input_range`), which pixel it sees as nothing (`baseline`), and which part of the image it sees (`crop`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper

from whylight.graph.tensor import Extent, Tensor

Known = Callable[[str], Tensor | None]
"""What is known of the tensor of a name: its shape, and its value where that is constant."""

Axes = tuple[int | None, ...]
"""For each axis of a tensor the axis of the input that it is; None for one that was put in or is a part of several."""

_Extents = tuple[Extent, *tuple[int, ...]]

_SAME_AXES = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Log", "Exp", "Abs", "Neg", "Clip", "Relu", "BatchNormalization"),
    *("Identity", "Cast", "Dropout", "Pad", "Slice", "QuantizeLinear", "DequantizeLinear"),
}


@dataclass(frozen=True)
class Step:
    """A node that reads the image, as it is or as the steps before have made it.

    Attributes:
        node: the node.
        source: the name of the image's tensor among the node's inputs.
        axes: what the axes of ``source`` are.
        is_alone: whether no other node reads ``source``.
    """

    node: onnx.NodeProto
    source: str
    axes: Axes
    is_alone: bool

    @property
    def result(self) -> str:
        """The name of the tensor behind the node."""
        return self.node.output[0]

    def place(self, axis: int | None) -> int | None:
        """Where in ``source`` an axis of the input is; None where it is no longer there."""
        return self.axes.index(axis) if axis is not None and axis in self.axes else None


def steps(nodes: Iterable[onnx.NodeProto], image: str, rank: int, known: Known) -> Iterator[Step]:
    """All nodes that read the image's values up to where its axes are lost, on every branch.

    Args:
        nodes: in topological order.
        image: the input's name.
        rank: the number of its axes, with the batch.
        known: of constants at least, it gives their values; the more shapes it knows, the further are axes followed.
    """
    nodes = [node for node in nodes if node.op_type not in ("Shape", "Size")]
    readers = Counter(name for node in nodes for name in set(node.input))
    reached: dict[str, Axes] = {image: tuple(range(rank))}
    for node in nodes:
        source = next((name for name in node.input if name in reached), None)
        if source is None:
            continue
        step = Step(node, source, reached[source], readers[source] == 1)
        yield step
        behind = _axes_behind(step, known)
        if behind:
            reached[step.result] = behind


def straight_steps(nodes: Iterable[onnx.NodeProto], image: str, rank: int, known: Known) -> Iterator[Step]:
    """The steps up to where several nodes read the image; see `steps`."""
    name = image
    for step in steps(nodes, image, rank, known):
        if step.source == name:
            if not step.is_alone:
                return
            yield step
            name = step.result


def _axes_behind(step: Step, known: Known) -> Axes | None:
    """What the axes of the node's result are; None where that is not known."""
    node, axes = step.node, step.axes
    match node.op_type:
        case "Transpose":
            order = _attribute(node, "perm") or range(len(axes))[::-1]
            return tuple(axes[axis] for axis in order) if len(order) == len(axes) else None
        case "Squeeze":
            gone = _named_axes(step, known)
            return None if gone is None else tuple(axis for place, axis in enumerate(axes) if place not in gone)
        case "Unsqueeze":
            put_in, rest = _named_axes(step, known), iter(axes)
            if put_in is None:
                return None
            return tuple(None if place in put_in else next(rest) for place in range(len(axes) + len(put_in)))
        case "Reshape" | "Flatten":
            return _reshaped_axes(step, known)
        case operator if operator in _SAME_AXES:
            others = [known(name) for name in node.input if name != step.source]
            rank = max(len(axes), *(tensor.rank for tensor in others if tensor), 0)
            return (None,) * (rank - len(axes)) + axes  # broadcasting puts axes in front
    return None


def _attribute(node: onnx.NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), None)


def _named_axes(step: Step, known: Known) -> set[int] | None:
    """The places of the axes that a Squeeze takes out or an Unsqueeze puts in."""
    node, named = step.node, _attribute(step.node, "axes")
    if len(node.input) > 1 and node.input[1]:
        named = _value(known, node.input[1])
    elif named is None and (shape := _shape(known, step.source)):
        named = [axis for axis, extent in enumerate(shape) if extent == 1]
    if named is None:
        return None
    rank = len(step.axes) + (len(named) if node.op_type == "Unsqueeze" else 0)
    return {int(axis) % rank for axis in named}


def _reshaped_axes(step: Step, known: Known) -> Axes | None:
    before, after = _shape(known, step.source), _shape(known, step.result)
    if before and after:
        axes_at = defaultdict(list)
        for extent, axis in zip(_extents_and_strides(before), step.axes, strict=True):
            axes_at[extent].append(axis)
        kept = [axes_at[extent].pop() if axes_at[extent] else None for extent in _extents_and_strides(after)[::-1]]
        return tuple(kept[::-1]) if any(kept) else None  # more than the batch, axis 0, is left
    target = _value(known, step.node.input[1]) if step.node.op_type == "Reshape" else None
    if target is None or sum(extent != 1 for extent in target[1:]) != len(step.axes) - 1:
        return None
    rest = iter(step.axes[1:])  # axes of extent 1 are put in
    return (step.axes[0], *(None if extent == 1 else next(rest) for extent in target[1:]))


def _extents_and_strides(shape: _Extents) -> list[tuple[int | None, int]]:
    """An axis that has the same two before and after a reshape is the same axis; the batch's extent is left out."""
    others = shape[1:]
    return [(extent, prod(others[place:])) for place, extent in enumerate([None, *others])]


def _shape(known: Known, name: str) -> _Extents | None:
    """None where more than the batch's extent is not fixed."""
    shape = tensor.shape if (tensor := known(name)) else ()
    others = [extent for extent in shape[1:] if isinstance(extent, int)]
    return (shape[0], *others) if shape and len(others) == len(shape) - 1 else None


def _value(known: Known, name: str) -> np.ndarray[Any, Any] | None:
    tensor = known(name)
    return tensor.value if tensor else None
