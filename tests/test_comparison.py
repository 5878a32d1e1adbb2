"""Several methods and layers: one picture, one run of the network."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import whylight
from samples import BUNDLED
from whylight.classifier.classifier import Classifier
from whylight.comparison import compare, comparison_picture
from whylight.compiling.compiler import compile_maps
from whylight.errors import WhylightError
from whylight.options import Question

MNIST = BUNDLED / "mnist"
IMAGE = sorted((MNIST / "images").rglob("*.png"))[0]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return whylight.load(MNIST / "results.nnp")


def test_each_map_is_that_of_the_method_alone(classifier: Classifier) -> None:
    layers = [classifier.layers[0].name, classifier.default_layer.name]
    comparison = compare(classifier, IMAGE, 3, ["gradcam", "gradcam-nnc", "ablation-cam"], layers)
    assert comparison.labels == tuple(layers)
    for layer, row in zip(layers, comparison.rows, strict=True):
        assert [one.method for one in row] == ["gradcam", "gradcam-nnc", "ablation-cam"]
        for one in row:
            alone = classifier.explainer(one.method, layer)(IMAGE, 3)
            assert one.layer == alone.layer
            assert one.class_index == 3
            np.testing.assert_allclose(one.cam, alone.cam, atol=1e-5)


def test_maps_of_one_graph_share_the_forward_pass(classifier: Classifier) -> None:
    wanted = [("gradcam", layer.name) for layer in classifier.layers]
    graph = compile_maps(classifier, wanted)
    operators = [node.name for node in graph.graph.node if not node.name.startswith(("whylight", "gradient"))]
    assert len(operators) == len(classifier.model.graph.node)
    image = np.random.default_rng(0).random((2, 1, 28, 28)).astype(np.float32)
    name = classifier.input.name
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    results = session.run(None, {name: image, "class_index": np.array([3, -1])})
    outputs = dict(zip([info.name for info in session.get_outputs()], results, strict=True))
    for number, (method, layer) in enumerate(wanted):
        alone = classifier.explainer(method, layer).run(image, np.array([3, -1]))[2]
        np.testing.assert_allclose(outputs[f"cam/{number}" if number else "cam"], alone, rtol=1e-4, atol=1e-6)


def test_the_picture_holds_the_image_and_a_labelled_tile_for_each_map(classifier: Classifier) -> None:
    comparison = compare(classifier, IMAGE, "predicted", ["gradcam", "gradcam-nnc"])
    picture = np.asarray(comparison_picture(comparison))
    overlay = comparison.rows[0][0].overlay().resize((224, 224), Image.Resampling.NEAREST)
    first = picture[12 : 12 + 224, 12 + 236 : 12 + 236 + 224]
    np.testing.assert_array_equal(first, np.asarray(overlay))
    assert (picture[12 + 224 : 12 + 224 + 18, 12 + 236 : 12 + 236 + 60] < 100).any(), "the method's name is below"
    wrapped = compare(classifier, IMAGE, "predicted", ["gradcam"] * 7)
    assert comparison_picture(wrapped).height > 2 * 224


def test_what_is_asked_reaches_every_method(classifier: Classifier) -> None:
    question = Question(against=5, counterfactual=True)
    (row,) = compare(classifier, IMAGE, 3, ["gradcam", "ablation-cam"], question=question).rows
    for one in row:
        alone = classifier.explainer(one.method, against=5, counterfactual=True)(IMAGE, 3)
        np.testing.assert_allclose(one.cam, alone.cam, atol=1e-5)
        assert one.score == pytest.approx(alone.score, rel=1e-5)


def test_unknown_methods_and_layers_are_named(classifier: Classifier) -> None:
    with pytest.raises(WhylightError, match="no method 'gradcan'"):
        compare(classifier, IMAGE, 3, ["gradcan"])
    with pytest.raises(WhylightError, match="no layer 'nowhere'"):
        compare(classifier, IMAGE, 3, ["gradcam"], ["nowhere"])


def test_a_method_of_several_passes_shares_no_graph(classifier: Classifier) -> None:
    with pytest.raises(WhylightError, match="'ablation-cam' takes several passes"):
        compile_maps(classifier, [("gradcam", None), ("ablation-cam", None)])


def test_fused_layers_are_the_mean_of_each_stretched(classifier: Classifier, tmp_path: Path) -> None:
    layers = [classifier.layers[0].name, classifier.layers[0].name]
    one = classifier.explainer("gradcam", layers[0])(IMAGE, 3)
    fused = classifier.explainer("gradcam", layers)(IMAGE, 3)
    np.testing.assert_allclose(fused.cam, one.cam, atol=1e-5)
    coarse = classifier.default_layer.name
    both = classifier.explainer("gradcam", [layers[0], coarse])(IMAGE, 3)
    small = classifier.explainer("gradcam", coarse)(IMAGE, 3)
    first, last = (
        np.asarray(Image.fromarray(cam).resize(both.cam.shape[::-1], Image.Resampling.BILINEAR))  # as ONNX's Resize
        for cam in (one.cam, small.cam)
    )
    expected = first + last
    span = expected.max() - expected.min()
    np.testing.assert_allclose(both.cam, (expected - expected.min()) / span, atol=1e-4)
