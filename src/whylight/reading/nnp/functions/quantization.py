"""nnabla's category *Quantization Neural Network Layers*."""

from collections.abc import Sequence

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function
from whylight.reading.nnp.functions.neural_network_layer import affine, convolution


@function("BinarySigmoid")
def binary_sigmoid(op: GraphBuilder, x: Tensor) -> Tensor:
    """1 above zero, else 0.

    nnabla's derivative, 1/2 between -1 and 1, is that of this formula where Ceil passes gradients through.
    """
    return op.Ceil(op.Mul(op.Clip(x, -1.0, 1.0), 0.5))


@function("BinaryTanh")
def binary_tanh(op: GraphBuilder, x: Tensor) -> Tensor:
    """1 above zero, else -1; the derivative, 1 between -1 and 1, comes about as that of BinarySigmoid."""
    return op.Sub(op.Mul(binary_sigmoid(op, x), 2.0), 1.0)


@function("BinaryConnectAffine")
def binary_connect_affine(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    binary_weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    quantize_zero_to: float,
) -> Tensor:
    """Affine with the signs of the weight; ``binary_weight`` is only where nnabla keeps them."""
    return affine(op, x, _signs(op, weight, quantize_zero_to), bias, base_axis=base_axis)


@function("BinaryConnectConvolution")
def binary_connect_convolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    binary_weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    group: int,
    quantize_zero_to: float,
) -> Tensor:
    """Convolution with the signs of the weight; ``binary_weight`` is only where nnabla keeps them."""
    signs = _signs(op, weight, quantize_zero_to)
    return convolution(
        op,
        x,
        signs,
        bias,
        base_axis=base_axis,
        pad=pad,
        stride=stride,
        dilation=dilation,
        group=group,
        channel_last=False,
    )


@function("BinaryWeightAffine")
def binary_weight_affine(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    binary_weight: Tensor,
    alpha: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    quantize_zero_to: float,
) -> Tensor:
    """Affine with the signs of the weight times its mean magnitude for each output.

    ``binary_weight`` and ``alpha`` are only where nnabla keeps the two.
    """
    return affine(op, x, _scaled_signs(op, weight, quantize_zero_to, [0]), bias, base_axis=base_axis)


@function("BinaryWeightConvolution")
def binary_weight_convolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    binary_weight: Tensor,
    alpha: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    group: int,
    quantize_zero_to: float,
) -> Tensor:
    """Convolution with the signs of the weight times its mean magnitude for each output.

    ``binary_weight`` and ``alpha`` are only where nnabla keeps the two.
    """
    return convolution(
        op,
        x,
        _scaled_signs(op, weight, quantize_zero_to, range(1, weight.rank)),
        bias,
        base_axis=base_axis,
        pad=pad,
        stride=stride,
        dilation=dilation,
        group=group,
        channel_last=False,
    )


def _signs(op: GraphBuilder, weight: Tensor, zero: float) -> Tensor:
    """1 above zero, -1 below, ``zero`` at zero."""
    return op.Where(op.Equal(weight, 0.0), op.constant(zero, weight.dtype), op.Sign(weight))


def _scaled_signs(op: GraphBuilder, weight: Tensor, zero: float, axes: Sequence[int]) -> Tensor:
    """The signs of the weight times its mean magnitude over ``axes``."""
    return op.Mul(_signs(op, weight, zero), op.ReduceMean(op.Abs(weight), axes, keepdims=1))
