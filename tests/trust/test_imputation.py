"""Imputation against scipy's solution of the same equations; ROAD against pytorch-grad-cam."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from trust.linear import PEERS, peers_cases
from whylight.trust.imputation import linear_imputation, noisy_linear_imputation, road


def solved_by_scipy(image: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    numbers = {place: i for i, place in enumerate(zip(*np.nonzero(missing), strict=True))}
    matrix, right = lil_matrix((len(numbers), len(numbers))), np.zeros((len(numbers), len(image)))
    for (y, x), i in numbers.items():
        for down, aside in ((a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b):
            place = (y + down, x + aside)
            if not (0 <= place[0] < missing.shape[0] and 0 <= place[1] < missing.shape[1]):
                continue
            weight = 1 / 12 if down and aside else 1 / 6
            matrix[i, i] += weight
            if place in numbers:
                matrix[i, numbers[place]] -= weight
            else:
                right[i] += weight * image[:, place[0], place[1]]
    filled = image.copy()
    filled[:, missing] = spsolve(matrix.tocsc(), right).reshape(len(numbers), -1).T
    return filled


@pytest.mark.parametrize(("height", "width", "share"), [(9, 14, 0.3), (24, 17, 0.9), (40, 40, 0.6)])
def test_imputed_pixels_are_the_solution_of_the_equations(height: int, width: int, share: float) -> None:
    generator = np.random.default_rng(3)
    images = generator.random((3, 2, height, width), np.float32)
    y, x = np.mgrid[:height, :width]
    # one hole in the middle, one at a corner, and single pixels
    ranks = np.stack([np.hypot(y - height / 2, x - width / 2), np.hypot(y, x), generator.random((height, width))])
    missing = ranks <= np.quantile(ranks, share, axis=(1, 2), keepdims=True)
    found = linear_imputation(images, missing)
    for i in range(3):
        np.testing.assert_allclose(found[i], solved_by_scipy(images[i], missing[i]), atol=2e-3)
        np.testing.assert_array_equal(found[i][:, ~missing[i]], images[i][:, ~missing[i]])


def test_a_slope_is_filled_in_exactly() -> None:
    y, x = np.mgrid[:30, :20]
    images = (np.stack([y + 2 * x, 5 - x])[np.newaxis] / 100).astype(np.float32)
    missing = np.zeros((1, 30, 20), np.bool_)
    missing[0, 5:25, 4:15] = True
    np.testing.assert_allclose(linear_imputation(images, missing), images, atol=1e-3)


def test_noise_is_on_the_missing_pixels_and_as_large_as_it_should_be() -> None:
    images, missing = np.full((1, 3, 64, 64), 100, np.float32), np.ones((1, 64, 64), np.bool_)
    missing[0, :4] = False
    found = noisy_linear_imputation(images, missing, [np.random.default_rng(0)], white=255)
    np.testing.assert_array_equal(found[0][:, :4], 100)
    assert found[0][:, 4:].std() == pytest.approx(2.55, rel=0.05)


def test_road_is_grad_cams() -> None:
    found = road(peers_cases(white=0))
    # there, the 10th percentile is what stays
    np.testing.assert_allclose(found.values, PEERS["road"][:, ::-1], atol=2e-4)
    np.testing.assert_allclose(found.summary, PEERS["road"].mean(1), atol=2e-4)
    assert np.ptp(PEERS["road"]) > 0.1


def test_noise_depends_on_the_image_and_not_on_its_batch() -> None:
    together = road(peers_cases(seeds=range(10, 16)))
    part = {
        name: PEERS[key][4:] for name, key in (("images", "images"), ("maps", "maps"), ("class_indices", "indices"))
    }
    alone = road(peers_cases(**part, seeds=[14, 15]))
    np.testing.assert_allclose(together.values[4:], alone.values, atol=1e-6)
