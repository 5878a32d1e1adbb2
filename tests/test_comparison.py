"""Several methods and layers: one picture, one run of the network."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import whylight
from samples import BUNDLED
from whylight import Classifier
from whylight.compiling.compiler import compile_maps
from whylight.drawing.render import colorize
from whylight.errors import WhylightError
from whylight.options import Question

MNIST = BUNDLED / "mnist"
METHODS = ["gradcam", "gradcam-nnc", "ablation-cam"]
IMAGE = sorted((MNIST / "images").rglob("*.png"))[0]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return whylight.load(MNIST / "results.nnp")


def test_each_map_is_that_of_the_method_alone(classifier: Classifier) -> None:
    layers = [classifier.layers[0].name, classifier.default_layer.name]
    comparison = whylight.compare(
        classifier, IMAGE, 3, methods=["gradcam", "gradcam-nnc", "ablation-cam"], layer=layers
    )
    assert comparison.labels == tuple(layers)
    for layer, row in zip(layers, comparison.rows, strict=True):
        assert [one.method for one in row] == METHODS
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
    comparison = whylight.compare(classifier, IMAGE, "predicted", methods=["gradcam", "gradcam-nnc"])
    picture = np.asarray(comparison.picture())
    smooth = Image.open(IMAGE).convert("RGB").resize((224, 224), Image.Resampling.LANCZOS)
    colors = [Image.fromarray(plane) for plane in colorize(comparison.rows[0][0].cam).transpose(2, 0, 1)]
    heat = np.stack([np.asarray(plane.resize((224, 224), Image.Resampling.BILINEAR)) for plane in colors], -1)
    first = picture[12 : 12 + 224, 12 + 236 : 12 + 236 + 224]
    np.testing.assert_allclose(first, 0.5 * heat + 0.5 * np.asarray(smooth, float), atol=2)
    original = picture[12 : 12 + 224, 12 : 12 + 224]
    np.testing.assert_allclose(original, np.asarray(smooth, float), atol=1)
    assert (picture[12 + 224 : 12 + 224 + 18, 12 + 236 : 12 + 236 + 60] < 100).any(), "the method's name is below"
    wrapped = whylight.compare(classifier, IMAGE, "predicted", methods=["gradcam"] * 7)
    assert wrapped.picture().height > 2 * 224


def test_columns_and_tiles_are_as_asked(classifier: Classifier) -> None:
    comparison = whylight.compare(classifier, IMAGE, 3, methods=["gradcam"] * 6)
    wide = comparison.picture(columns=7, tile=50)
    assert wide.width == 12 + 7 * (50 + 12)
    high = comparison.picture(columns=1, tile=100)
    assert high.width == 100 + 2 * 12
    assert high.height > 7 * 100
    legend = comparison.picture(columns=1, tile=100, legend=True, colormap="magma")
    assert legend.size[1] == high.size[1]
    bar = np.asarray(legend, int)[12 + 2 : 12 + 98, 12 + 100 + 12 + 7]
    expected = colorize(np.linspace(1, 0, 100, dtype=np.float32), "magma")[2:98]
    assert np.abs(bar - expected).max() < 8


def test_a_comparison_is_saved_as_svg_with_its_names_as_text(classifier: Classifier, tmp_path: Path) -> None:
    comparison = whylight.compare(classifier, IMAGE, 3, methods=["gradcam", "ablation-cam"])
    comparison.save(tmp_path / "comparison.svg", [*"abc", "三", "d"], title=True)
    root = ElementTree.fromstring((tmp_path / "comparison.svg").read_bytes())
    texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "三 (3), asked for; predicted: class 9"
    assert texts[-2:] == ["gradcam", "ablation-cam"]
    assert texts[-3].startswith("三 (3), 0.")
    assert len(list(root.iter("{http://www.w3.org/2000/svg}image"))) == 3


def test_what_is_asked_reaches_every_method(classifier: Classifier) -> None:
    question = Question(against=5, counterfactual=True)
    (row,) = whylight.compare(classifier, IMAGE, 3, question, methods=["gradcam", "ablation-cam"]).rows
    for one in row:
        alone = classifier.explainer(one.method, against=5, counterfactual=True)(IMAGE, 3)
        np.testing.assert_allclose(one.cam, alone.cam, atol=1e-5)
        assert one.score == pytest.approx(alone.score, rel=1e-5)


def test_unknown_methods_and_layers_are_named(classifier: Classifier) -> None:
    with pytest.raises(WhylightError, match="no method 'gradcan'"):
        whylight.compare(classifier, IMAGE, 3, methods=["gradcan"])
    with pytest.raises(WhylightError, match="no layer 'nowhere'"):
        whylight.compare(classifier, IMAGE, 3, methods=["gradcam"], layer="nowhere")


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
