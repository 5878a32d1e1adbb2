"""Derivatives of Resize."""

from typing import Any

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case

COORDINATES = ["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def by_scales(*scales: float, **attributes: Any) -> Case:
    return case("Resize", batch(2, 4, 5), None, np.array((1, 1, *scales), np.float32), **attributes)


def to_sizes(*sizes: int, **attributes: Any) -> Case:
    return case("Resize", batch(2, 4, 5), None, None, np.array(sizes), axes=[2, 3], **attributes)


CROP = np.array([0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1], np.float32)

CASES = [
    by_scales(2, 2),
    by_scales(3, 2, mode="linear"),
    by_scales(0.6, 1.5, mode="linear"),
    *(to_sizes(7, 3, mode="linear", coordinate_transformation_mode=mode) for mode in COORDINATES),
    *(to_sizes(7, 3, mode="nearest", coordinate_transformation_mode=mode) for mode in COORDINATES),
    *(to_sizes(7, 3, nearest_mode=rounding) for rounding in ROUNDINGS),
    to_sizes(1, 10, mode="linear", coordinate_transformation_mode="align_corners"),
    to_sizes(1, 10, mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    case(
        "Resize",
        batch(2, 4, 5),
        CROP,
        np.array([1, 1, 1.5, 1], np.float32),
        mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
