"""Enlarging small maps in numpy, linearly: with one matrix an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def corner_weights(before: int, after: int) -> FloatArray:
    """(after, before): the first and the last value stay at the borders."""
    return _weights(np.linspace(0, before - 1, after), before)


def halfway_weights(before: int, after: int) -> FloatArray:
    """(after, before): values stand in the middle of their cells, beyond the outermost ones they stay the same."""
    return _weights(((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1), before)


def resampled(maps: FloatArray, weights: Sequence[FloatArray]) -> FloatArray:
    """(m, h, w) -> (m, H, W), by the weights (H, h) and (W, w), one matrix for each axis but the first."""
    for axis, matrix in enumerate(weights, start=1):
        if axis == maps.ndim - 1:
            maps = np.matmul(maps, matrix.T)
        else:
            maps = np.matmul(matrix, maps.swapaxes(axis, -2)).swapaxes(axis, -2)
    return np.asarray(maps)


def _weights(positions: NDArray[np.float64], before: int) -> FloatArray:
    distance = np.abs(positions[:, np.newaxis] - np.arange(before))
    return np.asarray(np.maximum(1 - distance, 0), np.float32)
