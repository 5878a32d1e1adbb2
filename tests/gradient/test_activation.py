"""Derivatives of activation functions."""

from math import pi, sqrt

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free, gradient_at
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def celu(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Add(op.Max(x, 0.0), op.Min(op.Mul(op.Sub(op.Exp(op.Div(x, 0.6)), 1.0), 0.6), 0.0))


def gelu(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Erf(op.Div(x, sqrt(2))), 1.0))


def gelu_tanh(op: GraphBuilder, x: Tensor) -> Tensor:
    inner = op.Mul(op.Add(x, op.Mul(op.Pow(x, 3.0), 0.044715)), sqrt(2 / pi))
    return op.Mul(op.Mul(x, 0.5), op.Add(op.Tanh(inner), 1.0))


CASES = [
    case("Relu", batch(3, 5)),
    case("LeakyRelu", batch(3, 5), alpha=0.2),
    case("PRelu", batch(3, 5), free(3, 1)),
    case("ThresholdedRelu", batch(3, 5), alpha=0.7),
    case("Elu", batch(3, 5), alpha=1.5),
    case("Selu", batch(3, 5)),
    case("Celu", batch(3, 5), alpha=0.6, exact=celu),
    case("Sigmoid", batch(3, 5)),
    case("HardSigmoid", batch(3, 5), alpha=0.4, beta=0.3),
    case("HardSwish", batch(3, 5, low=-6, high=6)),
    case("Tanh", batch(3, 5)),
    case("Softplus", batch(3, 5)),
    case("Softsign", batch(3, 5)),
    case("Mish", batch(3, 5)),
    case("Gelu", batch(3, 5), exact=gelu),
    case("Gelu", batch(3, 5), approximate="tanh", exact=gelu_tanh),
    case("Shrink", batch(3, 5), lambd=0.8, bias=0.3),
    case("Softmax", batch(3, 5)),
    case("Softmax", batch(3, 5), axis=1),
    case("LogSoftmax", batch(3, 5)),
    case("LogSoftmax", batch(3, 5), axis=0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)


def test_relu_passes_nothing_at_zero() -> None:
    assert gradient_at("Relu", np.array([-1, 0, 1]), np.array([5, 5, 5])).tolist() == [0, 0, 5]
