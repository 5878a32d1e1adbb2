"""How alike two maps are: rank correlation and structural similarity; and the edges of an image to compare with."""

import numpy as np
from numpy.typing import NDArray

from whylight.trust.cases import FloatArray, Values

_WINDOW = 7
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2


def spearman(first: FloatArray, second: FloatArray) -> Values:
    """(N,): Spearman's rank correlation of maps (N, ...), -1 to 1; equal values share their mean rank.

    0 where a map is the same everywhere: it says nothing of the other.
    """
    a, b = (np.stack([_ranks(one.reshape(-1)) for one in maps]) for maps in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.where(norm > 0, (a * b).sum(1) / np.where(norm > 0, norm, 1), 0)


def structural_similarity(first: FloatArray, second: FloatArray) -> Values:
    """(N,): SSIM of maps (N, H, W) from 0 to 1, its mean over all windows of 7 x 7 (Wang et al. 2004, equation 13)."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    count = min(_WINDOW, a.shape[1]) * min(_WINDOW, a.shape[2])
    unbiased = count / max(count - 1, 1)
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = (_windowed(a * a) - mean_a**2) * unbiased
    variance_b = (_windowed(b * b) - mean_b**2) * unbiased
    covariance = (_windowed(a * b) - mean_a * mean_b) * unbiased
    similarity = (2 * mean_a * mean_b + _LUMINANCE) * (2 * covariance + _CONTRAST)
    similarity /= (mean_a**2 + mean_b**2 + _LUMINANCE) * (variance_a + variance_b + _CONTRAST)
    return np.asarray(similarity.mean((1, 2)), np.float64)


def edges(images: FloatArray) -> FloatArray:
    """(N, H, W): the Sobel gradient's length of images (N, C, H, W), of the mean of their channels."""
    wide = np.pad(images.mean(1, dtype=np.float64), ((0, 0), (1, 1), (1, 1)), mode="edge")
    tall = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    across = wide[:, :, :-2] + 2 * wide[:, :, 1:-1] + wide[:, :, 2:]
    return np.asarray(np.hypot(tall[:, :, 2:] - tall[:, :, :-2], across[:, 2:] - across[:, :-2]), np.float32)


def _ranks(values: NDArray[np.float32]) -> Values:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2)[places]


def _windowed(maps: Values) -> Values:
    """Means over all windows that are whole."""
    size = (min(_WINDOW, maps.shape[1]), min(_WINDOW, maps.shape[2]))
    windows = np.lib.stride_tricks.sliding_window_view(maps, size, (1, 2))
    return np.asarray(windows.mean((3, 4)), np.float64)
