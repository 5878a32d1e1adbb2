"""nnabla's category *Normalization*.

Of the inputs after the first, beta is left out where there is no bias and gamma where there is no scale. Where the
statistics come from the input itself, the mean and the (biased) variance are outputs too.
"""

from collections.abc import Sequence

import numpy as np

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function
from whylight.reading.nnp.functions.array_manipulation import absolute_axes, reshape, reshaped

_MOST_STEPS = 1000
"""Of the power method: nnabla's own number is 1."""


@function("BatchNormalization")
def batch_normalization(
    op: GraphBuilder,
    x: Tensor,
    *parameters: Tensor,
    axes: Sequence[int],
    eps: float,
    batch_stat: bool,
    no_scale: bool,
    no_bias: bool,
) -> tuple[Tensor, ...]:
    """(x - mean) / sqrt(variance + eps) * gamma + beta, with the running statistics or those of the batch."""
    beta, gamma, running = _parameters(parameters, no_bias, no_scale, others=2)
    return _batch_normalized(op, x, beta, gamma, running, axes, eps, batch_stat)


@function("SyncBatchNormalization")
def sync_batch_normalization(
    op: GraphBuilder,
    x: Tensor,
    beta: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    *,
    axes: Sequence[int],
    eps: float,
    batch_stat: bool,
) -> tuple[Tensor, ...]:
    """Batch normalization; in training, the statistics are those of all devices."""
    return _batch_normalized(op, x, beta, gamma, (mean, variance), axes, eps, batch_stat)


@function("FusedBatchNormalization")
def fused_batch_normalization(
    op: GraphBuilder,
    x: Tensor,
    beta: Tensor,
    gamma: Tensor,
    mean: Tensor,
    variance: Tensor,
    z: Tensor | None = None,
    *,
    axes: Sequence[int],
    eps: float,
    batch_stat: bool,
    nonlinearity: str,
) -> tuple[Tensor, ...]:
    """relu(y + z), where y is ``x`` after batch normalization."""
    if nonlinearity != "relu":
        raise WhylightError(f"has the unknown nonlinearity '{nonlinearity}', expected relu")
    y, *statistics = _batch_normalized(op, x, beta, gamma, (mean, variance), axes, eps, batch_stat)
    return op.Relu(y if z is None else op.Add(y, z)), *statistics


@function("TensorNormalization")
def tensor_normalization(
    op: GraphBuilder,
    x: Tensor,
    *parameters: Tensor,
    axes: Sequence[int],
    eps: float,
    no_scale: bool,
    no_bias: bool,
) -> tuple[Tensor, ...]:
    """Standardized over all axes but ``axes``, then scaled and shifted."""
    beta, gamma, _ = _parameters(parameters, no_bias, no_scale)
    y, mean, variance = _standardized(op, x, axes, eps)
    return _affine(op, y, gamma, beta), mean, variance


@function("LayerNormalization")
def layer_normalization(
    op: GraphBuilder,
    x: Tensor,
    *parameters: Tensor,
    batch_axis: Sequence[int],
    eps: float,
    no_scale: bool,
    no_bias: bool,
) -> tuple[Tensor, ...]:
    """Standardized over all axes but ``batch_axis``, then scaled and shifted element by element of a sample."""
    beta, gamma, _ = _parameters(parameters, no_bias, no_scale)
    y, mean, variance = _standardized(op, x, batch_axis, eps)
    first = len(batch_axis)
    sample = [extent for extent in x.shape[first:] if isinstance(extent, int)]
    leading = sorted(absolute_axes(x, batch_axis)) == list(range(first))
    if gamma is not None and leading and 0 < len(sample) == x.rank - first:
        operands = [_in_shape(op, parameter, sample) for parameter in (gamma, beta) if parameter is not None]
        return op.LayerNormalization(x, *operands, axis=first, epsilon=eps), mean, variance
    return _affine(op, y, gamma, beta), mean, variance


