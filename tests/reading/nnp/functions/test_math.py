"""Mathematical functions against numpy, and the constants that nnabla computes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest

from reading.nnp.functions.running import Array, assert_computes, converted
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.reading.nnp.functions import convert_function

WIDE = np.array([[-80.0, -5.0, -1.0], [-1e-3, 0.0, 1e-3], [0.5, 1.0, 5.0], [20.0, 60.0, 80.0]])
UNIT = np.linspace(-0.999, 0.999, 12).reshape(4, 3)


@pytest.mark.parametrize(
    ("kind", "x", "reference"),
    [
        ("Abs", WIDE, np.abs),
        ("Exp", WIDE, np.exp),
        ("Log", np.abs(WIDE) + 1e-20, np.log),
        ("Identity", WIDE, np.positive),
        ("Ceil", WIDE / 3, np.ceil),
        ("Floor", WIDE / 3, np.floor),
        ("Sin", WIDE, np.sin),
        ("Cos", WIDE, np.cos),
        ("Tan", UNIT * 1.5, np.tan),
        ("Sinh", WIDE, np.sinh),
        ("Cosh", WIDE, np.cosh),
        ("ASin", UNIT, np.arcsin),
        ("ACos", UNIT, np.arccos),
        ("ATan", WIDE * 1e5, np.arctan),
        ("ASinh", WIDE * 1e5, np.arcsinh),
        ("ACosh", 1 + np.abs(WIDE * 1e5), np.arccosh),
        ("ATanh", UNIT, np.arctanh),
        ("Erf", WIDE, np.vectorize(math.erf)),
    ],
)
def test_function_is_numpys(kind: str, x: Array, reference: Callable[..., Any]) -> None:
    assert_computes(reference, kind, x)


def test_round_takes_halves_away_from_zero() -> None:
    x = [0.5, 1.5, 2.5, 0.49999997, 2.4999998, 8388607.5, 8388609.0, 3e38, 0.0]
    expected = [1.0, 2.0, 3.0, 0.0, 2.0, 8388608.0, 8388609.0, 3e38, 0.0]
    (y,) = converted("Round", [("N", len(x))])(np.array([x, np.negative(x)]))
    np.testing.assert_array_equal(y, np.array([expected, np.negative(expected)], np.float32))


def test_atan2_in_all_directions_and_on_the_axes() -> None:
    coordinates = np.array([-1e30, -3.0, -1.0, -1e-30, 0.0, 1e-30, 1.0, 3.0, 1e30])
    y, x = (grid.ravel()[:, np.newaxis] for grid in np.meshgrid(coordinates, coordinates))
    assert_computes(np.arctan2, "ATan2", y, x)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, False), (False, True), (True, True)])
def test_batch_matmul_transposes_and_broadcasts(transpose_a: bool, transpose_b: bool) -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((4, 1, 2, 3)), random.standard_normal((4, 5, 3, 6))
    assert_computes(
        lambda a, b: np.einsum(f"nk{'ji' if transpose_a else 'ij'},nm{'lj' if transpose_b else 'jl'}->nmil", a, b),
        "BatchMatmul",
        a.swapaxes(2, 3) if transpose_a else a,
        b.swapaxes(2, 3) if transpose_b else b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )


@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_constant_fills_its_shape(shape: tuple[int, ...]) -> None:
    (y,) = converted("Constant", [], val=-1.5, shape=shape)()
    np.testing.assert_array_equal(y, np.full(shape, -1.5))


@pytest.mark.parametrize("size", [1, 4])
def test_constant_takes_the_batch_size(size: int) -> None:
    op = GraphBuilder()
    op.input("x", ("N", 7))
    (y,) = convert_function(op, "Constant", [], {"val": 0.5, "shape": (-1, 2, 3)})
    assert y.shape == ("N", 2, 3)
    session = onnxruntime.InferenceSession(op.model([y], "constant").SerializeToString())
    (result,) = session.run(None, {"x": np.zeros((size, 7), np.float32)})
    np.testing.assert_array_equal(result, np.full((size, 2, 3), 0.5))


def test_large_constant_is_not_stored() -> None:
    op = GraphBuilder()
    (y,) = convert_function(op, "Constant", [], {"val": 2.0, "shape": (100, 1000, 1000)})
    assert y.shape == (100, 1000, 1000)
    assert op.model([y], "constant").ByteSize() < 1000


def test_constant_of_the_batch_size_without_a_batch() -> None:
    with pytest.raises(WhylightError, match="no data whose batch size"):
        converted("Constant", [], val=0.0, shape=(-1, 3))


@pytest.mark.parametrize(
    ("start", "stop", "step"), [(0, 1, 0.25), (2, -3, -1.5), (0, 0, 1), (5, 0, 1), (-1, 1, 3), (0, 0.7, 0.1)]
)
def test_arange(start: float, stop: float, step: float) -> None:
    (y,) = converted("Arange", [], start=start, stop=stop, step=step)()
    np.testing.assert_allclose(y, np.arange(start, stop, step), 1e-5, 1e-6)


@pytest.mark.parametrize(("start", "stop", "num"), [(0, 1, 5), (3, -3, 4), (2, 9, 1), (2, 9, 0)])
def test_linspace(start: float, stop: float, num: int) -> None:
    (y,) = converted("Linspace", [], start=start, stop=stop, num=num)()
    np.testing.assert_allclose(y, np.linspace(start, stop, num), 1e-5)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Arange", {"start": 0.0, "stop": 1e30, "step": 1.0}),
        ("Arange", {"start": 1.0, "stop": 0.0, "step": 0.0}),
        ("Linspace", {"start": 0.0, "stop": 1.0, "num": 10**9}),
        ("Linspace", {"start": 0.0, "stop": 1.0, "num": -1}),
    ],
)
def test_sequence_of_an_impossible_length(kind: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(WhylightError, match="expected 0 to 1000000"):
        converted(kind, [], **arguments)
