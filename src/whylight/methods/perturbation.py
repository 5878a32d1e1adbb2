"""Perturbation: what the class score loses, or keeps, when a part of the image or of the layer is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whylight.methods import method_of_passes

if TYPE_CHECKING:
    from whylight.graph import GraphBuilder, Tensor
    from whylight.passes import Passes
    from whylight.target import Target

FloatArray = NDArray[np.float32]


def activation(op: GraphBuilder, target: Target) -> Tensor:
    """The layer's activation, as it is."""
    return target.activation


@method_of_passes(
    "ablation-cam",
    "the channels' sum, each weighted by the part of the score that is lost without it",
    "Desai and Ramaswamy 2020, WACV",
    activation,
    passes="1, and above the layer one a channel",
    perturbs_layer=True,
)
def ablation_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """Ablation-CAM: ReLU(sum_k w_k A_k), with w_k = (S - S_k) / S, S_k the score with channel k set to zero.

    Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
    Localization", WACV 2020, equations 4 and 5. S is taken by its size: else channels that speak for the class would
    speak against it wherever its score is below zero.
    """
    return np.stack([_ablation_map(passes, i, one) for i, one in enumerate(activations)])


def _ablation_map(passes: Passes, image: int, maps: FloatArray) -> FloatArray:
    def without(channels: NDArray[np.int64]) -> FloatArray:
        altered = np.repeat(maps[np.newaxis], len(channels), axis=0)
        altered[np.arange(len(channels)), channels] = 0
        return altered

    (whole,) = passes.scores_above(1, lambda _: maps[np.newaxis], image)
    lost = (whole - passes.scores_above(len(maps), without, image)) / max(abs(whole), np.finfo(np.float32).tiny)
    return np.maximum(_weighted_sum(lost, maps), 0)


def _weighted_sum(weights: NDArray[Any], maps: FloatArray) -> FloatArray:
    """(C,) and (C, h, w) -> (h, w)."""
    summed: FloatArray = np.einsum("k,k...->...", weights, maps, dtype=np.float32)
    return summed
