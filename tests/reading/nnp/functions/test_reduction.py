"""Reductions against numpy, over every kind of axes and with a dynamic batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reading.nnp.functions.running import Array, assert_computes, converted
from whylight.errors import WhylightError

X = np.random.default_rng(0).standard_normal((4, 3, 2, 5))
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Sum": np.sum,
    "Mean": np.mean,
    "Max": np.max,
    "Min": np.min,
    "Prod": np.prod,
}
WITHOUT_INDEX = {"with_index": False, "only_index": False}


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("axes", [(), (-1,), (1, -1), (0, 2), (0, 1, 2, 3)])
def test_reduction_over_axes(kind: str, axes: tuple[int, ...], keep_dims: bool) -> None:
    """Of no axes too: nnabla then reduces nothing."""
    arguments = {"axes": axes, "keep_dims": keep_dims, **(WITHOUT_INDEX if kind in ("Max", "Min") else {})}
    assert_computes(lambda x: REDUCTIONS[kind](x, axis=axes, keepdims=keep_dims), kind, X, **arguments)


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reduction_of_a_scalar(kind: str) -> None:
    arguments = {"axes": (), "keep_dims": False, **(WITHOUT_INDEX if kind in ("Max", "Min") else {})}
    (y,) = converted(kind, [()], **arguments)(np.array(2.5))
    np.testing.assert_array_equal(y, 2.5)


@pytest.mark.parametrize(("kind", "reference"), [("ReduceSum", np.sum), ("ReduceMean", np.mean)])
def test_reduction_over_all_axes(kind: str, reference: Callable[..., Any]) -> None:
    assert_computes(reference, kind, X)


@pytest.mark.parametrize(("kind", "reference"), [("Max", np.argmax), ("Min", np.argmin)])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("axes", [(1,), (-1,), (3, 1), (2, 3), (0, 1, 2, 3), (0, -1)])
def test_index_counts_the_reduced_axes_as_one(
    kind: str, reference: Callable[..., Any], axes: tuple[int, ...], keep_dims: bool
) -> None:
    x = np.round(X).astype(np.float32)
    reduced = sorted(axis % 4 for axis in axes)
    last = np.moveaxis(x, reduced, range(4 - len(axes), 4))
    expected = reference(last.reshape(*last.shape[: 4 - len(axes)], -1), -1)
    if keep_dims:
        expected = np.expand_dims(expected, reduced)
    shape = ("N", 3, 2, 5)
    y, index = converted(kind, [shape], axes=axes, keep_dims=keep_dims, with_index=True, only_index=False)(x)
    np.testing.assert_array_equal(y, REDUCTIONS[kind](x, axis=tuple(axes), keepdims=keep_dims))
    np.testing.assert_array_equal(index, expected)
    (alone,) = converted(kind, [shape], axes=axes, keep_dims=keep_dims, with_index=False, only_index=True)(x)
    np.testing.assert_array_equal(alone, expected)


@pytest.mark.parametrize("p", [1.0, 1.3, 2.0, 3.0])
@pytest.mark.parametrize(("axes", "keep_dims"), [((1, 3), False), ((-1,), True), ((0, 1, 2, 3), False), ((), True)])
def test_norm(p: float, axes: tuple[int, ...], keep_dims: bool) -> None:
    assert_computes(
        lambda x: np.sum(np.abs(x) ** p, axis=axes, keepdims=keep_dims) ** (1 / p),
        "Norm",
        X,
        p=p,
        axes=axes,
        keep_dims=keep_dims,
    )


def test_norm_with_p_below_one() -> None:
    with pytest.raises(WhylightError, match=r"p = 0.5, expected 1 or more"):
        converted("Norm", [("N", 3)], p=0.5, axes=(1,), keep_dims=False)


def cumulative(step: Callable[..., Any], start: float, x: Array, axis: int, exclusive: bool, reverse: bool) -> Any:
    values = np.moveaxis(x, axis, 0)[:: -1 if reverse else 1]
    results, running = [], np.full(values.shape[1:], start)
    for value in values:
        results.append(running if exclusive else step(running, value))
        running = step(running, value)
    return np.moveaxis(np.array(results)[:: -1 if reverse else 1], 0, axis)


@pytest.mark.parametrize(("kind", "step", "start"), [("CumSum", np.add, 0.0), ("CumProd", np.multiply, 1.0)])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_cumulative_function(
    kind: str, step: Callable[..., Any], start: float, exclusive: bool, reverse: bool, size: int
) -> None:
    x = np.random.default_rng(size).uniform(-2, 2, (4, size, 3))
    x[0, size // 2] = 0
    for axis in (1, -2):
        arguments = {"axis": axis, "exclusive": exclusive, "reverse": reverse}
        assert_computes(lambda x: cumulative(step, start, x, 1, exclusive, reverse), kind, x, **arguments)


def test_cumulative_sum_over_the_batch() -> None:
    assert_computes(lambda x: np.cumsum(x, 0), "CumSum", X, axis=0, exclusive=False, reverse=False)
