"""Derivatives of operators that take elements from, or put them into, given positions."""

import numpy as np
import onnxruntime
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def batch_last(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.GatherND(op.Transpose(x, perm=[1, 2, 0]), np.array([[2, 1], [0, 3], [2, 1]]))


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
    case("Gather", free(4, 2), np.array([-3]), axis=0),
    case("GatherElements", free(2, 3), np.array([[0, 0, 2, -1], [1, 2, 1, 1]]), axis=1),
    case("GatherND", free(2, 3, 4), np.array([[0, 1], [1, -1], [0, 1]])),
    Case("GatherND before a dynamic axis", batch_last, batch_last, (batch(3, 4),)),
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


def test_one_slice_is_taken_before_an_axis_of_unknown_size() -> None:
    """Queries, keys and values along the first axis, the batch behind them, as PyTorch's attention has them."""
    op = GraphBuilder()
    x, weights = op.input("x", (3, 2, "N", 4)), op.input("weights", (2, "N", 4))
    (slope,) = gradient(op, op.Gather(x, np.array(1), axis=0), weights, [x])
    session = onnxruntime.InferenceSession(op.model([slope], "slice").SerializeToString())
    rng = np.random.default_rng(0)
    values = {"x": rng.random((3, 2, 5, 4), np.float32), "weights": rng.random((2, 5, 4), np.float32)}
    (found,) = session.run(None, {info.name: values[info.name] for info in session.get_inputs()})
    np.testing.assert_array_equal(found, np.stack([0 * values["weights"], values["weights"], 0 * values["weights"]]))
