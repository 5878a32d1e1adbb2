"""Derivatives of operators that only arrange elements."""

import numpy as np
import pytest
from onnx import helper

from gradient.differences import Case, assert_derivative, batch, case, free
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def centered(*sizes: int) -> Case:
    """A node made by hand: shape inference knows this operator in whole models only."""

    def build(op: GraphBuilder, x: Tensor) -> Tensor:
        target = op.constant(np.array(sizes))
        op.nodes.append(helper.make_node("CenterCropPad", [x.name, target.name], ["y"], axes=[1, -1]))
        op.tensors["y"] = Tensor("y", (x.shape[0], sizes[0], x.shape[2], sizes[1]), x.dtype)
        return op.tensors["y"]

    return Case(f"CenterCropPad {sizes}", build, build, (free(2, 3, 4, 7),), linear=True)


CASES = [
    case("Reshape", batch(3, 4), np.array([0, 2, -1])),
    case("Reshape", batch(3, 4), np.array([-1, 4])),
    case("Flatten", batch(3, 4)),
    case("Flatten", batch(3, 4), axis=2),
    case("Squeeze", batch(1, 4, 1), np.array([1, -1])),
    case("Unsqueeze", batch(3), np.array([1, 3])),
    case("Transpose", batch(3, 4, 5), perm=[2, 0, 3, 1]),
    case("Transpose", free(3, 4, 5)),
    case("Expand", batch(3, 1), np.array([1, 1, 4])),
    case("Expand", batch(3), np.array([2, 1, 3])),
    case("Tile", batch(3, 2), np.array([1, 2, 3])),
    case("Tile", free(2), np.array([3])),
    case("Concat", batch(3, 2), batch(1, 2), batch(4, 2), axis=1),
    case("Concat", batch(2), batch(3), axis=-1),
    case("Concat", batch(3), batch(3), batch(3), axis=0),
    case("Split", batch(6, 2), np.array([1, 3, 2]), outputs=3, of=1, axis=1),
    case("Split", batch(7), outputs=3, of=2, axis=-1, num_outputs=3),
    case("Slice", batch(6, 5), np.array([1, -4]), np.array([4, 1000]), np.array([1, 2])),
    case("Slice", batch(6, 5), np.array([0]), np.array([2**31 - 1]), np.array([0])),
    case("Slice", batch(6, 5), np.array([1]), np.array([6]), np.array([-1]), np.array([3])),
    case("Slice", batch(6, 5), np.array([-1]), np.array([-(2**31)]), np.array([1]), np.array([-1])),
    case("Slice", batch(6), np.array([-1, -1]), np.array([-(2**62)] * 2), np.array([0, 1]), np.array([-1, -1])),
    case("Slice", batch(6, 5), np.array([4, 3]), np.array([0, 0]), np.array([1, 2]), np.array([-2, -3])),
    case("Pad", batch(3, 4), np.array([0, 1, 2, 0, 0, 3])),
    case("Pad", batch(3, 4), np.array([-1, 2]), None, np.array([-1]), linear=True),
    case("Pad", batch(3, 4), np.array([0, -1, 2, 0, 2, -1]), mode="edge", linear=True),
    case("Pad", batch(3, 4), np.array([0, 1, 2, 0, 2, 3]), mode="reflect"),
    case("Pad", batch(3, 4, 4), np.array([0, 1, 2, 0, 0, 2, 3, 1]), mode="edge"),
    case("Pad", batch(3, 4), np.array([0, 1, 2, 0, 2, 3]), mode="wrap"),
    centered(6, 4),
    centered(2, 10),
    centered(3, 6),
    case("Col2Im", free(2, 4, 9), np.array([4, 3]), np.array([2, 1]), linear=True),
    case("DepthToSpace", batch(8, 2, 3), blocksize=2),
    case("DepthToSpace", batch(8, 2, 3), blocksize=2, mode="CRD"),
    case("SpaceToDepth", batch(2, 4, 6), blocksize=2),
    case("Trilu", batch(4, 4), np.array(1), upper=0),
    case("ReverseSequence", free(3, 4), np.array([2, 4, 1]), batch_axis=0, time_axis=1),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
