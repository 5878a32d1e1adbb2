"""Score-CAM and its kin: each channel weighted by the score of the image that is seen through it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.methods import method_of_passes
from whylight.methods.few_scores import map_of_scores
from whylight.methods.perturbation import activation
from whylight.methods.resampling import corner_weights, resampled

if TYPE_CHECKING:
    from whylight.target.passes import Passes

FloatArray = NDArray[np.float32]
Scores = Callable[[FloatArray, int], FloatArray]
"""From some channels (k, h, w) and the image's number to their scores (k,)."""

_SS_SAMPLES, _SS_NOISE, _IS_STEPS = 35, 2.0, 10


@method_of_passes(
    "score-cam",
    "the channels' sum, each weighted by the score of the image seen through it",
    "Wang et al. 2020, CVPR workshops",
    activation,
    passes="1, and at most one a channel",
)
def score_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """Score-CAM: ReLU(sum_k w_k A_k), with w = softmax over k of S(X * H_k) - S(X_b).

    Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR workshops
    2020, algorithm 1. H_k is channel k, enlarged bilinearly (corners stay corners, as in pytorch-grad-cam; torchcam
    puts values in the middle of their cells) and then stretched to [0, 1]. The baseline's score S(X_b) is the same for
    all channels, and so leaves the softmax as it is. S is the explained score: the logit, as in both peers; section
    3.3 of the paper prefers the probability: ``score="output"``. No more
    channels are scored than it takes to know the map well within a thousandth: see `whylight.methods.few_scores`.
    """

    def scores(channels: FloatArray, number: int) -> FloatArray:
        return _scores(passes, number, len(channels), lambda rows: Masks(passes)(channels[rows]))

    return _weighted_by(passes, activations, scores)


@method_of_passes(
    "ss-cam",
    "Score-CAM with noise in the masks: the mean of 35 scores a channel",
    "Wang et al. 2020, arXiv",
    activation,
    passes=f"1, and at most {_SS_SAMPLES} a channel",
)
def ss_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """SS-CAM: as Score-CAM, with S_k the mean of S(X * (H_k + N(0, sigma^2))) over 35 samples, sigma = 2.

    Wang, Naidu, Michael and Kundu, "SS-CAM: Smoothed Score-CAM for Sharper Visual Feature Localization", 2020,
    algorithm 1 (noise in the activation map). The noise of a sample is the same for all channels and images.
    """

    def scores(channels: FloatArray, number: int) -> FloatArray:
        masks = Masks(passes)

        def noisy(rows: NDArray[np.int64]) -> FloatArray:
            samples, chosen = np.divmod(rows, len(channels))
            noise = np.stack([ss_noise(int(sample), passes.size) for sample in samples])
            return np.asarray(masks(channels[chosen]) + noise)

        found = _scores(passes, number, _SS_SAMPLES * len(channels), noisy)
        return np.asarray(found.reshape(_SS_SAMPLES, -1).mean(0))

    return _weighted_by(passes, activations, scores)


def ss_noise(sample: int, size: tuple[int, ...]) -> FloatArray:
    """SS-CAM's noise (H, W) in one sample."""
    return np.float32(_SS_NOISE) * np.random.default_rng(sample).standard_normal(size, np.float32)


@method_of_passes(
    "is-cam",
    "Score-CAM on a way of 10 steps from the baseline to the masked one",
    "Naidu et al. 2020, arXiv",
    activation,
    passes=f"1, and at most {_IS_STEPS} a channel",
)
def is_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """IS-CAM: as Score-CAM, with S_k the mean of S(M_i) over i = 1 ... 10, M_i = M_(i-1) + i / 10 (X * H_k), M_0 = 0.

    Naidu et al., "IS-CAM: Integrated Score-CAM for axiomatic-based explanations", 2020, algorithm 1; as in torchcam,
    the steps are added up, so that the last images are brighter than the masked one.
    """

    def scores(channels: FloatArray, number: int) -> FloatArray:
        masks = Masks(passes)
        parts = np.cumsum(np.arange(1, _IS_STEPS + 1) / _IS_STEPS).astype(np.float32)

        def fading(rows: NDArray[np.int64]) -> FloatArray:
            steps, chosen = np.divmod(rows, len(channels))
            return np.asarray(parts[steps].reshape(-1, *[1] * len(passes.size)) * masks(channels[chosen]))

        found = _scores(passes, number, _IS_STEPS * len(channels), fading)
        return np.asarray(found.reshape(_IS_STEPS, -1).mean(0))

    return _weighted_by(passes, activations, scores)


class Masks:
    """Channels (m, h, w) enlarged to the image's size and stretched to [0, 1]: (m, H, W)."""

    def __init__(self, passes: Passes) -> None:
        """Masks cover the part of the image that the layer sees."""
        self._size, self._region = passes.size, passes.region

    def __call__(self, channels: FloatArray) -> FloatArray:
        """Those of some channels."""
        weights = [
            corner_weights(before, part.stop - part.start)
            for before, part in zip(channels.shape[1:], self._region, strict=True)
        ]
        masks = resampled(channels, weights)
        axes = tuple(range(1, masks.ndim))
        masks -= masks.min(axes, keepdims=True)
        masks /= masks.max(axes, keepdims=True) + np.float32(1e-8)
        if masks.shape[1:] == self._size:
            return masks
        placed = np.zeros((len(masks), *self._size), np.float32)
        placed[(slice(None), *self._region)] = masks
        return placed


def _scores(passes: Passes, number: int, count: int, masks: Callable[[NDArray[np.int64]], FloatArray]) -> FloatArray:
    """The scores (count,) of an image seen through masks, which are made as they are run."""
    one = passes.images[number] - passes.baseline

    def masked(rows: NDArray[np.int64]) -> FloatArray:
        return np.asarray(one * masks(rows)[:, np.newaxis] + passes.baseline)

    return passes.scores(count, masked, int(passes.class_indices[number]))


def _weighted_by(passes: Passes, activations: FloatArray, scores: Scores) -> FloatArray:
    """ReLU(sum_k w_k A_k), with w the softmax of the channels' scores."""
    if activations.ndim != 2 + len(passes.size):
        raise WhylightError(
            f"the layer's activation has shape {activations.shape[1:]}: masks for the image need an axis of "
            f"channels and {len(passes.size)} of places"
        )
    return np.stack(
        [map_of_scores(maps, partial(_of_some, scores, maps, number)) for number, maps in enumerate(activations)]
    )


def _of_some(scores: Scores, maps: FloatArray, number: int, channels: NDArray[np.int64]) -> FloatArray:
    return scores(maps[channels], number)
