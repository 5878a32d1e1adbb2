"""The example for ONNX Runtime Web: in Node it gives what whylight gives, for every method of one pass."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whylight
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
const rgba = PNG.sync.read(await readFile({image})).data;
const found = {{}};
for (const [method, file] of Object.entries({files}))
  found[method] = await explain(await open(await readFile(file)), rgba, 7, {maximum});
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
    maximum = explainer.facts.input.maximum
    found = run(EXAMPLE / "node.mjs", tmp_path / "explainer.onnx", image, "7", str(maximum))
    expected = explainer(image, 7)
    assert found["score"] == pytest.approx(expected.score, rel=1e-4)
    np.testing.assert_allclose(cam(found), expected.cam, atol=1e-3)


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
        "maximum": classifier.input.maximum,
    }
    script.write_text(_SEVERAL.format(**{name: json.dumps(value) for name, value in names.items()}))
    found = run(script)
    for name, explainer in explainers.items():
        np.testing.assert_allclose(cam(found[name]), explainer(image, 7).cam, atol=1e-3, err_msg=name)
