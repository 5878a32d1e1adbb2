"""Rank correlation and edges against scipy; structural similarity against a loop."""

import numpy as np
import pytest
from scipy import ndimage, stats

from whylight.trust.similarity import edges, spearman, structural_similarity


def test_spearman_is_scipys_also_with_ties() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 6, (2, 5, 7, 8)).astype(np.float32)
    second[3] = -first[3]
    expected = [stats.spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(spearman(first, second), expected, atol=1e-12)


def test_a_flat_map_correlates_with_nothing() -> None:
    maps = np.random.default_rng(0).random((2, 4, 4), np.float32)
    np.testing.assert_array_equal(spearman(maps, np.ones_like(maps)), 0)


def test_structural_similarity_is_the_mean_over_windows() -> None:
    first, second = np.random.default_rng(1).random((2, 3, 12, 10), np.float32)
    found = structural_similarity(first, second)
    for i in range(3):
        values = []
        for y in range(6):
            for x in range(4):
                a, b = (maps[i, y : y + 7, x : x + 7].astype(np.float64).ravel() for maps in (first, second))
                covariance = np.cov(a, b)
                values.append(
                    (2 * a.mean() * b.mean() + 1e-4)
                    * (2 * covariance[0, 1] + 9e-4)
                    / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (covariance[0, 0] + covariance[1, 1] + 9e-4))
                )
        assert found[i] == pytest.approx(np.mean(values), abs=1e-6)
    np.testing.assert_allclose(structural_similarity(first, first), 1)
    np.testing.assert_allclose(structural_similarity(first[:, :3, :5], first[:, :3, :5]), 1)


def test_edges_are_sobels() -> None:
    images = np.random.default_rng(2).random((2, 3, 9, 8), np.float32)
    for image, found in zip(images, edges(images), strict=True):
        gray = image.mean(0, dtype=np.float64)
        expected = np.hypot(ndimage.sobel(gray, 0, mode="nearest"), ndimage.sobel(gray, 1, mode="nearest"))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