@function("InstanceNormalization")
def instance_normalization(
    op: GraphBuilder,
    x: Tensor,
    *parameters: Tensor,
    channel_axis: int,
    batch_axis: Sequence[int],
    eps: float,
    no_scale: bool,
    no_bias: bool,
) -> tuple[Tensor, ...]:
    """Standardized over all axes but ``batch_axis`` and ``channel_axis``, then scaled and shifted."""
    beta, gamma, _ = _parameters(parameters, no_bias, no_scale)
    (channel,) = absolute_axes(x, [channel_axis])
    return _instance_normalized(op, x, beta, gamma, channel, absolute_axes(x, batch_axis), eps)


@function("GroupNormalization")
def group_normalization(
    op: GraphBuilder,
    x: Tensor,
    *parameters: Tensor,
    num_groups: int,
    channel_axis: int,
    batch_axis: Sequence[int],
    eps: float,
    no_scale: bool,
    no_bias: bool,
) -> tuple[Tensor, ...]:
    """Instance normalization of each group of channels together, then every channel scaled and shifted."""
    beta, gamma, _ = _parameters(parameters, no_bias, no_scale)
    (channel,) = absolute_axes(x, [channel_axis])
    size = x.size(channel)
    if num_groups < 1 or size % num_groups:
        raise WhylightError(f"has {num_groups} groups, expected a divisor of its {size} channels")
    grouped = reshaped(op, x, (*x.shape[:channel], num_groups, size // num_groups, *x.shape[channel + 1 :]))
    batch = absolute_axes(x, batch_axis)
    y, mean, variance = _instance_normalized(op, grouped, None, None, channel, batch, eps)
    return _affine(op, reshaped(op, y, x.shape), gamma, beta), mean, variance


@function("NormNormalization")
def norm_normalization(op: GraphBuilder, x: Tensor, *, p: float, axes: Sequence[int]) -> Tensor:
    """x / (sum |x|^p)^(1 / p), summed over ``axes``."""
    if p == 1:
        return op.Div(x, op.ReduceL1(x, list(axes)))
    if p == 2:
        return op.Div(x, op.ReduceL2(x, list(axes)))
    return op.Div(x, op.Pow(op.ReduceSum(op.Pow(op.Abs(x), p), list(axes)), 1 / p))


@function("WeightNormalization")
def weight_normalization(op: GraphBuilder, w: Tensor, g: Tensor, *, dim: int, eps: float) -> Tensor:
    """g w / sqrt(sum of w^2 + eps), summed over all axes but ``dim``."""
    (axis,) = absolute_axes(w, [dim])
    length = op.Sqrt(op.Add(_reduced(op, "ReduceSum", op.Mul(w, w), [axis]), eps))
    scale = _in_shape(op, g, [w.size(axis) if index == axis else 1 for index in range(w.rank)])
    return op.Mul(w, op.Div(scale, length))


@function("WeightStandardization")
def weight_standardization(op: GraphBuilder, w: Tensor, *, channel_axis: int, eps: float) -> tuple[Tensor, ...]:
    """The weights of each channel standardized."""
    return _standardized(op, w, [channel_axis], eps)


@function("SpectralNorm")
def spectral_norm(op: GraphBuilder, w: Tensor, u: Tensor, *, dim: int, itr: int, eps: float) -> tuple[Tensor, ...]:
    """w / (u W v), where W is ``w`` as a matrix with rows along ``dim``: its largest singular value.

    Each of the ``itr`` steps of the power method is v = unit(u W), u = unit(v W^T), where
    unit(a) = a / sqrt(sum of a^2 + eps). The second output is the ``u`` that was given.
    """
    if not 1 <= itr <= _MOST_STEPS:
        raise WhylightError(f"has {itr} steps of the power method, expected 1 to {_MOST_STEPS}")
    (axis,) = absolute_axes(w, [dim])
    rows_first = op.Transpose(w, perm=[axis, *(other for other in range(w.rank) if other != axis)])
    matrix = op.Reshape(rows_first, [w.size(axis), -1])
    transposed = op.Transpose(matrix)
    left = op.Reshape(u, [1, -1])
    for _ in range(itr):
        right = _unit(op, op.MatMul(left, matrix), eps)
        left = _unit(op, op.MatMul(right, transposed), eps)
    sigma = op.ReduceSum(op.Mul(op.MatMul(left, matrix), right), keepdims=0)
    return op.Div(w, sigma), u


def _unit(op: GraphBuilder, vector: Tensor, eps: float) -> Tensor:
    return op.Div(vector, op.Sqrt(op.Add(op.ReduceSum(op.Mul(vector, vector)), eps)))


def _parameters(
    given: Sequence[Tensor], no_bias: bool, no_scale: bool, others: int = 0
) -> tuple[Tensor | None, Tensor | None, Sequence[Tensor]]:
    """The inputs after the first: beta, gamma (None where they are left out) and the ``others``."""
    expected = (not no_bias) + (not no_scale) + others
    if len(given) != expected:
        raise WhylightError(f"has {1 + len(given)} inputs, expected {1 + expected}")
    rest = list(given)
    beta = None if no_bias else rest.pop(0)
    gamma = None if no_scale else rest.pop(0)
    return beta, gamma, rest


def _batch_normalized(
    op: GraphBuilder,
    x: Tensor,
    beta: Tensor | None,
    gamma: Tensor | None,
    running: Sequence[Tensor],
    axes: Sequence[int],
    eps: float,
    batch_stat: bool,
) -> tuple[Tensor, ...]:
    if len(axes) != 1:
        raise WhylightError(f"has the axes {tuple(axes)}, expected one")
    if batch_stat:
        y, mean, variance = _standardized(op, x, axes, eps)
        return _affine(op, y, gamma, beta), mean, variance
    mean, variance = running
    if absolute_axes(x, axes) == [1]:
        channels = x.size(1)
        scale, bias = _vector(op, gamma, channels, 1), _vector(op, beta, channels, 0)
        moments = [_vector(op, moment, channels, 0) for moment in running]
        return (op.BatchNormalization(x, scale, bias, *moments, epsilon=eps),)
    deviation = op.Sqrt(op.Add(variance, eps))
    return (_affine(op, op.Sub(x, mean), op.Div(1.0 if gamma is None else gamma, deviation), beta),)


def _instance_normalized(
    op: GraphBuilder,
    x: Tensor,
    beta: Tensor | None,
    gamma: Tensor | None,
    channel: int,
    batch: Sequence[int],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    y, mean, variance = _standardized(op, x, [*batch, channel], eps)
    a_channel_each = all(parameter is None or parameter.shape[:1] == (1,) for parameter in (beta, gamma))
    if (list(batch), channel) == ([0], 1) and x.rank > 2 and a_channel_each:
        operands = _vector(op, gamma, x.size(1), 1), _vector(op, beta, x.size(1), 0)
        return op.InstanceNormalization(x, *operands, epsilon=eps), mean, variance
    return _affine(op, y, gamma, beta), mean, variance


def _standardized(op: GraphBuilder, x: Tensor, axes: Sequence[int], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """((x - mean) / sqrt(variance + eps), mean, variance), the statistics taken over all axes but ``axes``."""
    mean = _reduced(op, "ReduceMean", x, axes)
    centered = op.Sub(x, mean)
    variance = _reduced(op, "ReduceMean", op.Mul(centered, centered), axes)
    return op.Div(centered, op.Sqrt(op.Add(variance, eps))), mean, variance


def _reduced(op: GraphBuilder, op_type: str, x: Tensor, axes: Sequence[int]) -> Tensor:
    """``x`` reduced over all axes but ``axes``."""
    kept = absolute_axes(x, axes)
    reduced = [axis for axis in range(x.rank) if axis not in kept]
    return op.node(op_type, [x, reduced], 1, noop_with_empty_axes=1)[0]


def _affine(op: GraphBuilder, x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
    """``x`` gamma + beta."""
    scaled = x if gamma is None else op.Mul(x, gamma)
    return scaled if beta is None else op.Add(scaled, beta)


def _vector(op: GraphBuilder, parameter: Tensor | None, size: int, default: float) -> Tensor:
    """A parameter of each channel, flat; ``default`` in every channel where it is left out."""
    return op.constant(np.full(size, default, np.float32)) if parameter is None else _in_shape(op, parameter, [size])


def _in_shape(op: GraphBuilder, parameter: Tensor, shape: Sequence[int]) -> Tensor:
    """A parameter in another shape; a constant stays a constant."""
    result = reshape(op, parameter, shape=shape)
    return result if parameter.value is None else op.constant(parameter.value.reshape(shape))
