"""Derivatives of poolings."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free, gradient_at
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def norm(op: GraphBuilder, x: Tensor, axes: list[int], order: float, keepdims: int = 0) -> Tensor:
    powers = op.ReduceSum(op.Pow(op.Abs(x), order), axes, keepdims=keepdims)
    return op.Pow(powers, 1 / order)


def lp_pool(op: GraphBuilder, x: Tensor) -> Tensor:
    """The square root of 6 times the mean of squares in windows of 3 x 2."""
    return op.Sqrt(op.Mul(op.AveragePool(op.Mul(x, x), kernel_shape=[3, 2], strides=[2, 1]), 6.0))


def lp_pool_1d(op: GraphBuilder, x: Tensor) -> Tensor:
    padded = op.Pad(x, [0, 0, 1, 0, 0, 0])
    windows = [op.Unsqueeze(op.Slice(padded, [start], [start + 5], [2]), [0]) for start in range(3)]
    return norm(op, op.Concat(*windows, axis=0), [0], 3.0)


CASES = [
    case("MaxPool", batch(2, 6), kernel_shape=[3]),
    case("MaxPool", batch(2, 6, 6), kernel_shape=[2, 2], strides=[2, 2]),
    case("MaxPool", batch(2, 7, 6), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    case("MaxPool", batch(2, 7, 6), kernel_shape=[3, 2], strides=[2, 3], pads=[0, 1, 1, 0], ceil_mode=1),
    case("MaxPool", batch(2, 7, 7), kernel_shape=[2, 3], dilations=[3, 2]),
    case("MaxPool", batch(2, 5, 5), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("MaxPool", batch(1, 4, 5, 3), kernel_shape=[2, 2, 2]),
    case("AveragePool", batch(2, 6), kernel_shape=[3]),
    case("AveragePool", batch(2, 6, 6), kernel_shape=[2, 2], strides=[2, 2]),
    case("AveragePool", batch(2, 6, 6), kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1]),
    case("AveragePool", batch(2, 6, 6), kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1),
    case("AveragePool", batch(2, 7, 6), kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    case(
        "AveragePool",
        batch(2, 8, 8),
        kernel_shape=[3, 3],
        strides=[2, 2],
        pads=[1] * 4,
        ceil_mode=1,
        count_include_pad=1,
    ),
    case("AveragePool", batch(2, 6, 6), kernel_shape=[2, 3], dilations=[2, 1]),
    case("AveragePool", batch(2, 6, 5), kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("AveragePool", batch(1, 4, 5, 3), kernel_shape=[2, 2, 2], strides=[2, 1, 1]),
    case("LpPool", batch(2, 6, 6), kernel_shape=[3, 2], strides=[2, 1], exact=lp_pool),
    case("LpPool", batch(2, 6), kernel_shape=[3], p=3, pads=[1, 0], exact=lp_pool_1d),
    case("GlobalLpPool", batch(2, 3, 4), exact=lambda op, x: op.ReduceL2(x, [2, 3], keepdims=1)),
    case("GlobalLpPool", batch(2, 3), p=3, exact=lambda op, x: norm(op, x, [2], 3.0, keepdims=1)),
    case("MaxUnpool", free(1, 2, 3), np.array([[[1, 2, 5], [6, 9, 10]]]), kernel_shape=[2], strides=[2], linear=True),
    case("GlobalAveragePool", batch(3, 4, 5)),
    case("GlobalAveragePool", batch(3, 4)),
    case("GlobalMaxPool", batch(3, 4, 5)),
    case("GlobalMaxPool", batch(3, 4), exact=lambda op, x: op.ReduceMax(x, [2], keepdims=1)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)


def test_max_pool_of_equal_elements_goes_to_the_first_of_each_window() -> None:
    image = np.zeros((1, 1, 3, 3), np.float32)
    grad = gradient_at("MaxPool", image, np.array([[[[1, 2], [4, 8]]]]), kernel_shape=[2, 2])
    np.testing.assert_array_equal(grad[0, 0], [[1, 2, 0], [4, 8, 0], [0, 0, 0]])


def test_max_pool_adds_what_overlapping_windows_send_to_one_element() -> None:
    image = np.zeros((1, 1, 3, 3), np.float32)
    image[0, 0, 1, 1] = 1
    grad = gradient_at("MaxPool", image, np.array([[[[1, 2], [4, 8]]]]), kernel_shape=[2, 2])
    np.testing.assert_array_equal(grad[0, 0], [[0, 0, 0], [0, 15, 0], [0, 0, 0]])


def test_global_max_pool_of_equal_elements_goes_to_the_first() -> None:
    grad = gradient_at("GlobalMaxPool", np.zeros((1, 2, 2, 2)), np.array([3, 5]).reshape(1, 2, 1, 1))
    np.testing.assert_array_equal(grad[0], [[[3, 0], [0, 0]], [[5, 0], [0, 0]]])
