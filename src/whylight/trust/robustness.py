"""Does the map foretell what changes do, and does it hold still when the image hardly changes."""

import numpy as np

from whylight.trust.cases import Cases, FloatArray, Values
from whylight.trust.metrics import metric

_INFIDELITY, _SENSITIVITY = 1, 2
_SQUARES = 64
_SQUARE_SIDE = 1 / 4
_NOISES = 10
_RADIUS = 0.02


@metric(
    "infidelity",
    "mean squared error of the change that the map foretells when squares are set to zero",
    "Yeh et al. 2019, NeurIPS",
    higher_is_better=False,
    passes=str(_SQUARES),
)
def infidelity(cases: Cases) -> Values:
    """Infidelity: mean over I of (b <I, map> - (p(x) - p(x - I)))^2; I is the image within a random square, else 0.

    Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, definition 2.1, with square removal
    (section 3): 64 squares, a quarter of the image's sides long. The map is taken for every channel. As maps from 0 to
    1 have no unit, b is the one that makes the error smallest: mean(<I, map> d) / mean(<I, map>^2), d the change of p.
    """
    dots, changes = [], []
    for squares in _random_squares(cases):
        removed = cases.images * squares[:, np.newaxis]
        dots.append((removed * cases.maps[:, np.newaxis]).sum((1, 2, 3), dtype=np.float64))
        changes.append(cases.probability - cases.probability_of(cases.images - removed))
    return scaled_error(np.stack(dots, 1), np.stack(changes, 1))


def scaled_error(dots: Values, changes: Values) -> Values:
    """(N,): mean((b dots - changes)^2) over axis 1, with the b that makes it smallest; of (N, perturbations)."""
    square = (dots * dots).mean(1, keepdims=True)
    factor = (dots * changes).mean(1, keepdims=True) / np.where(square > 0, square, 1)
    error: Values = ((factor * dots - changes) ** 2).mean(1)
    return error


@metric(
    "sensitivity",
    "how much the map changes at most when the image hardly does",
    "Yeh et al. 2019, NeurIPS",
    higher_is_better=False,
    passes=f"{_NOISES} explanations",
)
def sensitivity(cases: Cases) -> Values:
    """Max-sensitivity: max over e of |map(x + e) - map(x)| / |map(x)|, e uniform in [-r, r], r 2 % of white.

    Yeh et al. 2019, definition 3.1, found by 10 draws and divided by the map's norm, as is usual.
    """
    if cases.explain is None:
        raise ValueError("sensitivity explains images again: Cases.explain is needed")
    norm = np.sqrt((cases.maps.astype(np.float64) ** 2).sum((1, 2)))
    generators = cases.generators(_SENSITIVITY)
    largest = np.zeros(len(cases))
    radius = _RADIUS * cases.white
    for _ in range(_NOISES):
        noise = np.stack([generator.uniform(-radius, radius, cases.images.shape[1:]) for generator in generators])
        moved = cases.explain((cases.images + noise).astype(np.float32), cases.class_indices)
        change = np.sqrt(((moved.astype(np.float64) - cases.maps) ** 2).sum((1, 2)))
        largest = np.maximum(largest, change)
    return largest / np.where(norm > 0, norm, 1)


def _random_squares(cases: Cases) -> list[FloatArray]:
    """Masks (N, H, W), 1 within a square."""
    height, width = cases.maps.shape[1:]
    tall, wide = max(1, round(height * _SQUARE_SIDE)), max(1, round(width * _SQUARE_SIDE))
    generators = cases.generators(_INFIDELITY)
    masks = []
    for _ in range(_SQUARES):
        mask = np.zeros(cases.maps.shape, np.float32)
        for one, generator in zip(mask, generators, strict=True):
            top, left = generator.integers(height - tall + 1), generator.integers(width - wide + 1)
            one[top : top + tall, left : left + wide] = 1
        masks.append(mask)
    return masks
