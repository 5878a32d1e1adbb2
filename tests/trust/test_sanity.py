"""Sanity checks of methods that are known to be sound, and of some that are not."""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import whylight
from samples import BUNDLED, evaluation, pixels
from whylight import load
from whylight.classifier.classifier import Classifier
from whylight.running.explainer import Explainer
from whylight.trust.cases import FloatArray
from whylight.trust.sanity import SanityReport, check_sanity, noise_images, stage_count
from whylight.trust.similarity import edges

FOLDER = BUNDLED / "cluttered_digits"


class Pretender:
    """Runs the model, and makes its maps of the images alone."""

    batch_size = 16

    def __init__(self, classifier: Classifier, maps: Any) -> None:
        self._explainer = whylight.explainer(classifier)
        self._maps = maps

    def probabilities(self, images: FloatArray) -> FloatArray:
        """Those of the model."""
        return self._explainer.probabilities(images)

    def run(self, images: FloatArray, indices: NDArray[np.int64]) -> tuple[Any, Any, FloatArray]:
        """Maps of another origin."""
        return None, None, np.asarray(self._maps(images), np.float32)


def report_on(maps: Any) -> SanityReport:
    classifier = load(BUNDLED / "mnist" / "results.nnp")
    return check_sanity(classifier, "pretender", lambda one: cast(Explainer, Pretender(one, maps)))


@pytest.mark.parametrize("images", ["noise", "samples"])
def test_gradcam_passes(images: str) -> None:
    classifier = load(FOLDER / "results.nnp")
    files, _, _ = evaluation(FOLDER / "output_result.csv")
    chosen = None if images == "noise" else np.stack([pixels(file) for file in files[:8]])
    done: list[int] = []
    report = check_sanity(classifier, "gradcam", lambda one: whylight.explainer(one), chosen, done.append)
    assert report.passes
    assert "gradcam: passes" in report.verdict
    assert report.of("unchanged")[0].absolute.mean == pytest.approx(1)
    assert report.of("unchanged")[0].similarity.mean == pytest.approx(1)
    assert len(report.of("cascading")) == len(report.of("independent")) == 5
    assert sum(done) == stage_count(classifier) == 10
    # the first stage of both is the same: the layer of the class scores
    assert report.of("cascading")[0].signed == report.of("independent")[0].signed
    assert "Affine" in report.of("cascading")[0].layer


def test_an_edge_detector_fails_twice() -> None:
    report = report_on(edges)
    assert not report.passes
    assert "hardly depend" in report.verdict
    assert "edges" in report.verdict.partition("(")[0]
    assert report.edges.mean == pytest.approx(1)


def test_a_map_that_does_not_know_the_model_fails() -> None:
    fixed = np.random.default_rng(0).random((7, 7))
    report = report_on(lambda images: np.repeat(fixed[np.newaxis], len(images), 0))
    assert not report.passes
    assert "hardly depend" in report.verdict
    assert report.edges.mean < 0.2


def test_maps_that_do_not_repeat_fail() -> None:
    generator = np.random.default_rng(0)
    report = report_on(lambda images: generator.random((len(images), 7, 7)))
    assert not report.passes
    assert "do not repeat" in report.verdict


def test_maps_that_are_flat_fail() -> None:
    report = report_on(lambda images: np.zeros((len(images), 7, 7)))
    assert not report.passes
    assert "same everywhere" in report.verdict


def test_noise_fills_the_models_range() -> None:
    facts = load(FOLDER / "results.nnp").input
    noise = noise_images(facts, 4)
    assert noise.shape == (4, 3, 64, 64)
    assert noise.min() == 0
    assert noise.max() == facts.maximum
    np.testing.assert_array_equal(noise, noise_images(facts, 4))
