"""Derivatives of operators that take elements from, or put them into, given positions."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free

CASES = [
    case("Gather", batch(4, 2), np.array([3, 0, 3, -2]), axis=1),
    case("Gather", batch(4, 2), np.array([[1, 0], [1, 1]]), axis=-1),
    case("Gather", batch(4, 2), np.array(2), axis=1),
    case("Gather", batch(5, 2), np.array([3, 0, -1]), axis=1),
    case("Gather", batch(5, 2), np.array([1, 2, 3]), axis=-2),
    case("Gather", batch(5, 2), np.array([-5, -4]), axis=1),
    case("Gather", batch(2, 3), np.array([1, 1, 0]), axis=0),
    case("Gather", batch(4, 2), np.array(0)),
    case("Gather", free(4, 2), np.array([[1], [1]]), axis=0),
    case("GatherElements", free(2, 3), np.array([[0, 0, 2, -1], [1, 2, 1, 1]]), axis=1),
    case("GatherND", free(2, 3, 4), np.array([[0, 1], [1, -1], [0, 1]])),
    case("GatherND", batch(3, 4), np.array([[0], [1], [0]])),
    case("GatherND", free(2, 3, 4, 2), np.array([[[0, 1], [2, 1]], [[-1, 3], [0, -4]]]), batch_dims=1),
    case("GatherND", free(2, 3), np.array([[0, 2], [1, 1]])),
    case("Compress", batch(4, 2), np.array([False, True, True]), axis=1, linear=True),
    case("Compress", free(2, 3), np.array([False, True, True, False, True]), linear=True),
    case("ScatterElements", free(2, 3), np.array([[0, 2], [1, -1]]), free(2, 2), axis=1),
    case("ScatterElements", free(2, 3), np.array([[0, 0], [1, 2]]), free(2, 2), axis=1, reduction="add"),
    case("ScatterND", free(4, 3), np.array([[1], [3]]), free(2, 3)),
    case("ScatterND", free(4, 3), np.array([[1, 2], [1, 2]]), free(2), reduction="add"),
    case("TopK", batch(5, 2), np.array([3]), outputs=2, axis=1),
    case("TopK", batch(5), np.array([2]), outputs=2, largest=0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
