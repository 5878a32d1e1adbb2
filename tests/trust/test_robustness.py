"""Infidelity and sensitivity against captum; and where the truth is known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trust.linear import PEERS, patch_model, peers_cases
from whylight.trust.cases import Cases
from whylight.trust.robustness import infidelity, sensitivity


def energy(images: NDArray[Any], _: NDArray[Any]) -> NDArray[Any]:
    """The map that sensitivity was measured with."""
    squares = (images**2).sum(1)
    low, high = squares.min((1, 2), keepdims=True), squares.max((1, 2), keepdims=True)
    return np.asarray((squares - low) / (high - low), np.float32)


def test_infidelity_is_captums() -> None:
    np.testing.assert_allclose(infidelity(peers_cases()), PEERS["infidelity"], rtol=1e-3, atol=1e-8)


def test_sensitivity_is_captums() -> None:
    cases = peers_cases(maps=PEERS["sensitivity_maps"], explain=energy)
    np.testing.assert_allclose(sensitivity(cases), PEERS["sensitivity"], rtol=1e-3)


def test_infidelity_is_zero_for_the_gradient_of_a_linear_score() -> None:
    images = np.random.default_rng(0).random((3, 2, 16, 16), np.float32)
    patch = (slice(4, 12), slice(0, 8))
    maps = np.zeros((3, 16, 16), np.float32)
    maps[:, *patch] = 1
    cases = Cases(images, maps, np.ones(3, np.int64), patch_model(*patch))
    np.testing.assert_allclose(infidelity(cases), 0, atol=1e-9)
    other = Cases(images, 1 - maps, np.ones(3, np.int64), patch_model(*patch))
    assert (infidelity(other) > 1e-4).all()


def test_a_map_that_never_changes_is_not_sensitive() -> None:
    cases = peers_cases(explain=lambda images, _: PEERS["maps"])
    np.testing.assert_array_equal(sensitivity(cases), 0)
