"""Derivatives of operators that take elements from, or put them into, given positions.

Where one element was taken several times its gradients add up. ScatterElements does that; ONNX Runtime's ScatterND
runs on several threads and loses some of them.
"""

from math import prod

import numpy as np

from whylight.errors import WhylightError
from whylight.gradient.broadcast import reshaped_to, zeros_like
from whylight.gradient.layout import put_back
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("GatherElements")
def gather_elements(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g added up at the elements that were taken."""
    x, indices = node.inputs
    return op.ScatterElements(zeros_like(op, x), indices, grad, axis=node.attributes["axis"], reduction="add")


@rule("TopK")
def top(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the elements that were taken."""
    return op.ScatterElements(zeros_like(op, node.input), node.outputs[1], grad, axis=node.attributes["axis"])


@rule("Gather")
def gather(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g added up at the slices that were taken."""
    x, indices = node.inputs
    axis = node.attributes["axis"] % x.rank
    size, places = x.shape[axis], indices.value
    if isinstance(size, int) and places is not None and places.ndim < 2:
        distinct = np.unique(places % size)
        if len(distinct) == places.size:  # no sums are needed: much faster
            slices = op.Unsqueeze(grad, [axis]) if places.ndim == 0 else grad
            return put_back(op, slices, axis, np.atleast_1d(places % size), size)
    slices_shape = op.Concat(op.Shape(x, start=0, end=axis), op.constant([-1]), op.Shape(x, start=axis + 1), axis=0)
    positions = op.Reshape(indices, [-1] + [1] * (x.rank - axis - 1))
    return _added_slices(op, zeros_like(op, x), positions, op.Reshape(grad, slices_shape), axis)


@rule("Compress")
def compress(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the slices that were taken."""
    x, condition = node.inputs
    places = op.Squeeze(op.NonZero(condition), [0])
    if "axis" not in node.attributes:
        zeros = op.Reshape(zeros_like(op, x), [-1])
        return reshaped_to(op, op.ScatterElements(zeros, places, grad), x)
    axis = node.attributes["axis"] % x.rank
    positions = op.Reshape(places, [-1] + [1] * (x.rank - axis - 1))
    return _added_slices(op, zeros_like(op, x), positions, grad, axis)


@rule("GatherND")
def gather_nd(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g added up at the slices that were taken, found by one index over all indexed axes."""
    x, indices = node.inputs
    first, depth = node.attributes["batch_dims"], indices.size(-1)
    sizes = [x.size(axis) for axis in range(first + 1, first + depth)]
    strides = np.array([prod(sizes[axis:]) for axis in range(depth)])
    counted = op.Where(op.Less(indices, 0), op.Add(indices, op.Shape(x, start=first, end=first + depth)), indices)
    batch = [0] * first
    ones = [1] * (x.rank - first - depth)
    positions = op.Reshape(op.ReduceSum(op.Mul(counted, strides), [-1], keepdims=0), [*batch, -1, *ones])
    shape = op.Concat(op.constant([*batch, -1]), op.Shape(x, start=first + depth), axis=0)
    zeros, slices = (op.Reshape(tensor, shape) for tensor in (zeros_like(op, x), grad))
    return reshaped_to(op, _added_slices(op, zeros, positions, slices, first), x)


@rule("ScatterElements")
def scatter_elements(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g without the elements that were replaced; these."""
    _, indices, updates = node.inputs
    axis = node.attributes["axis"]
    return (
        lambda: grad if _adds(node) else op.ScatterElements(grad, indices, zeros_like(op, updates), axis=axis),
        None,
        lambda: op.GatherElements(grad, indices, axis=axis),
    )


@rule("ScatterND")
def scatter_nd(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g without the slices that were replaced; these."""
    _, indices, updates = node.inputs
    return (
        lambda: grad if _adds(node) else op.ScatterND(grad, indices, zeros_like(op, updates)),
        None,
        lambda: op.GatherND(grad, indices),
    )


def _adds(node: ForwardNode) -> bool:
    reduction = node.attributes["reduction"]
    if reduction not in ("none", "add"):
        raise WhylightError(f"'{node.name}': {node.operator} with reduction '{reduction}' has no derivative rule")
    return bool(reduction == "add")


def _added_slices(op: GraphBuilder, zeros: Tensor, positions: Tensor, slices: Tensor, axis: int) -> Tensor:
    indices = op.Expand(positions, op.Shape(slices))
    return op.ScatterElements(zeros, indices, slices, axis=axis, reduction="add")
