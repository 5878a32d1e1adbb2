"""Derivatives of reductions and running sums."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free, gradient_at

REDUCTIONS = [
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSum",
    "ReduceLogSumExp",
]
LOWS = {"ReduceLogSum": 0.2}
CASES = [
    made
    for name in REDUCTIONS
    for low in [LOWS.get(name, -2)]
    for made in (
        case(name, batch(3, 4, 5, low=low), np.array([2, 3])),
        case(name, batch(3, 4, 5, low=low), np.array([-3, 3]), keepdims=0),
        case(name, free(3, 4, low=low)),
    )
] + [
    case("ReduceSum", batch(3, 4), np.array([0])),
    case("ReduceMean", batch(3, 4), np.array([0, 2]), keepdims=0),
    case("ReduceSum", batch(3, 4), np.array([], np.int64), noop_with_empty_axes=1),
    case("ReduceMax", batch(3, 4), np.array([0, 2]), keepdims=0),
    case("CumSum", batch(3, 4), np.array(1)),
    case("CumSum", batch(3, 4), np.array(-1), exclusive=1, reverse=1),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)


def test_a_maximum_of_equal_elements_goes_to_the_first() -> None:
    assert gradient_at("ReduceMax", np.array([1, 4, 4]), np.array([5])).tolist() == [0, 5, 0]
    assert gradient_at("ReduceMin", np.array([[2, 1], [1, 2]]), np.array([[5]])).tolist() == [[0, 5], [0, 0]]


def test_a_product_with_zeros() -> None:
    x = np.array([2, 0, 3])
    assert gradient_at("ReduceProd", x, np.array([1])).tolist() == [0, 6, 0]
    assert gradient_at("ReduceProd", x * [1, 1, 0], np.array([1])).tolist() == [0, 0, 0]


def test_a_norm_of_zeros() -> None:
    assert gradient_at("ReduceL2", np.zeros(3), np.array([1])).tolist() == [0, 0, 0]
