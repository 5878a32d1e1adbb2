"""Pointing game, energy and boxes by hand, by loops and against scipy's segments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from trust.linear import patch_model
from whylight.trust.cases import Cases, Regions
from whylight.trust.localization import (
    box_iou,
    dilated,
    energy_in_box,
    largest_segments,
    localized,
    map_boxes,
    overlap,
    pointing_game,
)


def cases_of(maps: NDArray[Any], boxes: Sequence[tuple[float, ...]], tolerance: float | None = 0) -> Cases:
    coverage = np.full(maps.shape, np.nan, np.float32)
    for one, box in zip(coverage, boxes, strict=True):
        if not np.isnan(box[0]):
            left, top, right, bottom = (int(side) for side in box)
            one[:] = 0
            one[top:bottom, left:right] = 1
    regions = Regions(coverage, np.array(boxes, np.float64))
    images = np.zeros((len(maps), 1, *maps.shape[1:]), np.float32)
    model = patch_model(slice(None), slice(None))
    return Cases(
        images, maps.astype(np.float32), np.zeros(len(maps), np.int64), model, None, regions, tolerance=tolerance
    )


def test_pointing_game_inside_beside_and_too_far() -> None:
    maps = np.zeros((3, 20, 20))
    maps[0, 5, 5], maps[1, 5, 12], maps[2, 5, 13] = 1, 1, 1
    boxes = [(2, 2, 10, 10)] * 3
    np.testing.assert_array_equal(pointing_game(cases_of(maps, boxes)), [1, 0, 0])
    # the box's last pixel is in column 9
    np.testing.assert_array_equal(pointing_game(cases_of(maps, boxes, tolerance=3)), [1, 1, 0])


def test_several_maxima_count_by_the_share_that_hits() -> None:
    maps = np.ones((1, 10, 10))
    assert pointing_game(cases_of(maps, [(0, 0, 5, 4)]))[0] == pytest.approx(0.2)


def test_tolerance_is_15_pixels_at_224() -> None:
    maps = np.zeros((2, 224, 300))
    maps[0, 100, 64], maps[1, 100, 65] = 1, 1
    np.testing.assert_array_equal(pointing_game(cases_of(maps, [(20, 90, 50, 110)] * 2, None)), [1, 0])


def test_dilation_is_by_distance() -> None:
    masks = np.random.default_rng(1).random((3, 15, 11)) > 0.97
    masks[2] = False
    for radius in (0, 1, 2.5, 4, 30):
        found = dilated(masks, radius)
        for mask, one in zip(masks, found, strict=True):
            expected = ndimage.distance_transform_edt(~mask) <= radius if mask.any() else mask
            np.testing.assert_array_equal(one, expected)


def test_energy_is_the_share_inside() -> None:
    maps = np.random.default_rng(2).random((2, 9, 9))
    maps[1] = 0
    found = energy_in_box(cases_of(maps, [(3, 2, 9, 5)] * 2))
    np.testing.assert_allclose(found, [maps[0, 2:5, 3:9].sum() / maps[0].sum(), 0], rtol=1e-5)


def test_largest_segments_are_those_of_scipy() -> None:
    generator = np.random.default_rng(5)
    masks = generator.random((20, 23, 31)) > np.linspace(0.2, 0.95, 20)[:, np.newaxis, np.newaxis]
    found = largest_segments(masks)
    for mask, one in zip(masks, found, strict=True):
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
        assert one.sum() == sizes.max()
        (label,) = np.unique(labels[one])
        assert sizes[label - 1] == sizes.max()


def test_a_winding_segment_is_one() -> None:
    mask = np.zeros((1, 21, 21), np.bool_)
    mask[0, ::2] = True
    mask[0, 1::4, -1] = mask[0, 3::4, 0] = True
    np.testing.assert_array_equal(largest_segments(mask), mask)


def test_box_around_the_largest_segment_above_15_percent() -> None:
    maps = np.zeros((2, 20, 30), np.float32)
    maps[0, 2:4, 2:4] = 0.9  # higher, but smaller
    maps[0, 8:14, 10:25] = 0.136  # 15 % of the maximum is 0.135
    maps[0, 14, 10:25] = 0.134
    np.testing.assert_array_equal(map_boxes(maps), [[10, 8, 25, 14], [np.nan] * 4])
    cases = cases_of(maps, [(10, 8, 25, 20)] * 2)
    np.testing.assert_allclose(box_iou(cases), [0.5, 0])
    np.testing.assert_array_equal(localized(cases), [1, 0])


def test_overlap_is_that_of_pixels() -> None:
    generator = np.random.default_rng(8)
    first, second = (np.sort(generator.integers(0, 12, (50, 2, 2)), 1).reshape(50, 4) for _ in range(2))
    for a, b, value in zip(first, second, overlap(first.astype(float), second.astype(float)), strict=True):
        masks = np.zeros((2, 12, 12), np.bool_)
        for mask, (left, top, right, bottom) in zip(masks, (a, b), strict=True):
            mask[top:bottom, left:right] = True
        union = masks.any(0).sum()
        assert value == pytest.approx(masks.all(0).sum() / union if union else 0)


def test_images_without_a_region_have_no_value() -> None:
    maps = np.random.default_rng(2).random((2, 9, 9))
    cases = cases_of(maps, [(1, 1, 5, 5), (np.nan,) * 4])
    for metric in (pointing_game, energy_in_box, box_iou, localized):
        np.testing.assert_array_equal(np.isnan(metric(cases)), [False, True])
