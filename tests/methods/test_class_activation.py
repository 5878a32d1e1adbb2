"""The maps, against the paper's formula and the Console plugins' stored results."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from methods.peers import Array, assert_same_map, formula_map, initializers, our_maps, peers
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
    layer = whylight.load(model_and_image(path)[0]).last_convolution.name  # which the stored numbers are of
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*goes around", whylight.WhylightWarning)
        found = raw_map(path, reference, layer=layer)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max())


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


PYTORCH_GRAD_CAM = ["gradcam", "gradcam++", "xgradcam", "hirescam", "gradcam-elementwise", "layercam", "shapley-cam"]
TORCHCAM = ["gradcam", "xgradcam", "layercam", "finer-cam"]


@pytest.mark.parametrize("model", ["pooled", "hidden"])
@pytest.mark.parametrize("layer", ["middle", "last"])
@pytest.mark.parametrize("method", PYTORCH_GRAD_CAM)
def test_maps_are_those_of_pytorch_grad_cam(model: str, layer: str, method: str) -> None:
    expected = np.maximum(peers(model)[f"{layer}/pytorch-grad-cam/{method}"], 0)
    assert_same_map(our_maps(model, method, layer), expected)


@pytest.mark.parametrize("model", ["pooled", "hidden"])
@pytest.mark.parametrize("layer", ["middle", "last"])
@pytest.mark.parametrize("method", TORCHCAM)
def test_maps_are_those_of_torchcam(model: str, layer: str, method: str) -> None:
    assert_same_map(our_maps(model, method, layer), np.maximum(peers(model)[f"{layer}/torchcam/{method}"], 0))


@pytest.mark.parametrize("model", ["pooled", "hidden"])
@pytest.mark.parametrize("layer", ["middle", "last"])
def test_gradcam_plus_plus_is_the_papers_formula(model: str, layer: str) -> None:
    activation, gradient = (peers(model)[f"{layer}/{name}"].astype(np.float64) for name in ("activation", "gradient"))
    total = activation.sum((2, 3), keepdims=True)
    alpha = gradient**2 / np.where(gradient == 0, 1, 2 * gradient**2 + total * gradient**3)
    weights = (alpha * np.maximum(gradient, 0)).sum((2, 3))
    expected = np.maximum(np.einsum("nk,nkhw->nhw", weights, activation), 0)
    assert_same_map(our_maps(model, "gradcam++", layer), expected)


def test_the_curvature_is_a_difference_of_gradients() -> None:
    """H A by central differences of the gradient along A, in the part of the network above the layer."""
    stored = peers("hidden")
    activation = stored["last/activation"].astype(np.float64)
    weight = {name: onnx.numpy_helper.to_array(tensor) for name, tensor in initializers("hidden").items()}

    def gradient(features: Array) -> Array:
        pooled = features.reshape(2, 16, 2, 3, 2, 3).mean((3, 5)).reshape(2, 64)
        slope = 1 / (1 + np.exp(-(pooled @ weight["3.weight"].T + weight["3.bias"])))
        through = (weight["5.weight"][stored["classes"]] * slope) @ weight["3.weight"] / 9
        return np.asarray(through.reshape(2, 16, 2, 2).repeat(3, 2).repeat(3, 3))

    np.testing.assert_allclose(gradient(activation), stored["last/gradient"], rtol=1e-3, atol=1e-4)
    along = (gradient(activation * 1.001) - gradient(activation * 0.999)) / 0.002
    weights = (gradient(activation) - along / 2).mean((2, 3))
    expected = np.maximum(np.einsum("nk,nkhw->nhw", weights, activation), 0)
    assert (
        np.abs(expected - np.maximum(np.einsum("nk,nkhw->nhw", gradient(activation).mean((2, 3)), activation), 0)).max()
        > 0.1
    )
    assert_same_map(our_maps("hidden", "shapley-cam", "last"), expected)


def test_finer_cam_compares_with_the_class_that_is_named() -> None:
    stored = peers("pooled")
    weight = onnx.numpy_helper.to_array(initializers("pooled")["3.weight"])
    weights = (weight[stored["classes"]] - 0.6 * weight[5]) / 36
    expected = np.maximum(np.einsum("nk,nkhw->nhw", weights, stored["last/activation"]), 0)
    assert_same_map(our_maps("pooled", "finer-cam", "last", against=5), expected)


def test_finer_cam_of_two_classes_is_a_multiple_of_gradcam() -> None:
    model, images = MODELS["four"]
    explainers = [whylight.load(model).explainer(method) for method in ("gradcam", "finer-cam")]
    image = pixels(images / "0000.png")[np.newaxis].repeat(2, 0)
    plain, finer = (explainer.run(image, np.array([0, 1]))[2] for explainer in explainers)
    np.testing.assert_allclose(finer, 1.6 * plain, rtol=1e-5, atol=1e-7)
    assert plain.max() > 0


@pytest.mark.parametrize(
    "method", [*PYTORCH_GRAD_CAM[:-1], "gradcam-nnc", "eigencam", "eigen-gradcam", "kpca-cam", "fem"]
)
def test_maps_of_one_and_three_axes_are_those_of_two(method: str) -> None:
    """The formulas see places, whatever the number of axes they lie in."""
    rng = np.random.default_rng(3)
    activation, gradient = rng.normal(size=(2, 2, 5, 12)).astype(np.float32)
    activation = np.abs(activation)
    flat, square, deep = (
        formula_map(method, activation.reshape(2, 5, *size), gradient.reshape(2, 5, *size))
        for size in ((12,), (3, 4), (2, 3, 2))
    )
    assert (flat.shape, deep.shape) == ((2, 12), (2, 2, 3, 2))
    assert square.max() > 0
    np.testing.assert_allclose(flat.reshape(square.shape), square, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(deep.reshape(square.shape), square, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["xgradcam", "gradcam++", "eigencam", "eigen-gradcam", "kpca-cam", "fem"])
def test_a_layer_that_is_silent_has_a_map_of_zeros(method: str) -> None:
    zeros = np.zeros((1, 4, 3, 3), np.float32)
    np.testing.assert_array_equal(formula_map(method, zeros, zeros), zeros[:, 0])
