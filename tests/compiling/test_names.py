"""Models whose tensors have the names of an explainer's own: they compile, run, and are told apart by the facts."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import whylight
from onnx_samples import HEIGHT, WIDTH, cnn, expected_cam
from whylight.contract import ExplainerFacts
from whylight.graph.walks import renamed_tensors
from whylight.running.explainer import Explainer

NAMES = (
    *("score", "cam", "cam/1", "class_index", "altered", "altered_class_index", "altered_score", "beside"),
    *("beside/0", "beside/0/in", "pixels", "whylight/Mul", "whylight/constant", "whylight/Relu"),
)
IMAGE = np.random.default_rng(0).random((3, HEIGHT, WIDTH), np.float32)


def renamed(tensor: str, name: str) -> onnx.ModelProto:
    return renamed_tensors(cnn(), {tensor: name, name: f"{name}/other"})


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("tensor", ["image", "rectified", "probabilities"])
@pytest.mark.parametrize("name", NAMES)
def test_any_tensor_may_have_any_name(tmp_path: Path, name: str, tensor: str) -> None:
    explainer = whylight.explainer(saved(renamed(tensor, name), tmp_path), layer="conv", input_range=1, cache=False)
    found = explainer(IMAGE, 2)
    np.testing.assert_allclose(found.cam, expected_cam(IMAGE, 2), atol=1e-5)


@pytest.mark.parametrize("name", ["score", "altered", "beside/0/in", "class_index"])
@pytest.mark.parametrize("method", ["scorecam", "ablation-cam"])
def test_methods_of_several_passes_find_the_names(tmp_path: Path, method: str, name: str) -> None:
    plain = whylight.explainer(saved(cnn(), tmp_path), method, input_range=1, cache=False)(IMAGE, 2)
    found = whylight.explainer(saved(renamed("image", name), tmp_path), method, input_range=1, cache=False)(IMAGE, 2)
    np.testing.assert_allclose(found.cam, plain.cam, atol=1e-5)


@pytest.mark.parametrize("name", ["cam/1", "score", "cam"])
def test_several_methods_share_a_graph(tmp_path: Path, name: str) -> None:
    path = saved(renamed("image", name), tmp_path)
    graph = whylight.compile(path, [("gradcam", "conv"), ("layercam", "act"), ("gradient", None)], input_range=1)
    explainer = Explainer(graph.SerializeToString())
    (first,) = explainer.explain_all([explainer.picture(IMAGE)], [2])
    assert [one.method for one in first] == ["gradcam", "layercam", "gradient"]
    np.testing.assert_allclose(first[0].cam, expected_cam(IMAGE, 2), atol=1e-5)


@pytest.mark.parametrize("name", ["pixels", "score", "cam", "class_index", "pixels/0", "whylight/Cast"])
def test_a_file_that_takes_pixels_says_its_names(tmp_path: Path, name: str) -> None:
    graph = whylight.compile(saved(renamed("image", name), tmp_path), pixels=True, layer="conv", input_range=1)
    facts = ExplainerFacts.of(graph.SerializeToString())
    assert facts.input.name == "pixels"
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    pixels = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3)).astype(np.uint8)
    output, cam = session.run([facts.output, "cam"], {"pixels": pixels, "class_index": np.array([2])})
    explained = Explainer(graph.SerializeToString())(Image.fromarray(pixels[0]), 2)
    expected = expected_cam(pixels[0].transpose(2, 0, 1) / np.float32(255), 2)
    np.testing.assert_allclose(explained.cam, expected, atol=1e-4)
    np.testing.assert_allclose((cam[0] - cam.min()) / np.ptp(cam), expected, atol=1e-4)
    assert explained.probability == pytest.approx(output[0, 2])


def test_the_name_that_is_given_instead_may_be_taken_too(tmp_path: Path) -> None:
    model = renamed_tensors(cnn(), {"image": "score", "maps": "model/score", "kernel": "model/model/score"})
    found = whylight.explainer(saved(model, tmp_path), layer="conv", input_range=1, cache=False)(IMAGE, 2)
    np.testing.assert_allclose(found.cam, expected_cam(IMAGE, 2), atol=1e-5)
