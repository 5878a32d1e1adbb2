"""Explaining from Python: kinds of images, batches, probabilities, pictures."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import whylight
from reading.nnp.networks import small_classifier
from samples import BUNDLED, evaluation
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.bands import pixels_of
from whylight.images.inputs import ImageLike
from whylight.options import ClassIndex, Rendering
from whylight.running.explainer import Explainer
from whylight.running.explanation import overlays
from whylight.running.maps import stretched

MNIST = BUNDLED / "mnist"


@pytest.fixture(scope="module")
def mnist() -> Explainer:
    return whylight.load(MNIST / "results.nnp").explainer()


def test_an_explanation_says_what_it_explains(mnist: Explainer) -> None:
    images, labels, outputs = evaluation(MNIST / "output_result.csv")
    for explanation, label, output in zip(mnist(images, labels.tolist()), labels, outputs, strict=True):
        assert explanation.class_index == label
        assert explanation.predicted == output.argmax()
        assert explanation.probability == pytest.approx(output[label], abs=1e-5)
        assert explanation.cam.shape == (8, 8)
        assert explanation.cam.dtype == np.float32
        assert explanation.cam.min() == 0
        assert explanation.cam.max() in (0, 1)
        assert explanation.layer == "@MainRuntime/Convolution_1"


def test_any_kind_of_image_gives_the_same(mnist: Explainer) -> None:
    path = MNIST / "images" / "0000.png"
    image = Image.open(path)
    array = np.asarray(image)
    kinds: list[ImageLike] = [
        str(path),
        path,
        image,
        image.convert("RGB"),
        array,
        array[..., np.newaxis],
        array[np.newaxis],
        array.astype(np.uint16) * 257,
        array / 255,
    ]
    explanations = mnist(kinds, 9)
    for explanation in explanations:
        np.testing.assert_allclose(explanation.cam, explanations[0].cam, atol=1e-4)
        assert explanation.score == pytest.approx(explanations[0].score, rel=1e-5)


def test_a_list_equals_one_by_one(mnist: Explainer) -> None:
    images, _, _ = evaluation(MNIST / "output_result.csv")
    together = mnist(images, "predicted")
    assert len(together) == 36, "more than one batch"
    for image, explanation in zip(images, together, strict=True):
        alone = mnist(image)
        assert alone.class_index == explanation.class_index == alone.predicted
        np.testing.assert_allclose(alone.cam, explanation.cam, atol=1e-4)


@pytest.mark.filterwarnings("ignore:.*everywhere")  # weights are random
@pytest.mark.parametrize(("activation", "classes"), [("Softmax", 3), ("Sigmoid", 3), ("Sigmoid", 1), ("", 3)])
def test_probabilities(tmp_path: Path, activation: str, classes: int) -> None:
    explainer = whylight.load(small_classifier(tmp_path / "m.nnp", classes=classes, activation=activation)).explainer()
    image = np.random.default_rng(0).random((8, 8))
    found = [explainer(image, index) for index in range(explainer.facts.class_count)]
    scores, probabilities = np.array([[e.score, e.probability] for e in found]).T
    sigmoid = 1 / (1 + np.exp(-scores))
    softmax = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(probabilities, sigmoid if activation == "Sigmoid" else softmax, rtol=1e-4)
    assert {explanation.predicted for explanation in found} == {int(probabilities.argmax())}


def test_overlays_of_a_batch(mnist: Explainer) -> None:
    images, _, _ = evaluation(MNIST / "output_result.csv")
    enlarged = Image.open(images[0]).resize((90, 50))
    explanations = mnist([*images[:3], enlarged, np.asarray(enlarged) / 255, images[3]], 1)
    for options in ({}, {"size": "input", "colormap": "viridis", "alpha": 0.25}):
        together = map(pixels_of, overlays(explanations, Rendering(**options)))  # type: ignore[arg-type]
        for explanation, picture in zip(explanations, together, strict=True):
            np.testing.assert_array_equal(picture, np.asarray(explanation.overlay(**options)))  # type: ignore[arg-type]
            small = options or explanation.picture.pixels.shape == (28, 28, 1)
            assert picture.shape == ((28, 28, 3) if small else (50, 90, 3))
    assert list(overlays([])) == []


def test_a_notebook_shows_a_picture(mnist: Explainer) -> None:
    assert mnist(MNIST / "images" / "0000.png", 9)._repr_png_().startswith(b"\x89PNG")


def test_maps_are_stretched_one_by_one() -> None:
    cams = np.array([[[0, 1], [2, 4]], [[3, 3], [3, 3]], [[0, 0], [0, 0]], [[0.3, 0.3], [0.3, 0.3]]], np.float32)
    expected = np.array([[[0, 0.25], [0.5, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]], [[0.3, 0.3], [0.3, 0.3]]])
    np.testing.assert_allclose(stretched(cams), expected)


def test_one_image_is_explained_for_several_classes(mnist: Explainer) -> None:
    image = MNIST / "images" / "0000.png"
    found = mnist(image, [3, "predicted", 5])
    alone = [mnist(image, 3), mnist(image, "predicted"), mnist(image, 5)]
    assert [one.class_index for one in found] == [one.class_index for one in alone]
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one.cam, other.cam, atol=1e-5)
    assert mnist(image, []) == []


@pytest.mark.parametrize(
    ("images", "indices", "message"),
    [
        ([MNIST / "images" / "0000.png"], [1, 2], "1 images and 2 class indices"),
        ([MNIST / "images" / "0000.png"], [10], "class index 10 is out of range: the model has classes 0 to 9"),
        (MNIST / "images" / "0000.png", [1, "nine"], "no class 'nine': the model's classes have no names"),
        ([MNIST / "images" / "none.png"], [1], "none.png"),
    ],
)
def test_what_is_wrong_is_said(mnist: Explainer, images: object, indices: object, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        mnist(images, indices)  # type: ignore[call-overload]


def test_what_is_no_explainer_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "e.onnx").write_bytes(b"junk")
    with pytest.raises(WhylightError, match="not an explainer graph"):
        Explainer(tmp_path / "e.onnx")
    plain = whylight.load(MNIST / "results.nnp").model.SerializeToString()
    with pytest.raises(WhylightError, match="not an explainer graph"):
        Explainer(plain)


def test_a_stream_reads_no_further_than_a_few_batches(mnist: Explainer) -> None:
    images, labels, _ = evaluation(MNIST / "output_result.csv")
    taken = 0

    def rows() -> Iterator[tuple[ImageLike, ClassIndex]]:
        nonlocal taken
        for index in range(10_000):
            taken += 1
            yield images[index % 36], int(labels[index % 36])

    stream = Explainer(mnist.graph, batch_size=16).stream(rows())
    first = [next(stream) for _ in range(40)]
    assert taken < 40 + 4 * 16
    for explanation, expected in zip(first, mnist(images, labels.tolist()), strict=False):
        assert explanation.class_index == expected.class_index
        np.testing.assert_allclose(explanation.cam, expected.cam, atol=1e-4)


def test_a_stream_gives_what_came_before_a_bad_image(mnist: Explainer) -> None:
    good: tuple[ImageLike, ClassIndex] = (MNIST / "images" / "0000.png", "predicted")
    stream = mnist.stream([good] * 20 + [("none.png", 1)] + [good] * 20)
    assert len([next(stream) for _ in range(20)]) == 20
    with pytest.raises(WhylightError, match=r"none\.png"):
        next(stream)


# ---- devices


def offered(monkeypatch: pytest.MonkeyPatch, providers: list[str], failing: str = "") -> list[str]:
    """Let ONNX Runtime say that it has these providers; returns the list of those that are started."""
    started: list[str] = []
    real = onnxruntime.InferenceSession

    class Session:
        """A session on the processor that says that it is on the first provider asked for."""

        def __init__(self, graph: object, options: object, providers: list[str]) -> None:
            started.append(providers[0])
            if providers[0] == failing:
                raise RuntimeError("no driver\nmore")
            self._providers = providers
            self._session = real(graph, options, providers=["CPUExecutionProvider"])

        def get_providers(self) -> list[str]:
            return self._providers

        def __getattr__(self, name: str) -> object:
            return getattr(self._session, name)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    return started


ALL = ["CUDAExecutionProvider", "CPUExecutionProvider"]


def test_the_fastest_installed_device_is_taken(mnist: Explainer, monkeypatch: pytest.MonkeyPatch) -> None:
    started = offered(monkeypatch, ALL)
    assert Explainer(mnist.graph, device="auto").device == "cuda"
    assert Explainer(mnist.graph, device="cuda").device == "cuda"
    assert Explainer(mnist.graph, device="cpu").device == "cpu"
    assert started == [ALL[0], ALL[0], ALL[1]]


@pytest.mark.parametrize(
    ("device", "said"), [("cuda", "no driver"), ("directml", "has no Dml"), ("coreml", "has no Core")]
)
def test_a_device_that_does_not_start_gives_way_to_the_processor(
    mnist: Explainer, monkeypatch: pytest.MonkeyPatch, device: str, said: str
) -> None:
    offered(monkeypatch, ALL, failing=ALL[0])
    with pytest.warns(WhylightWarning, match=f"'{device}'.*{said}.*the processor is used"):
        assert Explainer(mnist.graph, device=device).device == "cpu"


def test_a_device_that_nobody_knows(mnist: Explainer) -> None:
    with pytest.raises(WhylightError, match="no device 'tpu': expected one of auto, cuda"):
        Explainer(mnist.graph, device="tpu")


def linear(tmp_path: Path, weights: Any) -> whylight.Classifier:
    """Scores (N, 2) of gray images (N, 1, 7, 7): the weighted sum of the pixels, added to 100, and 0."""
    columns = np.stack([weights.ravel(), 0 * weights.ravel()], 1).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["scores"])]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 7, 7])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(columns, "w"), numpy_helper.from_array(np.array([100, 0], np.float32), "b")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "m.onnx")
    return whylight.load(tmp_path / "m.onnx", input_range=1)


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (-1, "zero everywhere: all that it looks at speaks against the class, which the option 'counterfactual'"),
        (1e-8, "zero everywhere: there is nothing to see in it"),
        (1, ""),
    ],
)
def test_occlusion_says_why_its_map_shows_nothing(tmp_path: Path, scale: float, said: str) -> None:
    random = np.random.default_rng(0)
    explainer = linear(tmp_path, scale * random.random((7, 7))).explainer("occlusion")
    image = random.random((7, 7, 1), np.float32)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explanation = explainer(image, 0)
    assert explanation.cam.any() == (not said)
    messages = [str(each.message) for each in caught]
    assert [message for message in messages if f"method 'occlusion': the map is {said}" in message] == (
        messages if said else []
    )
    assert len(messages) == bool(said)


def test_a_map_that_is_the_same_everywhere_is_said(tmp_path: Path) -> None:
    explainer = linear(tmp_path, np.ones((7, 7))).explainer("occlusion")
    with pytest.warns(WhylightWarning, match="the same everywhere: it tells no place from another"):
        explainer(np.ones((7, 7, 1), np.float32), 0)
