"""The maps, against the paper's formula and the Console plugins' stored results."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whylight
from samples import BUNDLED, DATA, SHARED, pixels

Reference = dict[str, np.ndarray[Any, Any]]

MODELS = {
    "mnist": (BUNDLED / "mnist" / "results.nnp", BUNDLED / "mnist" / "images"),
    "four": (DATA / "four_or_nine" / "results.nnp", DATA / "four_or_nine"),
    "arch": (DATA / "archs", DATA),
    "lite0": (SHARED / "samples" / "imagenet" / "results.nnp", SHARED / "samples" / "imagenet" / "images"),
}
REFERENCES = sorted((DATA / "reference").glob("*.npz")) + sorted((SHARED / "reference").glob("lite0_*.npz"))


def model_and_image(path: Path) -> tuple[Path, Path]:
    """The model and the image that a stored result was made with."""
    kind, *middle, _ = path.stem.split("_")
    model, images = MODELS[kind]
    if kind == "arch":
        return model / f"{middle[0]}.nnp", images / "chelsea.png"
    return model, images / f"{middle[-1]}.png"


def paper(activation: np.ndarray[Any, Any], gradient: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Selvaraju et al. 2017, equations 1 and 2, for one image (C, h, w)."""
    weights = gradient.mean((1, 2))
    return np.asarray(np.maximum(np.einsum("k,khw->hw", weights, activation), 0))


def raw_map(path: Path, reference: Reference, **options: Any) -> np.ndarray[Any, Any]:
    model, image = model_and_image(path)
    explainer = whylight.load(model).explainer(**options)
    size = (explainer.facts.input.width, explainer.facts.input.height)
    # a model with one output explains it as class 1; the stored results call it by the output's index, 0
    index = 1 if explainer.facts.is_two_class else int(reference["class_index"])
    _, scores, cams = explainer.run(pixels(image, size)[np.newaxis], np.array([index]))
    column = reference["score" if explainer.facts.score == "logit" else "output"][0, int(reference["class_index"])]
    np.testing.assert_allclose(scores[0], column, rtol=1e-3, atol=1e-4)
    return np.asarray(cams[0])


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_gradcam_is_the_papers_formula(path: Path) -> None:
    with np.load(path) as file:
        reference = dict(file)
    expected = paper(reference["conv_output"][0], reference["conv_grad_score"][0])
    np.testing.assert_allclose(raw_map(path, reference), expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_gradcam_nnc_is_the_plugins(path: Path) -> None:
    with np.load(path) as file:
        reference = dict(file)
    model, image = model_and_image(path)
    explainer = whylight.load(model).explainer("gradcam-nnc", score="output")
    explanation = explainer(image, int(reference["class_index"]))
    np.testing.assert_allclose(explanation.cam, reference["cam_nnc"], atol=1e-4)
    expected = np.asarray(Image.open(path.with_suffix(".png")).convert("RGB"), int)
    assert np.abs(np.asarray(explanation.overlay(size="input"), int) - expected).max() <= 1


def test_gradcam_nnc_explains_a_single_output_whatever_the_class() -> None:
    model, images = MODELS["four"]
    explainer = whylight.load(model).explainer("gradcam-nnc", score="output")
    zero, one = explainer([images / "0000.png"] * 2, [0, 1])
    np.testing.assert_array_equal(zero.cam, one.cam)


def test_gradcam_explains_class_zero_of_a_single_output_by_the_negated_score() -> None:
    path = DATA / "reference" / "four_or_nine_0001_0.npz"
    with np.load(path) as file:
        reference = dict(file)
    model, image = model_and_image(path)
    explainer = whylight.load(model).explainer()
    _, scores, cams = explainer.run(pixels(image)[np.newaxis], np.array([0]))
    expected = paper(reference["conv_output"][0], -reference["conv_grad_score"][0])
    np.testing.assert_allclose(cams[0], expected, atol=1e-4 * expected.max())
    np.testing.assert_allclose(scores[0], -reference["score"][0, 0], rtol=1e-4)
