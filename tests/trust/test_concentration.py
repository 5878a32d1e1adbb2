"""Sparsity, coherency, complexity and ADCC against numpy's correlation and by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trust.linear import peers_cases
from whylight.trust.concentration import adcc, coherency, complexity, sparsity


def test_sparsity_of_a_point_a_half_and_a_flat_map() -> None:
    maps = np.zeros((3, 4, 5), np.float32)
    maps[0, 1, 1] = 0.8
    maps[1, :, :] = 0.5
    maps[1, :2] = 1
    cases = replace(peers_cases(), images=np.zeros((3, 3, 4, 5), np.float32), maps=maps)
    np.testing.assert_allclose(sparsity(cases), [20, 1 / 0.75, 1])


def test_adcc_is_the_harmonic_mean_of_its_terms() -> None:
    def explain(images: NDArray[Any], class_indices: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(images.mean(1) + class_indices[:, np.newaxis, np.newaxis])

    cases = peers_cases(explain=explain)
    masked = cases.images * cases.maps[:, np.newaxis]
    again = explain(masked, cases.class_indices)
    for i in range(len(cases)):
        r = np.corrcoef(cases.maps[i].ravel(), again[i].ravel())[0, 1]
        assert coherency(cases)[i] == pytest.approx((1 + r) / 2, abs=1e-6)
        assert complexity(cases)[i] == pytest.approx(np.abs(cases.maps[i]).sum() / 144, abs=1e-6)
        before, after = (cases.probabilities(x[i : i + 1])[0, cases.class_indices[i]] for x in (cases.images, masked))
        terms = [(1 + r) / 2, 1 - cases.maps[i].mean(), 1 - max(0, before - after) / before]
        assert adcc(cases)[i] == pytest.approx(3 / sum(1 / term for term in terms), abs=1e-5)


def test_a_map_of_zeros_has_no_coherency() -> None:
    cases = peers_cases(maps=np.zeros((6, 12, 12), np.float32), explain=lambda images, _: images.mean(1))
    np.testing.assert_array_equal(coherency(cases), 0)
    np.testing.assert_array_equal(adcc(cases), 0)
