"""Insertion and deletion against loops and by hand; drop and increase against torchcam."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trust.linear import PEERS, patch_model, peers_cases
from whylight.trust.cases import Cases
from whylight.trust.faithfulness import average_drop, blurred, deletion, increase_in_confidence, insertion


def white_image(hot: tuple[slice, slice]) -> tuple[NDArray[Any], NDArray[Any]]:
    images, maps = np.ones((1, 1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32)
    maps[0][hot] = 1
    return images, maps


def test_deletion_of_the_patch_that_decides_and_of_the_last_one() -> None:
    patch = (slice(2, 4), slice(2, 4))
    images, maps = white_image(patch)
    index = np.array([1])
    found = deletion(Cases(images, maps, index, patch_model(*patch)))
    # four steps of four pixels: all of the patch goes with the first
    np.testing.assert_allclose(found.values, [[1, 0, 0, 0, 0]])
    np.testing.assert_allclose(found.summary, [0.125])
    late = deletion(Cases(images, 1 - maps, index, patch_model(*patch)))
    np.testing.assert_allclose(late.summary, [0.875])


def test_curves_are_those_of_a_loop_over_pixels() -> None:
    cases = peers_cases(steps=144)
    for function, start, end in (
        (deletion, cases.images, np.zeros_like(cases.images)),
        (insertion, blurred(cases.images), cases.images),
    ):
        found = function(cases)
        for i in range(2):
            image = start[i].copy()
            values = []
            order = sorted(np.ndindex(12, 12), key=lambda at, i=i: -cases.maps[i][at])  # type: ignore[misc]
            for at in [None, *order]:
                if at is not None:
                    image[:, at[0], at[1]] = end[i][:, at[0], at[1]]
                values.append(cases.probabilities(image[np.newaxis])[0, cases.class_indices[i]])
            np.testing.assert_allclose(found.values[i], values, atol=1e-6)
            area = (sum(values) - values[0] / 2 - values[-1] / 2) / 144
            assert found.summary[i] == pytest.approx(area, abs=1e-6)


def test_steps_take_all_pixels_in_the_end() -> None:
    for steps in (1, 7, 12, 144, 1000):
        found = deletion(peers_cases(steps=steps))
        assert found.positions[0] == 0
        assert found.positions[-1] == 1
        black = peers_cases().probability_of(np.zeros_like(PEERS["images"]))
        np.testing.assert_allclose(found.values[:, -1], black, atol=1e-6)


def test_blur_is_a_normalized_gaussian() -> None:
    point = np.zeros((1, 1, 31, 31), np.float32)
    point[0, 0, 15, 15] = 1
    found = blurred(point)[0, 0]
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert found[15, 20] / found[15, 15] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert found[15, 21] == 0
    np.testing.assert_allclose(blurred(np.ones((1, 2, 5, 9), np.float32)), 1, rtol=1e-5)


def test_drop_and_increase_are_torchcams() -> None:
    cases = peers_cases()
    np.testing.assert_allclose(average_drop(cases), PEERS["average_drop"], atol=1e-5)
    np.testing.assert_array_equal(increase_in_confidence(cases), PEERS["increase"])
    assert 0 < PEERS["increase"].mean() < 1
