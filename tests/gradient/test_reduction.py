"""Derivatives of reductions and running sums."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free

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
    case("CumSum", batch(3, 4), np.array(1)),
    case("CumSum", batch(3, 4), np.array(-1), exclusive=1, reverse=1),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
