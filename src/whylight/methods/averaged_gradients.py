"""Derivatives averaged over noisy or fading copies of the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whylight.methods import method_of_passes

if TYPE_CHECKING:
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.passes import Passes
    from whylight.target.target import Target

FloatArray = NDArray[np.float32]

_NOISE = 0.15
"""Standard deviation, as a part of the image's range."""
_SMOOTHGRAD_SAMPLES, _SMOOTH_GRADCAM_SAMPLES, _STEPS = 50, 10, 50


def image_gradient(op: GraphBuilder, target: Target) -> Tensor:
    """The derivative of the score with respect to the image, (N, C, H, W)."""
    return target.image_gradient()


def activation_and_gradient(op: GraphBuilder, target: Target) -> Tensor:
    """The layer's activation, and behind it the derivative of the score with respect to it: (N, 2 C, h, w)."""
    return op.Concat(target.activation, target.gradient, axis=1)


@method_of_passes(
    "smoothgrad",
    "the image's gradient, averaged over noisy copies",
    "Smilkov et al. 2017, arXiv",
    image_gradient,
    passes=f"{_SMOOTHGRAD_SAMPLES}, each with a gradient",
    sees_layer=False,
)
def smoothgrad(passes: Passes, gradients: FloatArray) -> FloatArray:
    """SmoothGrad: the mean of dS/dx over x + N(0, sigma^2); of the channels the largest absolute value.

    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, section 2: 50 samples, sigma 15 % of the
    image's range. Channels are put together as in Simonyan et al. 2014. The noise is the same for every image.
    """
    return np.stack([np.abs(_mean_over_noise(passes, i)).max(0) for i in range(len(gradients))])


def _mean_over_noise(passes: Passes, number: int) -> FloatArray:
    batches = passes.maps(_SMOOTHGRAD_SAMPLES, noisy(passes.images[number]), int(passes.class_indices[number]))
    total = np.sum([batch.sum(0, dtype=np.float64) for batch in batches], axis=0)
    return np.asarray(total / _SMOOTHGRAD_SAMPLES, np.float32)


def noisy(image: FloatArray) -> Callable[[NDArray[np.int64]], FloatArray]:
    """Makes copies of an image with noise, which depends on the copy's number alone."""
    deviation = _NOISE * (image.max() - image.min())

    def made(rows: NDArray[np.int64]) -> FloatArray:
        noise = [np.random.default_rng(row).standard_normal(image.shape, np.float32) for row in rows]
        return np.asarray(image + deviation * np.stack(noise), np.float32)

    return made


@method_of_passes(
    "integrated-gradients",
    "the image's gradient, added up on the way from the baseline: its sum is the score gained",
    "Sundararajan et al. 2017, ICML",
    image_gradient,
    passes=f"{_STEPS}, each with a gradient",
    sees_layer=False,
    is_signed=True,
)
def integrated_gradients(passes: Passes, gradients: FloatArray) -> FloatArray:
    """Integrated gradients: (x - x') times the mean of dS/dx on the line from x' to x, summed over channels.

    Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017, equation 1. x' is the baseline, whose
    pixels the network sees as zero. The integral is found by Gauss-Legendre quadrature with 50 points, as in captum:
    the map's sum is S(x) - S(x').
    """
    return np.stack([_integrated(passes, i) for i in range(len(gradients))])


def _integrated(passes: Passes, number: int) -> FloatArray:
    points, weights = np.polynomial.legendre.leggauss(_STEPS)
    parts = ((points + 1) / 2).astype(np.float32).reshape(-1, *[1] * passes.images[number].ndim)
    way = passes.images[number] - passes.baseline
    total, start = np.zeros(way.shape, np.float64), 0
    for batch in passes.maps(
        _STEPS, lambda rows: passes.baseline + parts[rows] * way, int(passes.class_indices[number])
    ):
        total += np.tensordot(weights[start : start + len(batch)] / 2, batch, 1)
        start += len(batch)
    return np.asarray((way * total).sum(0), np.float32)


@method_of_passes(
    "smooth-gradcam++",
    "Grad-CAM++ with derivatives averaged over noisy copies",
    "Omeiza et al. 2019, arXiv",
    activation_and_gradient,
    passes=f"{1 + _SMOOTH_GRADCAM_SAMPLES}, each with a gradient",
)
def smooth_gradcam_plus_plus(passes: Passes, both: FloatArray) -> FloatArray:
    """Smooth Grad-CAM++: ReLU(sum_k w_k A_k), w_k = sum_ij a_k ReLU(D1_k), a_k = D2_k / (2 D2_k + sum_ab A_k D3_k).

    Omeiza et al., "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep Convolutional Neural
    Network Models", 2019, section 3. D1, D2 and D3 are the means of the gradient, its square and its cube over 10
    copies with noise (15 % of the image's range), as Grad-CAM++ has them for the exponential of the score. The paper
    prints D1 in the numerator; without noise that would not be Grad-CAM++, which it is said to smooth: D2 belongs
    there, and torchcam has it. In the ReLU torchcam takes the last copy's gradient; the paper says the mean.
    """
    channels = both.shape[1] // 2
    return np.stack([_smooth_gradcam_map(passes, i, one[:channels]) for i, one in enumerate(both)])


def _smooth_gradcam_map(passes: Passes, number: int, maps: FloatArray) -> FloatArray:
    first, second, third = np.zeros((3, *maps.shape), np.float64)
    altered = noisy(passes.images[number])
    for batch in passes.maps(_SMOOTH_GRADCAM_SAMPLES, altered, int(passes.class_indices[number])):
        slopes = batch[:, len(maps) :].astype(np.float64)
        first += slopes.sum(0) / _SMOOTH_GRADCAM_SAMPLES
        second += (slopes**2).sum(0) / _SMOOTH_GRADCAM_SAMPLES
        third += (slopes**3).sum(0) / _SMOOTH_GRADCAM_SAMPLES
    axes = tuple(range(1, maps.ndim))
    below = 2 * second + (maps * third).sum(axes, keepdims=True)
    share = np.divide(second, below, out=np.zeros_like(second), where=below != 0)
    weights = (share * np.maximum(first, 0)).sum(axes)
    return np.asarray(np.maximum(np.tensordot(weights, maps, 1), 0), np.float32)
