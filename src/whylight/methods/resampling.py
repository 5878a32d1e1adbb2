"""Enlarging small maps in numpy, bilinearly: with one matrix an axis."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def corner_weights(before: int, after: int) -> FloatArray:
    """(after, before): the first and the last value stay at the borders."""
    return _weights(np.linspace(0, before - 1, after), before)


def halfway_weights(before: int, after: int) -> FloatArray:
    """(after, before): values stand in the middle of their cells, beyond the outermost ones they stay the same."""
    return _weights(((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1), before)


def resampled(maps: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """(m, h, w) -> (m, H, W), by the weights (H, h) and (W, w)."""
    return np.asarray(np.matmul(np.matmul(rows, maps), columns.T))


def _weights(positions: NDArray[np.float64], before: int) -> FloatArray:
    distance = np.abs(positions[:, np.newaxis] - np.arange(before))
    return np.asarray(np.maximum(1 - distance, 0), np.float32)
