"""Derivatives of Resize."""

from typing import Any

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free

COORDINATES = ["half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def by_scales(*scales: float, **attributes: Any) -> Case:
    return case("Resize", batch(2, 4, 5), None, np.array((1, 1, *scales), np.float32), linear=True, **attributes)


def to_sizes(*sizes: int, **attributes: Any) -> Case:
    return case("Resize", batch(2, 4, 5), None, None, np.array(sizes), axes=[2, 3], linear=True, **attributes)


def cropped(*sizes: int, **attributes: Any) -> Case:
    corners, whole = np.array([0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1], np.float32), np.array((1, 2, *sizes))
    return case(
        "Resize",
        free(1, 2, 4, 5),
        corners,
        None,
        whole,
        coordinate_transformation_mode="tf_crop_and_resize",
        linear=True,
        **attributes,
    )


CASES = [
    by_scales(2, 2),
    by_scales(2, 3, mode="linear"),
    by_scales(0.6, 1.5, mode="linear"),
    by_scales(0.6, 1.3, mode="linear", coordinate_transformation_mode="half_pixel_symmetric"),
    by_scales(1.3, 1.7, coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor"),
    *(to_sizes(7, 3, mode="linear", coordinate_transformation_mode=mode) for mode in COORDINATES),
    *(to_sizes(7, 3, mode="nearest", coordinate_transformation_mode=mode) for mode in COORDINATES),
    *(to_sizes(7, 3, nearest_mode=rounding) for rounding in ROUNDINGS),
    *(to_sizes(2, 10, nearest_mode=rounding, coordinate_transformation_mode="asymmetric") for rounding in ROUNDINGS),
    to_sizes(1, 10, mode="linear", coordinate_transformation_mode="align_corners"),
    to_sizes(1, 10, mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    by_scales(2, 3, mode="cubic"),
    by_scales(0.6, 1.5, mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    *(to_sizes(7, 3, mode="cubic", coordinate_transformation_mode=mode) for mode in COORDINATES),
    *(to_sizes(7, 2, mode=mode, antialias=1) for mode in ("linear", "cubic")),
    by_scales(0.4, 0.7, mode="linear", antialias=1),
    to_sizes(3, 3, mode="cubic", antialias=1, cubic_coeff_a=-0.5),
    cropped(6, 7, mode="linear"),
    cropped(1, 3, mode="linear"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
