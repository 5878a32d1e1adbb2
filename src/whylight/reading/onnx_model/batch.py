"""Any number of images at once, also for a network that was exported for one batch size."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper

from whylight.reading.onnx_model.evaluate import Evaluation


class BatchRepair:
    """Replaces what fixes the batch size in a graph: constant shapes of Reshape and Expand, constants in Concat.

    The graph is compared with itself: a tensor that grows with the batch has another shape now than at the size that
    it was exported for.
    """

    def __init__(self, exported: Evaluation) -> None:
        """``exported``: the graph at the batch size that it was exported for."""
        self._exported = exported

    def __call__(self, now: Evaluation, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes that take the place of one that is about to be evaluated."""
        match node.op_type:
            case "Reshape" if node.input[1] in now.values:
                return self._reshape(now, node)
            case "Expand" if node.input[1] in now.values:
                return self._expand(now, node)
            case "Concat":
                return self._concat(now, node)
            case "Gather" if node.input[1] in now.values:
                return self._gather(now, node)
        return [node]

    def _growing_axis(self, now: Evaluation, name: str) -> int | None:
        before, after = self._exported.shape(name), now.shape(name)
        if before is None or after is None or len(before) != len(after):
            return None
        axes = [axis for axis, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
        return axes[0] if len(axes) == 1 else None

    def _reshape(self, now: Evaluation, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        axis = self._growing_axis(now, node.input[0])
        before, after = self._exported.shape(node.input[0]), self._exported.shape(node.output[0])
        if axis is None or not before or not after or None in before or None in after:
            return [node]
        outer = prod(before[:axis])  # type: ignore[arg-type]
        places = [place for place in range(len(after)) if prod(after[:place]) == outer]  # type: ignore[arg-type]
        if not places:
            return [node]
        shape: list[int] = [-1 if place == places[0] else int(extent or 0) for place, extent in enumerate(after)]
        return _with_operand(node, 1, shape)

    def _expand(self, now: Evaluation, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        axis = self._growing_axis(now, node.input[0])
        after = self._exported.shape(node.output[0])
        if axis is None or not after or None in after:
            return [node]
        place = axis + len(after) - len(now.shape(node.input[0]) or ())
        return _with_operand(node, 1, [1 if index == place else int(extent or 0) for index, extent in enumerate(after)])

    def _gather(self, now: Evaluation, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """All elements in their order, as PyTorch writes a strided view: a Reshape."""
        indices, before = now.values[node.input[1]], self._exported.shape(node.input[0])
        every = before == (indices.size,) and np.array_equal(indices.reshape(-1), np.arange(indices.size))
        if not every or indices.ndim < 2 or self._growing_axis(now, node.input[0]) != 0:
            return [node]
        shape = f"{node.output[0]}/batched_shape"
        reshape = helper.make_node("Reshape", [node.input[0], shape], node.output, name=node.name)
        return [_constant(shape, [-1, *indices.shape[1:]]), reshape]

    def _concat(self, now: Evaluation, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """A constant of one row beside tensors of many: the row is repeated, as for a class token."""
        axes = {name: self._growing_axis(now, name) for name in node.input}
        growing = next((name for name in node.input if axes[name] is not None), None)
        if growing is None or all(axis is not None for axis in axes.values()):
            return [node]
        axis, rank = axes[growing], len(now.shape(growing) or ())
        along = next(attribute.i for attribute in node.attribute if attribute.name == "axis") % rank
        if axis is None or axis == along:
            return [node]
        stem = node.output[0]
        nodes = [
            helper.make_node("Shape", [growing], [f"{stem}/batch"], start=axis, end=axis + 1),
            _constant(f"{stem}/before", [1] * axis),
            _constant(f"{stem}/after", [1] * (rank - axis - 1)),
            helper.make_node(
                "Concat", [f"{stem}/before", f"{stem}/batch", f"{stem}/after"], [f"{stem}/repeats"], axis=0
            ),
        ]
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for index, name in enumerate(node.input):
            if axes[name] is None:
                copy.input[index] = f"{stem}/repeated_{index}"
                nodes.append(helper.make_node("Expand", [name, f"{stem}/repeats"], [copy.input[index]]))
        return [*nodes, copy]


def _with_operand(node: onnx.NodeProto, index: int, values: Sequence[int]) -> list[onnx.NodeProto]:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[index] = f"{node.output[0]}/batched_shape"
    return [_constant(copy.input[index], values), copy]


def _constant(name: str, values: Sequence[int]) -> onnx.NodeProto:
    value = numpy_helper.from_array(np.array(values, np.int64), name)
    return helper.make_node("Constant", [], [name], name=name, value=value)
