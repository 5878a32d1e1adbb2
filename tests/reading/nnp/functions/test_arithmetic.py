"""Arithmetic against numpy: broadcasting, signs, scalars of rank 0."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest

from reading.nnp.functions.running import Array, assert_computes, converted

BINARY = {
    "Add2": np.add,
    "BcAdd2": np.add,
    "Sub2": np.subtract,
    "Mul2": np.multiply,
    "Div2": np.divide,
    "Pow2": np.power,
}


def positive(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).uniform(0.5, 2, shape)


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize("shapes", [((4, 3), (4, 3)), ((4, 1, 5), (4, 3, 1)), ((4, 3, 1), (4, 1, 1))])
def test_function_of_two_tensors_broadcasts(kind: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    assert_computes(BINARY[kind], kind, *(positive(*shape) for shape in shapes))


@pytest.mark.parametrize("kind", BINARY)
def test_function_of_two_scalars(kind: str) -> None:
    (y,) = converted(kind, [(), ()])(np.array(2.5), np.array(3.0))
    np.testing.assert_allclose(y, BINARY[kind](2.5, 3.0), 1e-5)


@pytest.mark.parametrize(("kind", "step"), [("AddN", np.add), ("MulN", np.multiply)])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_function_of_many_tensors(kind: str, step: Callable[..., Any], count: int) -> None:
    arrays = [positive(4, 3) * (-1) ** index * (index + 1) for index in range(count)]
    assert_computes(lambda *xs: reduce(step, xs), kind, *arrays)


@pytest.mark.parametrize(
    ("kind", "reference"),
    [
        ("AddScalar", lambda x, val: x + val),
        ("MulScalar", lambda x, val: x * val),
        ("RSubScalar", lambda x, val: val - x),
        ("RDivScalar", lambda x, val: val / x),
    ],
)
@pytest.mark.parametrize("val", [0.0, -3.0, 0.3])
def test_function_of_a_tensor_and_a_number(kind: str, reference: Callable[..., Any], val: float) -> None:
    x = np.array([[-1e5, -2.0, -1e-3], [1e-3, 0.7, 1e5]])
    assert_computes(lambda x: reference(x, val), kind, x, val=val)
    (y,) = converted(kind, [()], val=val)(np.array(-2.0))
    np.testing.assert_allclose(y, reference(-2.0, val), 1e-5)


@pytest.mark.parametrize("val", [0.0, 1.0, 2.0, 3.0, -1.0, -2.0])
def test_powers_of_negative_numbers(val: float) -> None:
    assert_computes(lambda x: x**val, "PowScalar", np.array([[-3.0, -0.5], [0.25, 7.0]]), val=val)


@pytest.mark.parametrize("val", [0.5, 0.3, -1.7])
def test_broken_powers(val: float) -> None:
    assert_computes(lambda x: x**val, "PowScalar", np.array([[1e-6, 0.5], [2.0, 1e6]]), val=val)


@pytest.mark.parametrize("val", [0.5, 1.0, 3.0])
def test_a_number_to_powers(val: float) -> None:
    assert_computes(lambda x: val**x, "RPowScalar", np.array([[-20.0, -1.0], [0.0, 20.0]]), val=val)
