"""Does the map find the object: metrics for images whose object's box or mask is known. NaN where it is not."""

import numpy as np
from numpy.typing import NDArray

from whylight.trust.cases import Cases, FloatArray, Regions, Values
from whylight.trust.metrics import metric

_BOX_THRESHOLD = 0.15
_LOCALIZED = 0.5

Mask = NDArray[np.bool_]


@metric(
    "pointing-game",
    "share of images whose map is largest on the object",
    "Zhang et al. 2016, ECCV",
    higher_is_better=True,
    needs_regions=True,
    passes="0",
)
def pointing_game(cases: Cases) -> Values:
    """Pointing game: 1 where the map's maximum is on the object or at most the tolerance away, else 0.

    Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016, section 4.1. Distances are between
    pixels' centers. A map that has its maximum at several pixels counts by the share of them that hit: a map that is
    the same everywhere hits as often as chance.
    """
    regions = _regions(cases)
    near = dilated(regions.coverage > 0, cases.pointing_tolerance)
    highest = cases.maps == cases.maps.max((1, 2), keepdims=True)
    hits = (near & highest).sum((1, 2)) / highest.sum((1, 2))
    return np.where(_known(regions), hits, np.nan)


@metric(
    "energy-in-box",
    "share of the map's sum that is on the object",
    "Wang et al. 2020, CVPR Workshops",
    higher_is_better=True,
    needs_regions=True,
    passes="0",
)
def energy_in_box(cases: Cases) -> Values:
    """Energy-based pointing game: sum of the map over the object / sum of the map; 0 for a map of zeros.

    Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR Workshops 2020,
    section 4.3.
    """
    regions = _regions(cases)
    inside = (cases.maps * regions.coverage).sum((1, 2), dtype=np.float64)
    total = cases.maps.sum((1, 2), dtype=np.float64)
    return np.where(_known(regions), inside / np.where(total > 0, total, 1), np.nan)


@metric(
    "box-iou",
    "overlap (IoU) of the object's box and the box around what the map has above 15 %",
    "Selvaraju et al. 2017, ICCV",
    higher_is_better=True,
    needs_regions=True,
    passes="0",
)
def box_iou(cases: Cases) -> Values:
    """IoU of the 15 % box: the box around the largest connected segment of map >= 0.15 max(map), and the object's.

    Selvaraju et al., "Grad-CAM", ICCV 2017, section 4.1. Pixels that touch at a corner are connected. A map of zeros
    has no box: 0.
    """
    regions = _regions(cases)
    return np.where(_known(regions), overlap(map_boxes(cases.maps), regions.boxes), np.nan)


@metric(
    "localized",
    "share of images whose 15 % box overlaps the object's by at least one half",
    "Selvaraju et al. 2017, ICCV",
    higher_is_better=True,
    needs_regions=True,
    passes="0",
)
def localized(cases: Cases) -> Values:
    """Localized: 1 where the IoU of the 15 % box is at least 0.5, the ILSVRC rule, else 0.

    Selvaraju et al., ICCV 2017, section 4.1 (1 - localization error).
    """
    values = box_iou(cases)
    return np.where(np.isnan(values), np.nan, values >= _LOCALIZED)


def map_boxes(maps: FloatArray) -> Values:
    """(N, 4) left, top, right, bottom around the largest segment above 15 % of each map's maximum; NaN without one."""
    largest = maps.max((1, 2), keepdims=True)
    return bounding_boxes(largest_segments((maps >= _BOX_THRESHOLD * largest) & (largest > 0)))


def bounding_boxes(masks: Mask) -> Values:
    """(N, 4) left, top, right, bottom around each mask (N, H, W); NaN around an empty one."""
    columns, rows = np.any(masks, axis=1), np.any(masks, axis=2)
    sides = [
        columns.argmax(1),
        rows.argmax(1),
        columns.shape[1] - columns[:, ::-1].argmax(1),
        rows.shape[1] - rows[:, ::-1].argmax(1),
    ]
    return np.where(columns.any(1)[:, np.newaxis], np.stack(sides, 1), np.nan).astype(np.float64)


def largest_segments(masks: Mask) -> Mask:
    """Of each mask (N, H, W) the connected segment with the most pixels; the uppermost of equal ones.

    Every pixel takes the smallest number of those around it, and then the number that the pixel of that number has,
    until none changes: after a few rounds a segment has one number, that of its first pixel.
    """
    count, height, width = masks.shape
    size = count * height * width
    numbers = np.where(masks, np.arange(size).reshape(masks.shape), size)
    while True:
        around = np.pad(numbers, ((0, 0), (1, 1), (1, 1)), constant_values=size)
        around = np.minimum(np.minimum(around[:, :-2], around[:, 1:-1]), around[:, 2:])
        around = np.minimum(np.minimum(around[..., :-2], around[..., 1:-1]), around[..., 2:])
        smallest = np.where(masks, around, size)
        followed = np.append(smallest.reshape(-1), size)
        followed = followed[followed][:-1].reshape(masks.shape)
        if (followed == numbers).all():
            break
        numbers = followed
    sizes = np.bincount(numbers.reshape(-1), minlength=size + 1)[:-1].reshape(count, -1)
    first = sizes.argmax(1) + np.arange(count) * height * width
    return np.asarray(masks & (numbers == first[:, np.newaxis, np.newaxis]), np.bool_)


def overlap(first: Values, second: Values) -> Values:
    """(N,): intersection over union of boxes (N, 4) left, top, right, bottom; 0 where one is NaN."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    intersection = np.maximum(sides, 0).prod(1)
    union = (first[:, 2:] - first[:, :2]).prod(1) + (second[:, 2:] - second[:, :2]).prod(1) - intersection
    return np.asarray(np.nan_to_num(intersection / union), np.float64)


def dilated(masks: Mask, radius: float) -> Mask:
    """Masks (N, H, W) with all pixels whose center is at most ``radius`` from one of theirs."""
    height, width = masks.shape[1:]
    result = masks.copy()
    reach = min(int(radius), height - 1)
    for down in range(-reach, reach + 1):
        aside = min(int(np.sqrt(radius**2 - down**2)), width)
        before = np.pad(masks, ((0, 0), (0, 0), (aside + 1, aside))).cumsum(2)
        wide = before[..., 2 * aside + 1 :] > before[..., :width]
        target, source = slice(max(down, 0), height + min(down, 0)), slice(max(-down, 0), height - max(down, 0))
        result[:, target] |= wide[:, source]
    return result


def _regions(cases: Cases) -> Regions:
    if cases.regions is None:
        raise ValueError("Cases.regions is needed: where the objects are")
    return cases.regions


def _known(regions: Regions) -> Mask:
    return np.asarray(~np.isnan(regions.boxes).any(1), np.bool_)
