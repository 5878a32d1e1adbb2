"""Activations against their formulas in double precision, far outside the comfortable range too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reading.nnp.functions.running import Array, assert_computes, converted

POSITIVE = [1e-4, 0.3, 1.0, 2.5, 6.0, 17.0, 60.0, 88.5, 90.0, 1e4, 1e12]
X = np.array([*(-value for value in POSITIVE), 0.0, *POSITIVE, 0.5]).reshape(4, 6)


def softplus(x: Array) -> Any:
    return np.logaddexp(0, x)


def sigmoid(x: Array) -> Any:
    return np.exp(-softplus(-x))


def elu(x: Array, alpha: float) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x: Array, axis: int) -> Any:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def log_softmax(x: Array, axis: int) -> Any:
    return x - np.logaddexp.reduce(x, axis, keepdims=True)


@pytest.mark.parametrize(
    ("kind", "arguments", "reference"),
    [
        ("Sigmoid", {}, sigmoid),
        ("Swish", {}, lambda x: x * sigmoid(x)),
        ("Tanh", {}, np.tanh),
        ("ReLU", {}, lambda x: np.maximum(x, 0)),
        ("LeakyReLU", {"alpha": 0.1}, lambda x: np.where(x > 0, x, 0.1 * x)),
        ("LeakyReLU", {"alpha": -2.0}, lambda x: np.where(x > 0, x, -2.0 * x)),
        ("Softmax", {"axis": -1}, lambda x: softmax(x, -1)),
        ("Softmax", {"axis": 0}, lambda x: softmax(x, 0)),
        ("LogSoftmax", {"axis": 1}, lambda x: log_softmax(x, 1)),
        ("ELU", {"alpha": 0.5}, lambda x: elu(x, 0.5)),
        ("SELU", {"scale": 1.05, "alpha": 1.67}, lambda x: 1.05 * elu(x, 1.67)),
        ("SELU", {"scale": -1.0, "alpha": 0.0}, lambda x: -elu(x, 0.0)),
        ("CReLU", {"axis": 1}, lambda x: np.hstack([np.maximum(x, 0), np.maximum(-x, 0)])),
        ("CELU", {"alpha": 0.3, "axis": -1}, lambda x: np.hstack([elu(x, 0.3), elu(-x, 0.3)])),
        ("GELU", {}, lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        ("Mish", {}, lambda x: x * np.tanh(softplus(x))),
        ("ReLU6", {}, lambda x: np.clip(x, 0, 6)),
        ("HardSigmoid", {}, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        ("HardTanh", {}, lambda x: np.clip(x, -1, 1)),
        ("LogSigmoid", {}, lambda x: -softplus(-x)),
        ("SoftPlus", {"beta": 1.0}, softplus),
        ("SoftPlus", {"beta": 0.1}, lambda x: softplus(0.1 * x) / 0.1),
        ("SoftPlus", {"beta": 4.0}, lambda x: softplus(4 * x) / 4),
        ("SoftSign", {}, lambda x: x / (1 + np.abs(x))),
        ("TanhShrink", {}, lambda x: x - np.tanh(x)),
    ],
)
def test_activation_is_its_formula(kind: str, arguments: dict[str, Any], reference: Callable[..., Any]) -> None:
    assert_computes(reference, kind, X, **arguments)


def test_sinc_is_one_at_zero() -> None:
    (y,) = converted("Sinc", [("N", 5)])(np.array([[0.0, -0.0, 1e-30, -2.0, 30.0]]))
    np.testing.assert_allclose(y, [[1, 1, 1, np.sin(2) / 2, np.sin(30) / 30]], rtol=1e-5)


@pytest.mark.parametrize("base_axis", [1, -2, -1])
def test_prelu_has_a_slope_for_each_index_of_its_axis(base_axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 2, 5))
    slope = np.linspace(-1, 1, x.shape[base_axis])
    (y,) = converted("PReLU", [("N", 3, 2, 5), slope.shape], base_axis=base_axis)(x, slope)
    slopes = np.moveaxis(np.broadcast_to(slope, (*np.delete(x.shape, base_axis), len(slope))), -1, base_axis)
    np.testing.assert_allclose(y, np.where(x >= 0, x, x * slopes), 1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_prelu_with_one_slope(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3, 2))
    (y,) = converted("PReLU", [("N", 3, 2), shape], base_axis=1)(x, np.full(shape, 0.25))
    np.testing.assert_allclose(y, np.where(x >= 0, x, 0.25 * x), 1e-5)
