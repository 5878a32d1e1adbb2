"""Derivatives of poolings."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, gradient_at

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
