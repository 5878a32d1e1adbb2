"""Maps known from a part of the scores, against the sum of all channels in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from whylight.methods.few_scores import map_of_scores

Array = NDArray[np.float64]


def channels(count: int) -> NDArray[np.float32]:
    """Blobs of random place, width and height, a quarter of them zero everywhere."""
    random = np.random.default_rng(count)
    y, x = np.mgrid[:7, :7]
    places, widths = random.uniform(0, 6, (count, 2, 1, 1)), random.uniform(0.7, 3, (count, 1, 1))
    blobs = np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / (2 * widths**2))
    blobs *= random.uniform(0.1, 2, (count, 1, 1)) * (np.arange(count) % 4 > 0)[:, np.newaxis, np.newaxis]
    return np.asarray(blobs, np.float32)


def seen_through(maps: NDArray[np.float32]) -> Array:
    """A score that depends on a channel's shape alone, with kinks, as a network's does."""
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    shapes = (maps - low) / np.where(high > low, high - low, 1)
    weights = np.random.default_rng(0).standard_normal((49, 32))
    return np.asarray(np.maximum(shapes.reshape(-1, 49) @ weights, 0) @ np.random.default_rng(1).standard_normal(32))


def plain_sum(maps: NDArray[np.float32], scores: Array) -> Array:
    weights = np.exp(scores - scores.max())
    return np.asarray(np.maximum(np.tensordot(weights / weights.sum(), maps, 1), 0))


def counting(scores: Array) -> tuple[Callable[[NDArray[np.int64]], NDArray[np.float32]], list[int]]:
    asked: list[int] = []

    def some(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.extend(rows)
        return scores[rows].astype(np.float32)

    return some, asked


@pytest.mark.parametrize("scale", [0.001, 0.1, 0.3, 3.0, 100.0])
def test_the_map_is_that_of_all_scores(scale: float) -> None:
    maps = channels(500)
    scores = scale * seen_through(maps)
    some, asked = counting(scores)
    found, expected = map_of_scores(maps, some), plain_sum(maps, scores)
    assert np.abs(found - expected).max() < 1e-3 * expected.max()
    assert len(asked) == len(set(asked))


def test_most_scores_are_not_needed_where_they_are_nearly_alike() -> None:
    maps = channels(500)
    some, asked = counting(0.001 * seen_through(maps))
    map_of_scores(maps, some)
    assert len(asked) < 100


def test_scores_without_any_order_are_all_asked_for() -> None:
    maps = channels(300)
    scores = np.random.default_rng(2).standard_normal(300) * 3
    scores[::4] = scores[0]  # one shape, one score
    some, asked = counting(scores)
    found, expected = map_of_scores(maps, some), plain_sum(maps, scores)
    assert np.abs(found - expected).max() < 1e-3 * expected.max()
    assert len(asked) > 150


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_few_channels_are_all_asked_for(count: int) -> None:
    maps = channels(count)
    scores = seen_through(maps)
    some, asked = counting(scores)
    np.testing.assert_allclose(map_of_scores(maps, some), plain_sum(maps, scores), atol=1e-6)
    assert len(asked) == count - (count - 1) // 4
