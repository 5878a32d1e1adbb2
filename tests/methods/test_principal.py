"""Principal components, against LAPACK and the peers; FEM, against the paper's formula."""

import numpy as np
import pytest

from describing import describe
from methods.peers import Array, assert_same_map, classifier, formula_map, our_maps, peers
from whylight.classifier.layer import Layer
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder


def first_component(maps: Array) -> Array:
    """The projection of one image's places (C, h, w) on their first principal component, of any sign."""
    places = maps.reshape(len(maps), -1).T.astype(np.float64)
    places = places - places.mean(0)
    return np.asarray((places @ np.linalg.svd(places)[2][0]).reshape(maps.shape[1:]))


@pytest.mark.parametrize("model", ["pooled", "hidden"])
@pytest.mark.parametrize("layer", ["middle", "last"])
@pytest.mark.parametrize("method", ["eigencam", "eigen-gradcam", "kpca-cam"])
def test_maps_are_those_of_pytorch_grad_cam_but_for_the_sign(model: str, layer: str, method: str) -> None:
    stored = peers(model)[f"{layer}/pytorch-grad-cam/{method}"]
    for found, expected in zip(our_maps(model, method, layer), stored, strict=True):
        signs = [np.abs(found - np.maximum(sign * expected, 0)).max() for sign in (1, -1)]
        assert min(signs) < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("shape", [(5, 4, 9), (40, 4, 5)], ids=["more places", "more channels"])
def test_eigencam_is_the_first_component_with_its_largest_value_positive(shape: tuple[int, ...]) -> None:
    activation = np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)
    expected = np.stack([first_component(one) for one in activation])
    expected *= np.sign(expected.max((1, 2)) + expected.min((1, 2)))[:, np.newaxis, np.newaxis]
    assert_same_map(formula_map("eigencam", activation, activation), np.maximum(expected, 0))


def test_eigen_gradcam_points_to_what_speaks_for_the_class() -> None:
    rng = np.random.default_rng(2)
    activation, gradient = np.abs(rng.normal(size=(2, 1, 6, 4, 4))).astype(np.float32)
    product = activation * gradient
    component = first_component(product[0])
    component *= np.sign((component * product[0].sum(0)).sum())
    assert_same_map(formula_map("eigen-gradcam", activation, gradient), np.maximum(component, 0)[np.newaxis])
    opposite = formula_map("eigen-gradcam", activation, -gradient)
    assert_same_map(opposite, np.maximum(-component, 0)[np.newaxis])


def test_close_eigenvalues_are_told_apart() -> None:
    """Two components, the second with 99.9 % of the first one's variance."""
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(36, 3)) - 1 / 6)[0]
    basis -= basis.mean(0)
    left = np.linalg.qr(basis)[0][:, :2]
    right = np.linalg.qr(rng.normal(size=(8, 2)))[0]
    maps = (left * [1, np.sqrt(0.999)]) @ right.T
    activation = maps.T.reshape(1, 8, 6, 6).astype(np.float32)
    expected = left[:, 0].reshape(6, 6) * np.sign(left[:, 0].max() + left[:, 0].min())
    assert_same_map(formula_map("eigencam", activation, activation), np.maximum(expected, 0)[np.newaxis])


@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_fem_is_the_papers_formula_for_rectified_features(shift: float) -> None:
    """Of a layer before its ReLU too, most of whose values are negative: no place counts against itself."""
    activation = (np.random.default_rng(4).normal(size=(2, 7, 6, 6)) + shift).astype(np.float32)
    rectified = np.maximum(activation, 0)
    mean, spread = rectified.mean((2, 3), keepdims=True), rectified.std((2, 3), keepdims=True)
    expected = (mean * (rectified >= mean + 2 * spread)).sum(1)
    assert (expected > 0).any((1, 2)).all()
    assert_same_map(formula_map("fem", activation, activation), expected)


def test_a_layer_with_too_many_places_is_refused_by_kpca_cam() -> None:
    op = GraphBuilder()
    features = op.Relu(op.input("image", ("N", 3, 80, 60)))
    pooled = op.Flatten(op.GlobalAveragePool(features))
    layer = Layer("early", "Relu", features.name)
    described = describe(classifier("pooled").path, op.model([pooled], "wide"), [layer], "image", 1)
    with pytest.raises(WhylightError, match=r"kpca-cam.*4800.*4096 at most"):
        described.explainer("kpca-cam", "early")
