"""ROAD: pixels are removed by filling them in from those around, so that their shape does not tell the class."""

import numpy as np
from numpy.typing import NDArray

from whylight.trust.cases import Cases, FloatArray
from whylight.trust.metrics import Curve, metric

_ROAD = 3
_PERCENTILES = tuple(range(10, 100, 10))
_NOISE = 0.01
_ACCURACY = 1e-5
_ROUNDS = 1000
_BLOCK = 1 << 17
"""Values solved for at a time: they stay in the processor's cache."""

Mask = NDArray[np.bool_]


@metric(
    "road",
    "probability left when the least relevant pixels are filled in, less that when the most relevant ones are, halved",
    "Rong et al. 2022, ICML",
    higher_is_better=True,
    passes=str(2 * len(_PERCENTILES)),
)
def road(cases: Cases) -> Curve:
    """ROAD: (p(least relevant removed) - p(most relevant removed)) / 2, for 10 % to 90 % of the pixels; its mean.

    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022: noisy linear
    imputation, with noise of 1 % of white. The halved difference of both orders over these percentiles is what
    pytorch-grad-cam calls ROADCombined. The probability takes the place of the paper's accuracy.
    """
    pixels = cases.maps[0].size
    generators = cases.generators(_ROAD)
    ascending = pixels - 1 - cases.relevance_rank
    values = []
    for percentile in _PERCENTILES:
        removed = pixels - int(np.ceil((pixels - 1) * (100 - percentile) / 100))
        least, most = (
            cases.probability_of(noisy_linear_imputation(cases.images, rank < removed, generators, cases.white))
            for rank in (ascending, cases.relevance_rank)
        )
        values.append((least - most) / 2)
    return Curve(np.array(_PERCENTILES) / 100, np.stack(values, 1), is_mean=True)


def noisy_linear_imputation(
    images: FloatArray, missing: Mask, generators: list[np.random.Generator], white: float
) -> FloatArray:
    """Images with the missing pixels (N, H, W) imputed, and Gaussian noise on these."""
    noise = np.stack([generator.standard_normal(images.shape[1:], np.float32) for generator in generators])
    return linear_imputation(images, missing) + np.float32(_NOISE * white) * noise * missing[:, np.newaxis]


def linear_imputation(images: FloatArray, missing: Mask) -> FloatArray:
    """Images (N, C, H, W) whose missing pixels are the weighted means of the eight around them.

    Those beside weigh twice as much as those at the corners; what is outside of the image does not count (Rong et al.,
    appendix). The values are exact to about 0.005 of white, less than the noise that is added.
    """
    size = max(1, _BLOCK // images[0].size)
    blocks = [slice(first, first + size) for first in range(0, len(images), size)]
    return np.concatenate([_solved(images[block], missing[block]) for block in blocks])


def _solved(images: FloatArray, missing: Mask) -> FloatArray:
    """The equations are those of a graph's Laplacian, symmetric and positive: conjugate gradients solve them."""
    unknown = missing[:, np.newaxis].astype(np.float32)
    weights = _sum_around(np.ones((1, 1, *missing.shape[1:]), np.float32))

    def equations(values: FloatArray) -> FloatArray:
        result = weights * values
        result -= _sum_around(values)
        result *= unknown
        return result

    filled = _start(images, missing)
    residual = -equations(filled)
    direction = residual.copy()
    square = _dot(residual, residual)
    enough = _ACCURACY**2 * np.maximum(_dot(filled, filled), 1e-12)
    for _ in range(_ROUNDS):
        if (square <= enough).all():
            break
        product = equations(direction)
        curvature = _dot(direction, product)
        # an image that is done stays as it is: it must not depend on those beside it
        step = np.where((square > enough) & (curvature > 0), square / np.where(curvature > 0, curvature, 1), 0)
        filled += step * direction
        product *= step
        residual -= product
        before, square = square, _dot(residual, residual)
        direction *= square / np.where(before > 0, before, np.inf)
        direction += residual
    return np.where(missing[:, np.newaxis], filled, images)


def _sum_around(values: FloatArray) -> FloatArray:
    """Of each pixel the sum of the eight around it, 1/6 of each beside and 1/12 of each at a corner."""
    wide = 2 * values
    wide[..., 1:] += values[..., :-1]
    wide[..., :-1] += values[..., 1:]
    total = 2 * wide
    total[..., 1:, :] += wide[..., :-1, :]
    total[..., :-1, :] += wide[..., 1:, :]
    total -= 4 * values
    total *= np.float32(1 / 12)
    return total


def _start(images: FloatArray, missing: Mask) -> FloatArray:
    """Images with missing pixels from the solution for images of half the size."""
    known = (~missing[:, np.newaxis]).astype(np.float32)
    sums, counts = _halved(images * known), _halved(known)
    coarse = (sums / np.maximum(counts, 1)).astype(np.float32)
    if min(images.shape[2:]) > 2:
        coarse = linear_imputation(coarse, counts[:, 0] == 0)
    return np.where(known > 0, images, _doubled(coarse)[..., : images.shape[2], : images.shape[3]])


def _doubled(values: FloatArray) -> FloatArray:
    """Twice the size, with straight lines between the centers."""
    for axis in (2, 3):
        wide = np.pad(values, [(0, 0)] * axis + [(1, 1)] + [(0, 0)] * (3 - axis), mode="edge")
        size = values.shape[axis]
        before, after = (wide.take(range(start, start + size), axis) for start in (0, 2))
        pair = np.stack([before + 3 * values, 3 * values + after], axis + 1) * np.float32(0.25)
        values = pair.reshape(*values.shape[:axis], 2 * size, *values.shape[axis + 1 :])
    return values


def _halved(values: FloatArray) -> FloatArray:
    """Sums of two by two pixels; a last one without a partner stands alone."""
    height, width = values.shape[2:]
    even = np.pad(values, ((0, 0), (0, 0), (0, height % 2), (0, width % 2)))
    return even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]


def _dot(first: FloatArray, second: FloatArray) -> FloatArray:
    """(N, C, 1, 1)."""
    return np.asarray(np.einsum("nchw,nchw->nc", first, second)[..., np.newaxis, np.newaxis], np.float32)
