"""Does the score follow the map: what the model says when pixels go, come, or fade by the map."""

import numpy as np

from whylight.trust.cases import Cases, FloatArray, Values
from whylight.trust.metrics import Curve, metric

_BLUR_SIZE, _BLUR_DEVIATION = 11, 5.0


@metric(
    "insertion",
    "area under the probability while pixels come into a blurred image, the most relevant ones first",
    "Petsiuk et al. 2018, BMVC",
    higher_is_better=True,
    passes="rows",
)
def insertion(cases: Cases) -> Curve:
    """Insertion: the area under p(x_k) for k from 0 to all pixels; x_k has the k most relevant ones, the rest blurred.

    Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, section 4.1: the
    blur is that of their code, a Gaussian of 11 x 11 pixels and deviation 5; a row's number of pixels comes at a time.
    """
    return _exchanged(cases, blurred(cases.images), cases.images)


@metric(
    "deletion",
    "area under the probability while pixels are set to zero, the most relevant ones first",
    "Petsiuk et al. 2018, BMVC",
    higher_is_better=False,
    passes="rows",
)
def deletion(cases: Cases) -> Curve:
    """Deletion: the area under p(x_k) for k from 0 to all pixels; in x_k the k most relevant ones are zero.

    Petsiuk et al., BMVC 2018, section 4.1. Zero is that of the model's range.
    """
    return _exchanged(cases, cases.images, np.zeros_like(cases.images))


@metric(
    "average-drop",
    "how much of the probability is lost when the image is multiplied by its map",
    "Chattopadhyay et al. 2018, WACV",
    higher_is_better=False,
)
def average_drop(cases: Cases) -> Values:
    """Average drop: max(0, Y - O) / Y, with Y = p(x) and O = p(x * map), as a fraction.

    Chattopadhyay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks",
    WACV 2018, section 4.1.
    """
    return np.maximum(0, cases.probability - cases.masked_probability) / np.maximum(cases.probability, 1e-12)


@metric(
    "increase-in-confidence",
    "share of images whose probability rises when they are multiplied by their map",
    "Chattopadhyay et al. 2018, WACV",
    higher_is_better=True,
)
def increase_in_confidence(cases: Cases) -> Values:
    """Increase in confidence: 1 where p(x * map) > p(x), else 0.

    Chattopadhyay et al., WACV 2018, section 4.1.
    """
    return (cases.masked_probability > cases.probability).astype(np.float64)


def _exchanged(cases: Cases, before: FloatArray, after: FloatArray) -> Curve:
    """p along the way from one image to another, pixel by pixel in the order of relevance."""
    height, width = cases.maps.shape[1:]
    pixels = height * width
    steps = min(cases.steps or height, pixels)
    counts = np.minimum(np.arange(steps + 1) * -(-pixels // steps), pixels)
    counts = counts[: int(np.argmax(counts == pixels)) + 1]
    rank = cases.relevance_rank[:, np.newaxis]
    values = [cases.probability_of(np.where(rank < count, after, before)) for count in counts]
    return Curve(counts / pixels, np.stack(values, 1))


def blurred(images: FloatArray) -> FloatArray:
    """Images (N, C, H, W) under a Gaussian of 11 x 11 pixels and deviation 5; edges are repeated outwards."""
    offsets = np.arange(_BLUR_SIZE) - _BLUR_SIZE // 2
    weights = np.exp(-0.5 * (offsets / _BLUR_DEVIATION) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (2, 3):
        margin = [(0, 0)] * 4
        margin[axis] = (_BLUR_SIZE // 2, _BLUR_SIZE // 2)
        wide = np.pad(images, margin, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(wide, _BLUR_SIZE, axis)
        images = windows @ weights
    return images
