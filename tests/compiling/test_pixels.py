"""A compiled file that takes pixels: the same as images that are prepared outside of it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import whylight
from onnx_samples import HEIGHT, WIDTH, cnn
from samples import BUNDLED

DOCS = Path(__file__).parents[2] / "docs"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(HEIGHT, WIDTH), (4, 5), (60, 45), (31, 200)]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(cnn(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def photograph(height: int, width: int) -> Image.Image:
    random = np.random.default_rng(height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8))


def run(graph: bytes, pixels: np.ndarray[Any, Any], class_index: int = 1) -> list[Any]:
    session = onnxruntime.InferenceSession(graph)
    return list(session.run(None, {"pixels": pixels, "class_index": np.full(len(pixels), class_index)}))


def by_hand(picture: Image.Image, maximum: float = 1, bgr: bool = False) -> np.ndarray[Any, Any]:
    """(1, 3, H, W): Pillow's resizing, torchvision's normalization."""
    resized = picture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    values: np.ndarray[Any, Any] = np.asarray(resized, np.float32)[..., :: -1 if bgr else 1] * (maximum / 255)
    values = (values - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.asarray(values.transpose(2, 0, 1)[np.newaxis])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("maximum", [1, 255])
def test_pixels_are_prepared_as_pillow_and_the_formula_do(model: Path, size: tuple[int, int], maximum: int) -> None:
    graph = whylight.compile(model, pixels=True, input_range=maximum, mean=MEAN, std=STD)
    shape = [1, 3, HEIGHT, WIDTH]
    graph.graph.output.append(onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    picture = photograph(*size)
    *_, found = run(graph.SerializeToString(), np.asarray(picture)[np.newaxis])
    step = maximum / 255 / min(STD)  # what Pillow rounds up may be rounded down
    np.testing.assert_allclose(found, by_hand(picture, maximum), atol=1e-4 if size == (HEIGHT, WIDTH) else 1.001 * step)


def test_blue_comes_first_where_the_model_wants_it(model: Path) -> None:
    named = onnx.load(model)
    onnx.helper.set_model_props(
        named, {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
    )
    onnx.save(named, model)
    graph = whylight.compile(model, pixels=True, mean=MEAN, std=STD)
    shape = [1, 3, HEIGHT, WIDTH]
    graph.graph.output.append(onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, shape))
    picture = photograph(HEIGHT, WIDTH)
    *_, found = run(graph.SerializeToString(), np.asarray(picture)[np.newaxis])
    np.testing.assert_allclose(found, by_hand(picture, 255, bgr=True), atol=1e-3)


def test_gray_is_made_as_bt_601_says() -> None:
    classifier = whylight.load(BUNDLED / "mnist" / "results.nnp")
    graph = classifier.explainer().content()
    name, (height, width) = classifier.input.name, classifier.input.size
    pixels = np.asarray(photograph(height, width))
    gray = (pixels @ np.array([0.299, 0.587, 0.114])).round() * (classifier.input.maximum / 255)
    feeds = {name: gray.reshape(1, 1, height, width).astype(np.float32), "class_index": np.array([1])}
    expected = onnxruntime.InferenceSession(graph).run(None, feeds)
    found = run(whylight.compile(classifier, pixels=True).SerializeToString(), pixels[np.newaxis])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def test_several_pictures_of_one_size_go_in_together(model: Path) -> None:
    graph = whylight.compile(model, pixels=True, input_range=1).SerializeToString()
    pixels = np.stack(
        [np.asarray(photograph(20, 30)), np.asarray(photograph(20, 30).transpose(Image.Transpose.ROTATE_180))]
    )
    together = run(graph, pixels)
    for number in range(2):
        for one, both in zip(run(graph, pixels[[number]]), together, strict=True):
            np.testing.assert_allclose(both[[number]], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_explainer_runs_it_and_gives_the_same(model: Path, size: tuple[int, int]) -> None:
    known: dict[str, Any] = {"input_range": 1, "mean": MEAN, "std": STD, "layer": "conv"}
    graph = whylight.compile(model, pixels=True, **known).SerializeToString()
    plain = whylight.explainer(model, **known)(photograph(*size), 2)
    found = whylight.Explainer(graph)(photograph(*size), 2)
    assert found.score == pytest.approx(plain.score, rel=1e-5)
    np.testing.assert_allclose(found.cam, plain.cam, atol=1e-5)
    assert found.overlay().size == plain.overlay().size


def test_what_takes_several_passes_is_refused(model: Path) -> None:
    with pytest.raises(whylight.WhylightError, match="method 'rise' takes several passes"):
        whylight.compile(model, "rise", pixels=True, input_range=1)
    with pytest.raises(whylight.WhylightError, match="a smoothed map takes several passes"):
        whylight.compile(model, pixels=True, input_range=1, smooth=True)


def test_the_example_of_the_docs_runs(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = whylight.compile(model, pixels=True, input_range=1)
    onnx.save(graph, "explainer.onnx")
    photograph(40, 30).save("image.png")
    section = (DOCS / "explainer.md").read_text("utf-8").split("## Pixels in")[1]
    exec(section.split("```python")[1].split("```")[0], {})  # the lines of the document
    found = np.asarray(Image.open("map.png"))
    assert found.shape == (40, 30)
    assert (found.min(), found.max()) == (0, 255)
