"""Derivatives of poolings."""

import numpy as np

from whylight.gradient.axis_map import Matrix, mapped
from whylight.gradient.broadcast import expanded_to, reshaped_to, zeros_like
from whylight.gradient.reduction import at_first_extreme, element_count
from whylight.gradient.rule import ForwardNode, rule
from whylight.gradient.window import window_of
from whylight.graph import GraphBuilder, Tensor


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
