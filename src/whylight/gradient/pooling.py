"""Derivatives of poolings."""

import numpy as np

from whylight.gradient.axis_map import Matrix, mapped
from whylight.gradient.broadcast import expanded_to, nonzero, reshaped_to, zeros_like
from whylight.gradient.reduction import at_first_extreme, element_count
from whylight.gradient.rule import ForwardNode, rule
from whylight.gradient.window import window_of
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("MaxPool")
def max_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the position of each window's first maximum.

    The forward node stays as it is, without its second output: ONNX Runtime computes it many times faster so.
    Windows overlap, so gradients are added up; of ONNX Runtime's operators for that, ScatterND loses some.
    """
    _, positions = op.node("MaxPool", [node.input], 2, **{**node.attributes, "storage_order": 0})
    zeros = op.Reshape(zeros_like(op, node.input), [-1])
    flat = op.ScatterElements(zeros, op.Reshape(positions, [-1]), op.Reshape(grad, [-1]), axis=0, reduction="add")
    return reshaped_to(op, flat, node.input)


@rule("AveragePool")
def average_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g times the transposed matrix of the average, axis by axis."""
    x, y, kernel = node.input, node.output, node.attributes["kernel_shape"]
    window = window_of(node, kernel, x, y)
    for axis in range(2, x.rank):
        begin, end = window.begins[axis - 2], window.ends[axis - 2]
        starts = np.arange(y.size(axis)) * window.strides[axis - 2] - begin
        positions = starts[:, None] + np.arange(kernel[axis - 2]) * window.dilations[axis - 2]
        counted = (begin, end) if node.attributes["count_include_pad"] else (0, 0)
        grad = mapped(op, grad, axis, _averages(positions, x.size(axis), *counted))
    return grad


@rule("LpPool")
def lp_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """Of the p-norm y of each window: sign(x) |x|^(p - 1) times the sum of g / y^(p - 1) over the windows of x."""
    x, y, kernel = node.input, node.output, node.attributes["kernel_shape"]
    window = window_of(node, kernel, x, y)
    shared = _over_power(op, grad, y, node.attributes["p"])
    for axis in range(2, x.rank):
        starts = np.arange(y.size(axis)) * window.strides[axis - 2] - window.begins[axis - 2]
        positions = starts[:, None] + np.arange(kernel[axis - 2]) * window.dilations[axis - 2]
        shared = mapped(op, shared, axis, (positions[:, :, None] == np.arange(x.size(axis))).sum(1))
    return op.Mul(shared, _signed_power(op, x, node.attributes["p"]))


@rule("GlobalLpPool")
def global_lp_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """Of the p-norm y of each channel: g sign(x) |x|^(p - 1) / y^(p - 1)."""
    order = node.attributes["p"]
    return op.Mul(_over_power(op, grad, node.output, order), _signed_power(op, node.input, order))


def _over_power(op: GraphBuilder, grad: Tensor, norm: Tensor, order: int) -> Tensor:
    """g / y^(p - 1); of no consequence where y = 0."""
    return op.Div(grad, op.Pow(nonzero(op, norm), float(order - 1)))


def _signed_power(op: GraphBuilder, x: Tensor, order: int) -> Tensor:
    """sign(x) |x|^(p - 1)."""
    return op.Mul(op.Sign(x), op.Pow(op.Abs(x), float(order - 1)))


@rule("MaxUnpool")
def max_unpool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the positions that the maxima were put back to."""
    taken = op.Gather(op.Reshape(grad, [-1]), op.Reshape(node.inputs[1], [-1]))
    return reshaped_to(op, taken, node.input)


def _averages(positions: Matrix, size: int, begin: int, end: int) -> Matrix:
    """Row i averages the elements at positions[i]; those in the padding count as zeros, those beyond it not at all."""
    hits = (positions[:, :, None] == np.arange(size)).sum(1)
    counts = ((positions >= -begin) & (positions < size + end)).sum(1, keepdims=True)
    matrix: Matrix = hits / np.maximum(counts, 1)
    return matrix


@rule("GlobalAveragePool")
def global_average_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / (height width), everywhere."""
    count = element_count(op, node.input, list(range(2, node.input.rank)))
    return expanded_to(op, op.Div(grad, count), node.input)


@rule("GlobalMaxPool")
def global_max_pool(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g at the position of the first maximum."""
    return at_first_extreme(op, grad, node.input, list(range(2, node.input.rank)), "ArgMax")
