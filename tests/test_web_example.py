"""The example for ONNX Runtime Web: in Node it gives what whylight gives, for every method of one pass."""

import json
import shutil
import subprocess
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
from whylight.methods import methods

EXAMPLE = Path(__file__).parents[1] / "examples" / "web"
SAMPLE = BUNDLED / "cluttered_digits"

pytestmark = [
    pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed"),
    pytest.mark.skipif(not (EXAMPLE / "node_modules").is_dir(), reason="npm ci --prefix examples/web was not run"),
]

_SEVERAL = """
import {{ readFile }} from "node:fs/promises";
import {{ PNG }} from {pngjs};
import {{ explain, open }} from {explain};
const image = PNG.sync.read(await readFile({image}));
const found = {{}};
for (const [method, file] of Object.entries({files}))
  found[method] = await explain(await open(await readFile(file)), image, 7);
console.log(JSON.stringify(found));
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image of the model's size, with an alpha channel, as a canvas has it."""
    path = tmp_path / "image.png"
    with Image.open(next(iter(sorted((SAMPLE / "images").rglob("*.png"))))) as picture:
        picture.convert("RGBA").save(path)
    return path


def run(*arguments: str | Path) -> Any:
    return json.loads(subprocess.run(["node", *arguments], check=True, capture_output=True, text=True).stdout)


def cam(found: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.array(found["map"]["values"]).reshape(found["map"]["rows"], found["map"]["columns"])


def test_the_program_explains_an_image(tmp_path: Path, image: Path) -> None:
    explainer = whylight.load(SAMPLE / "results.nnp").explainer()
    (tmp_path / "explainer.onnx").write_bytes(explainer.content())
    found = run(EXAMPLE / "node.mjs", tmp_path / "explainer.onnx", image, "7")
    expected = explainer(image, 7)
    assert found["score"] == pytest.approx(expected.score, rel=1e-4)
    np.testing.assert_allclose(cam(found), expected.cam, atol=1e-3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["Rgb8", "Bgr8"])
def test_pixels_are_normalized_as_the_file_says(tmp_path: Path, layout: str, order: str) -> None:
    model = cnn(layout=layout)
    onnx.helper.set_model_props(model, {"Image.BitmapPixelFormat": order, "Image.NominalPixelRange": "Normalized_0_1"})
    onnx.save(model, tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "image.png")
    known: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    explainer = whylight.load(tmp_path / "model.onnx", **known).explainer()
    (tmp_path / "explainer.onnx").write_bytes(explainer.content())
    found = run(EXAMPLE / "node.mjs", tmp_path / "explainer.onnx", tmp_path / "image.png", "2")
    expected = explainer(tmp_path / "image.png", 2)
    assert found["output"][2] == pytest.approx(expected.probability, rel=1e-4)
    assert found["score"] == pytest.approx(expected.score, rel=1e-4)
    np.testing.assert_allclose(cam(found), expected.cam, atol=1e-3)


def test_a_file_that_takes_pixels_takes_pictures_of_any_size(tmp_path: Path) -> None:
    onnx.save(cnn(), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 37, 3), np.uint8)
    Image.fromarray(pixels).convert("RGBA").save(tmp_path / "image.png")
    known: dict[str, Any] = {"input_range": 1, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    graph = whylight.compile(tmp_path / "model.onnx", pixels=True, **known).SerializeToString()
    (tmp_path / "explainer.onnx").write_bytes(graph)
    found = run(EXAMPLE / "node.mjs", tmp_path / "explainer.onnx", tmp_path / "image.png", "2")
    session = onnxruntime.InferenceSession(graph)
    output, score, *_ = session.run(None, {"pixels": pixels[np.newaxis], "class_index": np.array([2])})
    np.testing.assert_allclose(found["output"], output[0], rtol=1e-4)
    assert found["score"] == pytest.approx(float(score[0]), rel=1e-4)


def test_every_method_of_one_pass_runs_in_onnx_runtime_web(tmp_path: Path, image: Path) -> None:
    classifier = whylight.load(SAMPLE / "results.nnp")
    explainers = {}
    for name, method in methods().items():
        if method.driver is None:
            try:
                explainers[name] = classifier.explainer(name)
            except whylight.WhylightError:
                continue  # a method for another architecture
            (tmp_path / f"{name}.onnx").write_bytes(explainers[name].content())
    assert "gradcam" in explainers
    script = tmp_path / "several.mjs"
    names = {
        "pngjs": (EXAMPLE / "node_modules" / "pngjs" / "lib" / "png.js").as_uri(),
        "explain": (EXAMPLE / "explain.mjs").as_uri(),
        "image": str(image),
        "files": {name: str(tmp_path / f"{name}.onnx") for name in explainers},
    }
    script.write_text(_SEVERAL.format(**{name: json.dumps(value) for name, value in names.items()}))
    found = run(script)
    for name, explainer in explainers.items():
        np.testing.assert_allclose(cam(found[name]), explainer(image, 7).cam, atol=1e-3, err_msg=name)
