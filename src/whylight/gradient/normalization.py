"""Derivatives of normalizations."""

from math import ceil, floor, prod

import numpy as np

from whylight.errors import WhylightError
from whylight.gradient.broadcast import channel_sums, nonzero, reshaped_to
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("BatchNormalization")
def batch_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of (x - mean) s + bias with s = scale / sqrt(variance + epsilon): for x, g s."""
    x, scale, _, mean, variance = node.inputs
    if node.attributes["training_mode"]:
        raise WhylightError(f"'{node.name}': BatchNormalization in training mode has no derivative rule")
    deviation = op.Sqrt(op.Add(variance, node.attributes["epsilon"]))
    factor = op.Div(scale, deviation)

    def of_scale() -> Tensor:
        return op.Div(channel_sums(op, op.Mul(grad, op.Sub(x, _per_channel(op, mean, x)))), deviation)

    def of_variance() -> Tensor:
        return op.Mul(op.Div(op.Mul(of_scale(), factor), deviation), -0.5)

    return (
        lambda: op.Mul(grad, _per_channel(op, factor, x)),
        of_scale,
        lambda: channel_sums(op, grad),
        lambda: op.Neg(op.Mul(channel_sums(op, grad), factor)),
        of_variance,
    )


@rule("InstanceNormalization")
def instance_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of z scale + bias, z being each image and channel standardized."""
    x, scale, _ = node.inputs
    axes = list(range(2, x.rank))
    standard, deviation = _standardized(op, x, axes, node.attributes["epsilon"])
    scaled = op.Mul(grad, _per_channel(op, scale, x))
    return (
        lambda: _standardized_gradient(op, scaled, standard, deviation, axes),
        lambda: channel_sums(op, op.Mul(grad, standard)),
        lambda: channel_sums(op, grad),
    )


@rule("MeanVarianceNormalization")
def mean_variance_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """Of x standardized over the axes."""
    axes = [axis % node.input.rank for axis in node.attributes["axes"]]
    standard, deviation = _standardized(op, node.input, axes, epsilon=1e-12)
    return _standardized_gradient(op, grad, standard, deviation, axes)


@rule("LayerNormalization")
def layer_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of z scale + bias, z being x standardized over the axes from ``axis`` on."""
    x, scale, _ = node.inputs
    axes = list(range(node.attributes["axis"] % x.rank, x.rank))
    standard, deviation = _standardized(op, x, axes, node.attributes["epsilon"])
    return (
        lambda: _standardized_gradient(op, op.Mul(grad, scale), standard, deviation, axes),
        lambda: op.Mul(grad, standard),
        grad,
    )


@rule("GroupNormalization")
def group_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of z scale + bias, z being each group of channels standardized; before operator set 21 scale is one a group."""
    x, scale, bias = node.inputs
    channels, groups = x.size(1), node.attributes["num_groups"]
    standard, deviation = _standardized(op, op.Reshape(x, [0, groups, -1]), [2], node.attributes["epsilon"])

    def per_channel(parameter: Tensor) -> Tensor:
        if parameter.size(0) != channels:
            parameter = op.Reshape(op.Expand(op.Unsqueeze(parameter, [1]), [1, channels // groups]), [channels])
        return _per_channel(op, parameter, x)

    def of_parameter(parameter: Tensor, weight: Tensor) -> Tensor:
        sums = channel_sums(op, weight)
        return sums if parameter.size(0) == channels else op.ReduceSum(op.Reshape(sums, [groups, -1]), [1], keepdims=0)

    def of_x() -> Tensor:
        scaled = op.Reshape(op.Mul(grad, per_channel(scale)), [0, groups, -1])
        return reshaped_to(op, _standardized_gradient(op, scaled, standard, deviation, [2]), x)

    return (
        of_x,
        lambda: of_parameter(scale, op.Mul(grad, reshaped_to(op, standard, x))),
        lambda: of_parameter(bias, grad),
    )


@rule("LpNormalization")
def lp_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """(g - n sum(g y)) / norm, where n, the norm's own derivative, is y for p = 2 and sign(x) for p = 1."""
    axis, order = node.attributes["axis"], node.attributes["p"]
    norm = (op.ReduceL1 if order == 1 else op.ReduceL2)(node.input, [axis], keepdims=1)
    direction = op.Sign(node.input) if order == 1 else node.output
    along = op.ReduceSum(op.Mul(grad, node.output), [axis], keepdims=1)
    return op.Div(op.Sub(grad, op.Mul(direction, along)), nonzero(op, norm))


@rule("LRN")
def local_response_normalization(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g s^-beta - c x B^T (g x s^(-beta - 1)).

    Here s is bias + alpha / size B x^2, B the window over the channels as a matrix, and c is 2 alpha beta / size.
    """
    x, size, channels = node.input, node.attributes["size"], node.input.size(1)
    alpha, beta = node.attributes["alpha"] / size, node.attributes["beta"]
    offsets = np.arange(channels) - np.arange(channels)[:, None]
    band = ((offsets >= -floor((size - 1) / 2)) & (offsets <= ceil((size - 1) / 2))).astype(x.dtype)
    flat = [0, channels, prod(x.size(axis) for axis in range(2, x.rank))]
    images, g = op.Reshape(x, flat), op.Reshape(grad, flat)
    s = op.Add(op.Mul(op.MatMul(band, op.Mul(images, images)), alpha), node.attributes["bias"])
    scaled = op.Mul(g, op.Pow(s, -beta))
    shared = op.MatMul(band.T, op.Div(op.Mul(scaled, images), s))
    return reshaped_to(op, op.Sub(scaled, op.Mul(op.Mul(images, shared), 2 * alpha * beta)), x)


def _standardized(op: GraphBuilder, x: Tensor, axes: list[int], epsilon: float) -> tuple[Tensor, Tensor]:
    """(x - mean) / deviation over ``axes``, and the deviation."""
    centered = op.Sub(x, op.ReduceMean(x, axes, keepdims=1))
    variance = op.ReduceMean(op.Mul(centered, centered), axes, keepdims=1)
    deviation = op.Sqrt(op.Add(variance, epsilon))
    return op.Div(centered, deviation), deviation


def _standardized_gradient(
    op: GraphBuilder, grad: Tensor, standard: Tensor, deviation: Tensor, axes: list[int]
) -> Tensor:
    """(g - mean(g) - z mean(g z)) / deviation, with z the standardized tensor."""
    centered = op.Sub(grad, op.ReduceMean(grad, axes, keepdims=1))
    along = op.Mul(standard, op.ReduceMean(op.Mul(grad, standard), axes, keepdims=1))
    return op.Div(op.Sub(centered, along), deviation)


def _per_channel(op: GraphBuilder, parameter: Tensor, x: Tensor) -> Tensor:
    """A parameter (C) that broadcasts along axis 1 of x."""
    return op.Reshape(parameter, [-1] + [1] * (x.rank - 2))
