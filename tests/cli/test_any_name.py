"""Names of any characters and bytes: they work where they are files, and are printed escaped, on one line."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from reading.nnp.networks import small_classifier
from whylight.cli import main

NAMES = {
    "line separator": "a\u2028b",
    "next line": "a\u0085b",
    "line end": "a\nb",
    "carriage return": "a\rb",
    "escape sequence": "a\x1b[31mb",
    "no UTF-8": os.fsdecode(b"a\xff\xfeb"),
    "quotes": "a\"'<b>&b",
    "blanks": "a  b\u3000c",
}


@pytest.fixture(params=list(NAMES.values()), ids=list(NAMES))
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name of what lies in the current folder: an image, a model, a folder of images."""
    if os.name == "nt" or sys.platform == "darwin":
        pytest.skip("names are text there, without line ends")
    found: str = request.param
    small_classifier(tmp_path / "results.nnp")
    shutil.copy(tmp_path / "results.nnp", tmp_path / f"{found}.nnp")
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)
    (tmp_path / f"{found} images").mkdir()
    for path in (
        tmp_path / f"{found}.png",
        tmp_path / f"{found} images" / "0.png",
        tmp_path / f"{found} images" / f"{found}.png",
    ):
        Image.fromarray(pixels).save(path)
    monkeypatch.chdir(tmp_path)
    return found


def can_be_printed(text: str) -> bool:
    return text.replace("\n", "").replace("\u3000", "").isprintable()


def test_one_image(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam", "-m", f"{name}.nnp", f"{name}.png", "-o", f"{name}.out.png"]) == 0
    assert Path(f"{name}.out.png").is_file()
    lines = capsys.readouterr().out.split("\n")
    assert all(map(can_be_printed, lines)), lines
    (of_overlay,) = (line for line in lines if line.startswith("overlay"))
    assert of_overlay.endswith(".out.png")


def test_a_dataset_and_its_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam-batch", "-i", f"{name} images", "-o", f"{name}.csv"]) == 0
    rows = list(whylight.open_dataset(f"{name}.csv").rows())
    overlays = [whylight.open_dataset(f"{name}.csv").image_path(row, (0,)) for row in rows]
    assert [overlay.is_file() for overlay in overlays] == [True, True]
    assert main(["report", f"{name}.csv", "-o", f"{name}.html"]) == 0
    assert Path(f"{name}.html").is_file()
    assert len(list(Path(f"{name}_files").rglob("*.webp"))) == 4, "thumbnails of all images and overlays"
    said = capsys.readouterr()
    assert can_be_printed(said.out + said.err), said


def test_what_is_not_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["gradcam", f"{name}0.png"],
        ["gradcam", "-m", f"{name}0.nnp", f"{name}.png"],
        ["gradcam-batch", "-i", f"{name}0.csv"],
        ["report", f"{name}0.csv"],
        ["inspect", f"{name}0.onnx"],
        ["compile", f"{name}0.nnp"],
    ):
        assert main([*words, "-q"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert can_be_printed(said), said


def test_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam", f"{name}.png", "-o", f"{name}.out.png", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out)["output"] == f"{name}.out.png"
