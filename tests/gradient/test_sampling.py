"""Derivatives of sampling at computed positions, and of Fourier transforms."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, free, run, session
from whylight.errors import WhylightError
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder


def sampled(mode: str, padding: str, aligned: int) -> Case:
    """Points inside and outside an image; ONNX Runtime is the reference: of x it is linear, of the grid piecewise."""
    return case(
        "GridSample",
        free(2, 2, 4, 5),
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
    case("AffineGrid", free(2, 2, 3), np.array([2, 1, 4, 5]), linear=True),
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


@pytest.mark.parametrize("aligned", [0, 1])
def test_moving_a_point_over_a_slope_changes_the_sample_by_the_slope(aligned: int) -> None:
    """Of an image that grows by 3 a row and by 2 a column, at points inside it."""
    op = GraphBuilder()
    image = (3 * np.arange(4)[:, None] + 2 * np.arange(5)).astype(np.float32).reshape(1, 1, 4, 5)
    grid = op.input("grid", (1, 2, 3, 2))
    y = op.GridSample(image, grid, align_corners=aligned)
    seed = np.random.default_rng(0).standard_normal((1, 1, 2, 3)).astype(np.float32)
    grads = gradient(op, y, op.constant(seed), [grid])
    points = np.random.default_rng(1).uniform(-0.7, 0.7, (1, 2, 3, 2))
    (slope,) = run(session(op.model(grads, "gradient")), {"grid": points})
    columns, rows = ((5 - 1) / 2, (4 - 1) / 2) if aligned else (5 / 2, 4 / 2)
    np.testing.assert_allclose(slope[..., 0], seed[0] * 2 * columns, rtol=1e-4)
    np.testing.assert_allclose(slope[..., 1], seed[0] * 3 * rows, rtol=1e-4)


def test_cubic_samples_are_refused() -> None:
    op = GraphBuilder()
    x = op.input("x", (1, 1, 4, 5))
    y = op.GridSample(x, np.zeros((1, 2, 3, 2), np.float32), mode="cubic")
    with pytest.raises(WhylightError, match="GridSample in mode 'cubic' has no derivative rule"):
        gradient(op, y, y, [x])
