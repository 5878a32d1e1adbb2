"""Derivatives of normalizations."""

import pytest
from onnx import helper

from gradient.differences import Case, assert_derivative, batch, case, fixed, free
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def sums_to_one(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Div(x, op.ReduceSum(op.Abs(x), [2], keepdims=1))


def lrn(op: GraphBuilder, x: Tensor) -> Tensor:
    """x / (bias + alpha / size * sum)^beta, the sum over the channel, one before and one after it."""
    square = op.Pad(op.Mul(x, x), [0, 1, 0, 0, 0, 1, 0, 0])
    sums = op.Sum(*(op.Slice(square, [start], [start + 6], [1]) for start in range(3)))
    return op.Div(x, op.Pow(op.Add(op.Mul(sums, 0.5 / 3), 1.5), 0.6))


def lrn_even(op: GraphBuilder, x: Tensor) -> Tensor:
    """The same with one channel before and two after it."""
    square = op.Pad(op.Mul(x, x), [0, 1, 0, 0, 0, 2, 0, 0])
    sums = op.Sum(*(op.Slice(square, [start], [start + 5], [1]) for start in range(4)))
    return op.Div(x, op.Pow(op.Add(op.Mul(sums, 0.8 / 4), 1.5), 0.6))


def group_normalization(op: GraphBuilder, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """A node made by hand: the builder's operator set has its first form, by group, as deprecated, and no other yet."""
    names = [x.name, scale.name, bias.name]
    op.nodes.append(helper.make_node("GroupNormalization", names, ["y"], num_groups=2, epsilon=0.1))
    op.tensors["y"] = Tensor("y", x.shape, x.dtype)
    return op.tensors["y"]


def standardized_groups(op: GraphBuilder, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """(x - mean) / sqrt(variance + 0.1) scale + bias, with x as (N, 2, 3, 4, 2): two groups of three channels."""
    shape = [1, 2, 3, 1, 1] if scale.size(0) == 6 else [1, 2, 1, 1, 1]
    groups = op.Reshape(x, [0, 2, 3, 4, 2])
    centered = op.Sub(groups, op.ReduceMean(groups, [2, 3, 4], keepdims=1))
    variance = op.ReduceMean(op.Mul(centered, centered), [2, 3, 4], keepdims=1)
    standard = op.Div(centered, op.Sqrt(op.Add(variance, 0.1)))
    return op.Reshape(op.Add(op.Mul(standard, op.Reshape(scale, shape)), op.Reshape(bias, shape)), [0, 6, 4, 2])


def mean_variance_normalization(op: GraphBuilder, x: Tensor) -> Tensor:
    """A node made by hand: shape inference knows this operator in whole models only."""
    op.nodes.append(helper.make_node("MeanVarianceNormalization", [x.name], ["y"], axes=[0, 2]))
    op.tensors["y"] = Tensor("y", x.shape, x.dtype)
    return op.tensors["y"]


def standardized(op: GraphBuilder, x: Tensor) -> Tensor:
    centered = op.Sub(x, op.ReduceMean(x, [0, 2], keepdims=1))
    return op.Div(centered, op.Sqrt(op.ReduceMean(op.Mul(centered, centered), [0, 2], keepdims=1)))


CASES = [
    Case("standardized", mean_variance_normalization, standardized, (batch(3, 4, 2),)),
    case("BatchNormalization", batch(3, 4, 5), free(3), free(3), free(3), free(3, low=0.5)),
    case("BatchNormalization", batch(3, 4, 5), fixed(3), fixed(3), fixed(3), fixed(3, low=0.5), epsilon=0.1),
    case("BatchNormalization", batch(3), free(3), fixed(3), fixed(3), fixed(3, low=0.5)),
    case("InstanceNormalization", batch(3, 4, 5), free(3), free(3), epsilon=0.1),
    case("InstanceNormalization", batch(3, 4), free(3), free(3)),
    case("LayerNormalization", batch(3, 4), free(4), free(4)),
    case("LayerNormalization", batch(3, 4), free(3, 4), None, axis=1, epsilon=0.1),
    Case("by group", group_normalization, standardized_groups, (batch(6, 4, 2), free(2), free(2))),
    Case("by channel", group_normalization, standardized_groups, (batch(6, 4, 2), free(6), free(6))),
    case("LpNormalization", batch(3, 4), p=1, axis=2, exact=sums_to_one),
    case("LpNormalization", batch(3, 4), p=2, axis=1),
    case("LRN", batch(6, 2, 3), size=3, alpha=0.5, beta=0.6, bias=1.5, exact=lrn),
    case("LRN", batch(5, 2, 2), size=4, alpha=0.8, beta=0.6, bias=1.5, exact=lrn_even),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
