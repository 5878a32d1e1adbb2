"""Derivatives of sampling at computed positions, and of Fourier transforms."""

from typing import Any

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, fixed, free
from whylight.errors import WhylightError


def sampled(mode: str, padding: str, aligned: int) -> Case:
    """Points inside and outside an image; ONNX Runtime is the reference: of x it is linear, of the grid piecewise."""
    return case(
        "GridSample",
        batch(2, 4, 5),
        np.random.default_rng(3).uniform(-1.6, 1.6, (2, 3, 4, 2)).astype(np.float32),
        mode=mode,
        padding_mode=padding,
        align_corners=aligned,
        linear=True,
    )


CASES = [
    *(
        sampled(mode, padding, aligned)
        for mode in ("linear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for aligned in (0, 1)
    ),
    case("AffineGrid", batch(2, 3), np.array([2, 1, 4, 5]), linear=True),
    case("AffineGrid", free(2, 3, 4), np.array([2, 1, 3, 4, 5]), align_corners=1, linear=True),
    case("DFT", batch(6, 3, 2), None, np.array(1), linear=True),
    case("DFT", batch(6, 3, 1), None, np.array(1), linear=True),
    case("DFT", batch(6, 3, 1), None, np.array(1), onesided=1, linear=True),
    case("DFT", batch(7, 3, 1), None, np.array(1), onesided=1, linear=True),
    case("DFT", batch(6, 5, 2), np.array(8), np.array(-2), linear=True),
    case("DFT", batch(6, 5, 2), None, None, inverse=1, linear=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)
