"""The map ReLU(sum_k softmax(S)_k A_k) from fewer scores S_k than there are channels.

Networks have many channels that look alike on one image, and a softmax in which most channels count little. Channels of
one shape share their score. Of the others the score is asked for in rounds: what it is for a shape that has not been
asked for is foretold from those that have (Gaussian process regression: Rasmussen and Williams 2006, algorithm 2.1),
together with how wrong that may be, and those are asked for next whose error would change the map most. It ends when
the map is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]

_TOLERANCE = 7e-4
"""Of the map's range from its lowest to its highest value."""
_DEVIATIONS = 5
"""So many standard deviations of the map's error stay below the tolerance."""
_FIRST, _ROUND = 64, 32
_TRIED, _TOO_MANY = 0.25, 0.9
"""After this part of the scores, forecasts are given up if more than that part of the others would be asked for."""
_SPREADS = (0.3, 1.0, 3.0, 10.0, 30.0)
_ROUGHNESSES = (1e-4, 1e-3, 1e-2, 1e-1)
_TUNED_ON = 128


@dataclass(frozen=True)
class _Forecast:
    """What scores are expected to be (n,), and the standard deviation of that."""

    means: Doubles
    deviations: Doubles


def map_of_scores(maps: FloatArray, scores: Callable[[Indices], FloatArray]) -> FloatArray:
    """The map (h, w): exact where there are few shapes, otherwise to `_TOLERANCE`.

    Args:
        maps: the channels (C, h, w).
        scores: gives the scores (k,) of some channels, by their numbers (k,).
    """
    shapes, first, centers, counts = _shapes(maps.reshape(len(maps), -1).astype(np.float64))
    squared = _squared_distances(shapes)
    known, found = np.zeros(len(shapes), bool), np.zeros(len(shapes))
    asked = np.unique(np.linspace(0, len(shapes) - 1, _FIRST).astype(int))
    forecast, wrong = None, 1.0
    while True:
        found[asked], known[asked] = scores(first[asked]), True
        if known.all():
            weights = np.log(counts) + found
            break
        if forecast:
            missed = (found[asked] - forecast.means[asked]) / forecast.deviations[asked]
            wrong = max(1.0, float(np.sqrt(np.mean(missed**2))))
        forecast = _forecast(squared, known, found[known])
        weights = np.log(counts) + np.where(known, found, forecast.means)
        changes = _changes(centers, weights, np.where(known, 0, _DEVIATIONS * wrong * forecast.deviations))
        allowed = _TOLERANCE * np.ptp(np.maximum(_softmax(weights) @ centers, 0))
        if np.sqrt((changes**2).sum(0).max()) < allowed:
            break
        worst = np.argsort(-changes.max(1), kind="stable")
        # where the forecasts do not help, the rest is asked for at once: forecasts take time too
        left = np.sqrt(np.cumsum((changes[worst] ** 2).sum(1)[::-1])[::-1])
        hopeless = known.mean() > _TRIED and (left > allowed).sum() > _TOO_MANY * (~known).sum()
        asked = worst[~known[worst]] if hopeless else worst[: max(_ROUND, known.sum() // 8)]
        asked = asked[~known[asked]]
    return np.maximum(_softmax(weights) @ centers, 0).reshape(maps.shape[1:]).astype(np.float32)


def _shapes(flat: Doubles) -> tuple[Doubles, Indices, Doubles, Doubles]:
    """Channels (C, h * w) by shape, that is, stretched to [0, 1]; one that is the same everywhere has the shape 0.

    Returns:
        The shapes (n, h * w), the number of one channel of each (n,), the mean of its channels (n, h * w), and how many
        these are (n,).
    """
    low, high = flat.min(1, keepdims=True), flat.max(1, keepdims=True)
    stretched = (flat - low) / np.where(high > low, high - low, 1)
    shapes, first, which, counts = np.unique(
        stretched, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    centers = np.zeros_like(shapes)
    np.add.at(centers, which.reshape(-1), flat)
    return shapes, first, centers / counts[:, np.newaxis], counts.astype(np.float64)


def _changes(centers: Doubles, weights: Doubles, shifts: Doubles) -> Doubles:
    """How much the map changes (n, h * w) when the logarithm of one shape's weight moves up or down by its shift."""
    shares = _softmax(weights)
    summed = shares @ centers
    rest = np.maximum(1 - shares, 0.5)
    others = (summed - shares[:, np.newaxis] * centers) / rest[:, np.newaxis]
    odds = weights - _log_sum(weights) - np.log(rest)
    largest = int(shares.argmax())
    if shares[largest] > 0.5:  # 1 - share has lost its digits
        without = np.delete(weights, largest)
        others[largest] = _softmax(without) @ np.delete(centers, largest, 0)
        odds[largest] = weights[largest] - _log_sum(without)
    moved = np.maximum(_share(odds + shifts) - shares, shares - _share(odds - shifts))
    moved[shifts == 0] = 0
    return np.asarray(moved[:, np.newaxis] * np.abs(centers - others))


def _share(odds: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700, 700))))


def _log_sum(weights: Doubles) -> float:
    return float(weights.max() + np.log(np.exp(weights - weights.max()).sum()))


def _softmax(weights: Doubles) -> Doubles:
    return np.asarray(np.exp(weights - _log_sum(weights)))


def _squared_distances(shapes: Doubles) -> Doubles:
    lengths = (shapes**2).sum(1)
    return np.asarray(np.maximum(lengths[:, np.newaxis] + lengths - 2 * shapes @ shapes.T, 0))


def _forecast(squared: Doubles, known: NDArray[np.bool_], scores: Doubles) -> _Forecast:
    """Gaussian process regression with a Matérn kernel of order 5/2 (equation 4.17) from known scores to all.

    Spread and roughness are those under which each known score is foretold best by the others (leave-one-out: Rasmussen
    and Williams, equations 5.10 to 5.12).
    """
    inner = squared[np.ix_(known, known)]
    unit = float(np.median(inner[inner > 0])) if inner.any() else 1.0
    some = np.unique(np.linspace(0, len(scores) - 1, _TUNED_ON).astype(int))
    mean = float(scores.mean())

    def quality(spread: float, roughness: float) -> float:
        inverse = _inverse(inner[np.ix_(some, some)], spread * unit, roughness)
        own = 1 / np.diag(inverse)
        missed = own * (inverse @ (scores[some] - mean))
        scale = max(float(np.mean(missed**2 / own)), 1e-300)
        return -float(np.log(scale * own).mean())

    spread, roughness = max(((s, r) for s in _SPREADS for r in _ROUGHNESSES), key=lambda pair: quality(*pair))
    inverse = _inverse(inner, spread * unit, roughness)
    solved = inverse @ (scores - mean)
    scale = float(np.mean(solved**2 / np.diag(inverse)))
    kernel = _kernel(squared[:, known], spread * unit)
    unexplained = 1 + roughness - ((kernel @ inverse) * kernel).sum(1)
    deviations = np.sqrt(np.maximum(scale, 1e-30) * np.maximum(unexplained, roughness))
    return _Forecast(mean + kernel @ solved, deviations)


def _inverse(squared: Doubles, spread: float, roughness: float) -> Doubles:
    return np.asarray(np.linalg.inv(_kernel(squared, spread) + roughness * np.eye(len(squared))), np.float64)


def _kernel(squared: Doubles, spread: float) -> Doubles:
    distances = np.sqrt(5 * squared / spread)
    return np.asarray((1 + distances + distances**2 / 3) * np.exp(-distances))
