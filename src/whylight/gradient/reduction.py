"""Derivatives of reductions and running sums."""

from math import prod

import numpy as np
from onnx import helper

from whylight.gradient.broadcast import expanded_to, indicator, masked, nonzero, reshaped_to, zeros_like
from whylight.gradient.rule import ForwardNode, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("ReduceSum")
def reduce_sum(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g, everywhere."""
    return expanded_to(op, _kept(op, node, grad), node.input)


@rule("ReduceMean")
def reduce_mean(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / count, everywhere."""
    share = op.Div(_kept(op, node, grad), element_count(op, node.input, _axes(node)))
    return expanded_to(op, share, node.input)


@rule("ReduceMax", "ReduceMin")
def reduce_extreme(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the first extreme element."""
    search = node.operator.replace("Reduce", "Arg")
    return at_first_extreme(op, _kept(op, node, grad), node.input, _axes(node), search)


@rule("ReduceProd")
def reduce_prod(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g times the product of the other elements: y / x where no element is zero."""
    x, axes = node.input, _axes(node)
    zeros = indicator(op, op.Equal(x, 0.0), x)
    other_zeros = op.Sub(op.ReduceSum(zeros, axes, keepdims=1), zeros)
    others = op.Div(op.ReduceProd(nonzero(op, x), axes, keepdims=1), nonzero(op, x))
    return op.Mul(_kept(op, node, grad), masked(op, op.Equal(other_zeros, 0.0), others))


@rule("ReduceL1")
def reduce_l1(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g sign(x)."""
    return op.Mul(_kept(op, node, grad), op.Sign(node.input))


@rule("ReduceL2")
def reduce_l2(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g x / y; zero where y = 0."""
    norm = nonzero(op, _kept(op, node, node.output))
    return op.Mul(op.Div(_kept(op, node, grad), norm), node.input)


@rule("ReduceSumSquare")
def reduce_sum_square(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """2 g x."""
    return op.Mul(op.Mul(_kept(op, node, grad), 2.0), node.input)


@rule("ReduceLogSum")
def reduce_log_sum(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / sum(x), everywhere; the sum is exp(y)."""
    share = op.Div(_kept(op, node, grad), op.Exp(_kept(op, node, node.output)))
    return expanded_to(op, share, node.input)


@rule("ReduceLogSumExp")
def reduce_log_sum_exp(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g exp(x - y)."""
    return op.Mul(_kept(op, node, grad), op.Exp(op.Sub(node.input, _kept(op, node, node.output))))


@rule("CumSum")
def cumulative_sum(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The cumulative sum of g from the other end."""
    _, axis = node.inputs
    return op.CumSum(grad, axis, exclusive=node.attributes["exclusive"], reverse=1 - node.attributes["reverse"])


def at_first_extreme(op: GraphBuilder, grad: Tensor, x: Tensor, axes: list[int], search: str) -> Tensor:
    """The gradient, of size 1 along ``axes``, at the first extreme of x over them; ``search`` is ArgMax or ArgMin."""
    order = [*(axis for axis in range(x.rank) if axis not in axes), *axes]
    rows = [0] * (x.rank - len(axes))
    moved = op.Transpose(x, perm=order)
    flat = op.Reshape(moved, [*rows, -1])
    (places,) = op.node(search, [flat], 1, axis=-1)
    values = op.Reshape(op.Transpose(grad, perm=order), [*rows, 1])
    filled = op.ScatterElements(zeros_like(op, flat), places, values, axis=-1)
    return op.Transpose(reshaped_to(op, filled, moved), perm=np.argsort(order).tolist())


def element_count(op: GraphBuilder, x: Tensor, axes: list[int]) -> Tensor:
    """The number of elements over ``axes``, in the type of x."""
    if all(isinstance(x.shape[axis], int) for axis in axes):
        return op.constant(prod(x.size(axis) for axis in axes), x.dtype)
    sizes = op.Gather(op.Shape(x), axes)
    return op.Cast(op.ReduceProd(sizes, keepdims=0), to=helper.np_dtype_to_tensor_dtype(x.dtype))


def _axes(node: ForwardNode) -> list[int]:
    axes = node.constant("axes", 1)
    if axes.size:
        return sorted(int(axis) % node.input.rank for axis in axes)
    return [] if node.attributes.get("noop_with_empty_axes") else list(range(node.input.rank))


def _kept(op: GraphBuilder, node: ForwardNode, reduced: Tensor) -> Tensor:
    """A tensor of the output's shape with the reduced axes put back, of size 1."""
    axes = _axes(node)
    return reduced if node.attributes["keepdims"] or not axes else op.Unsqueeze(reduced, axes)
