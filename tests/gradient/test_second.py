"""Second derivatives: what the rules wrote is differentiated once more."""

from math import sqrt

import numpy as np
import pytest

from gradient.differences import Array, Build, Case, assert_derivative, batch, distinct, free
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def weight(x: Tensor, *shape: int, low: float = -1, high: float = 1) -> Array:
    return distinct(shape, low, high).astype(x.dtype)


def batch_normalized(op: GraphBuilder, x: Tensor) -> Tensor:
    channels = x.size(1)
    scale = weight(x, channels, low=0.5, high=1.5)
    return op.BatchNormalization(x, scale, weight(x, channels), weight(x, channels), scale)


def gelu(op: GraphBuilder, x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return op.Gelu(x)
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Erf(op.Mul(x, sqrt(0.5))), 1.0))


def layer_normalized(op: GraphBuilder, x: Tensor) -> Tensor:
    scale, bias = weight(x, x.size(-1)), weight(x, x.size(-1))
    if x.dtype == np.float32:
        return op.LayerNormalization(x, scale, bias, epsilon=0.1)
    centered = op.Sub(x, op.ReduceMean(x, [-1], keepdims=1))
    deviation = op.Sqrt(op.Add(op.ReduceMean(op.Mul(centered, centered), [-1], keepdims=1), 0.1))
    return op.Add(op.Mul(op.Div(centered, deviation), scale), bias)


def max_pool(op: GraphBuilder, x: Tensor) -> Tensor:
    """Of windows of 2 x 2; the onnx package finds wrong positions of maxima."""
    y = op.Exp(x)
    if x.dtype == np.float32:
        return op.MaxPool(y, kernel_shape=[2, 2])
    return op.Max(*(op.Slice(y, [i, j], [i + 3, j + 4], [2, 3]) for i in range(2) for j in range(2)))


def network(op: GraphBuilder, x: Tensor) -> Tensor:
    y = op.Relu(batch_normalized(op, op.Conv(x, weight(x, 4, 2, 3, 3), pads=[1, 1, 1, 1])))
    y = op.MaxPool(op.Mul(y, op.Sigmoid(y)), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    y = op.Add(y, gelu(op, op.Conv(y, weight(x, 4, 1, 3, 3), pads=[1, 1, 1, 1], group=4)))
    y = op.Concat(y, op.Tanh(y), axis=1)
    y = op.Flatten(op.GlobalAveragePool(op.Conv(y, weight(x, 6, 8, 3, 3), strides=[2, 2])))
    return op.Softmax(op.Gemm(y, weight(x, 3, 6), weight(x, 3), transB=1))


OPERATORS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "Conv": (lambda op, x: op.Conv(op.Mul(x, x), weight(x, 3, 2, 3, 3), pads=[1, 1, 1, 1]), (2, 5, 4)),
    "Conv with stride": (lambda op, x: op.Conv(op.Mul(x, x), weight(x, 3, 2, 3, 3), strides=[2, 2]), (2, 7, 6)),
    "ConvTranspose": (lambda op, x: op.ConvTranspose(op.Mul(x, x), weight(x, 2, 3, 3, 3)), (2, 4, 3)),
    "BatchNormalization": (lambda op, x: batch_normalized(op, op.Mul(x, x)), (3, 2, 2)),
    "Relu": (lambda op, x: op.Relu(op.Mul(x, op.Abs(x))), (3, 4)),
    "Gelu": (gelu, (3, 4)),
    "Sigmoid": (lambda op, x: op.Sigmoid(x), (3, 4)),
    "Softplus": (lambda op, x: op.Softplus(x), (3, 4)),
    "Elu": (lambda op, x: op.Elu(x), (3, 4)),
    "HardSwish": (lambda op, x: op.HardSwish(x), (3, 4)),
    "Clip": (lambda op, x: op.Clip(op.Mul(x, x), 0.0, 2.0), (3, 4)),
    "MaxPool": (max_pool, (2, 4, 5)),
    "AveragePool": (lambda op, x: op.AveragePool(op.Exp(x), kernel_shape=[2, 2]), (2, 4, 5)),
    "GlobalAveragePool": (lambda op, x: op.GlobalAveragePool(op.Exp(x)), (2, 3, 3)),
    "GlobalMaxPool": (lambda op, x: op.GlobalMaxPool(op.Exp(x)), (2, 3, 3)),
    "LayerNormalization": (layer_normalized, (3, 4)),
    "MatMul": (lambda op, x: op.MatMul(op.Softmax(op.MatMul(x, op.Transpose(x, perm=[0, 2, 1]))), x), (3, 2)),
    "Einsum": (lambda op, x: op.Einsum(x, x, equation="nij,nik->njk"), (3, 2)),
    "Slice": (lambda op, x: op.Slice(op.Exp(x), [0], [5], [1], [2]), (6, 2)),
    "Gather": (lambda op, x: op.Gather(op.Exp(x), np.array([1, 0, 1]), axis=1), (3, 2)),
    "Split": (lambda op, x: op.Mul(*op.node("Split", [op.Exp(x)], 2, axis=1, num_outputs=2)), (4, 2)),
    "Resize": (lambda op, x: op.Exp(op.Resize(x, None, np.array([1, 1, 2, 2], np.float32), mode="linear")), (1, 3, 2)),
    "ReduceL2": (lambda op, x: op.Div(x, op.ReduceL2(x, [1], keepdims=1)), (3, 2)),
    "Pow": (lambda op, x: op.Pow(x, 3.0), (3, 2)),
    "network": (network, (2, 9, 8)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_gradient_of_a_gradient(name: str) -> None:
    function, shape = OPERATORS[name]

    def slope(op: GraphBuilder, x: Tensor) -> Tensor:
        y = function(op, x)
        weights = op.constant(distinct([1, *(y.size(axis) for axis in range(1, y.rank))], -1, 1), x.dtype)
        return gradient(op, y, op.Expand(weights, op.Shape(y)), [x])[0]

    assert_derivative(Case(name, slope, slope, (batch(*shape),)))


def test_gradient_of_a_gradient_by_a_weight() -> None:
    def slope(op: GraphBuilder, x: Tensor, kernel: Tensor) -> Tensor:
        y = op.Exp(op.Conv(x, kernel, strides=[2, 1], pads=[1, 0, 0, 1]))
        return gradient(op, y, y, [x])[0]

    assert_derivative(
        Case("Conv", slope, slope, (free(2, 2, 5, 4, low=-1, high=1), free(3, 2, 3, 2, low=-0.5, high=0.5)))
    )
