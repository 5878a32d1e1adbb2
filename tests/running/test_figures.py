"""Figures: an overlay says which class it explains, how probable it is, and by what; its colors have a scale."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from onnx_samples import small_cnn
from samples import BUNDLED
from whylight.cli import main
from whylight.drawing.render import colorize
from whylight.options import ClassIndex
from whylight.running.captions import caption
from whylight.running.explanation import Explanation

MNIST = BUNDLED / "mnist"
IMAGE = MNIST / "images" / "0003.png"  # a three
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def three() -> Explanation:
    return whylight.explainer(MNIST / "results.nnp")(IMAGE, 3)


def texts(path: Path) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(path.read_bytes()).iter(f"{SVG}text")]


def test_a_title_says_class_probability_method_layer_and_model(three: Explanation, tmp_path: Path) -> None:
    three.save(tmp_path / "figure.svg", title=True)
    assert texts(tmp_path / "figure.svg") == [
        "class 3, asked for and predicted",
        f"probability {100 * three.probability:.1f}%, score {three.score:.4g} (logit)",
        f"gradcam, layer {three.layer}, results.nnp",
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (3, "class 3, asked for and predicted"),
        ("predicted", "class 3, predicted"),
        (5, "class 5, asked for; predicted: class 3"),
    ],
)
def test_a_title_says_who_named_the_class(asked: ClassIndex, expected: str) -> None:
    assert caption(whylight.explainer(MNIST / "results.nnp")(IMAGE, asked))[0] == expected


def test_a_title_says_what_else_was_asked() -> None:
    one = whylight.explainer(MNIST / "results.nnp", against=5, counterfactual=True)(IMAGE, 3)
    assert caption(one)[1] == "rather than class 5, what speaks against it"


def test_the_command_draws_title_and_legend_with_class_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("names.txt").write_text("\n".join(f"digit {index}" for index in range(10)))
    words = ["gradcam", "-m", str(MNIST / "results.nnp"), "-image", str(IMAGE), "--labels", "names.txt", "-c", "5"]
    assert main([*words, "--title", "--legend", "-o", "figure.svg", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["title"] is True
    assert texts(Path("figure.svg"))[0] == "digit 5 (5), asked for; predicted: digit 3 (3)"
    assert texts(Path("figure.svg"))[-3:] == ["1", "0", "relevance"]
    assert main([*words, "-o", "plain.svg"]) == 0
    assert texts(Path("plain.svg")) == []


def test_a_small_picture_is_enlarged_without_blocks(three: Explanation) -> None:
    figure = np.asarray(three.overlay(title=True), float)
    smooth = Image.open(IMAGE).convert("RGB").resize((448, 448), Image.Resampling.LANCZOS)
    planes = [Image.fromarray(plane) for plane in colorize(three.cam).transpose(2, 0, 1)]
    heat = np.stack([np.asarray(plane.resize((448, 448), Image.Resampling.BILINEAR)) for plane in planes], -1)
    expected = 0.5 * heat + 0.5 * np.asarray(smooth, float)
    np.testing.assert_allclose(figure[-12 - 448 : -12, 12 : 12 + 448], expected, atol=2)


def test_a_large_picture_keeps_its_pixels(three: Explanation) -> None:
    one = whylight.explainer(MNIST / "results.nnp")(Image.open(IMAGE).resize((896, 1344)), 3)
    plain = np.asarray(one.overlay(), float)
    figure = np.asarray(one.overlay(legend=True), float)
    margin = 36  # 12 at a scale of 3
    np.testing.assert_allclose(figure[margin:-margin, margin : margin + 896], plain, atol=1)


def test_the_bar_has_the_colors_from_one_to_zero(three: Explanation) -> None:
    figure = np.asarray(three.overlay(legend=True, colormap="viridis"), int)
    bar = figure[12 : 12 + 448, 12 + 448 + 12 + 7]
    expected = colorize(np.linspace(1, 0, 448, dtype=np.float32), "viridis")
    assert np.abs(bar - expected).max() <= 4


def test_a_plain_overlay_needs_nothing_of_figures(tmp_path: Path) -> None:
    code = (
        "import sys, whylight;"
        f"whylight.explainer({str(MNIST / 'results.nnp')!r})({str(IMAGE)!r}, 3).save('overlay.png');"
        "print({'PIL.ImageFont', 'PIL.ImageDraw', 'fpdf', 'whylight.drawing.page'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "set()"


def test_without_title_and_legend_nothing_changes(three: Explanation) -> None:
    assert three.overlay().size == (28, 28)


def test_a_wide_picture_has_a_wide_figure() -> None:
    wide = whylight.explainer(MNIST / "results.nnp")(Image.open(IMAGE).resize((400, 40)), 3)
    width, height = wide.overlay(title=True).size
    assert width == 896 + 24
    assert height < 200


@pytest.mark.parametrize("size", [(20,), (6, 8, 10)], ids=["signal", "volume"])
def test_signals_and_volumes_have_figures_too(size: tuple[int, ...], tmp_path: Path) -> None:
    onnx.save(small_cnn(size), tmp_path / "model.onnx")
    one = whylight.explainer(tmp_path / "model.onnx", "eigencam")(
        np.random.default_rng(0).random((2, *size), np.float32), 1
    )
    one.save(tmp_path / "figure.svg", title=True, legend=True)
    assert texts(tmp_path / "figure.svg")[0].startswith("class 1, asked for")
    figure = np.asarray(one.overlay(legend=True), int)
    bar = figure[-12 - 3, -52 + 12 + 7 - 12]
    assert np.abs(bar - [0, 0, 127]).max() < 30, "the lower end of jet"


def test_japanese_names_are_drawn_with_a_font_that_has_them(
    three: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from drawing.fonts_to_test import write_font
    from whylight.drawing import fonts

    font = write_font(tmp_path / "numbers.ttf", {"三": (900, 700)})
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda _: [fonts.Face(font)])
    for table in (fonts._faces, fonts._candidates):
        table.cache_clear()
    named = replace(three, facts=replace(three.facts, class_names=("", "", "", "三三")))
    try:
        pixels = np.asarray(named.overlay(title=True).convert("L"))
    finally:
        for table in (fonts._faces, fonts._candidates):
            table.cache_clear()
    middle = pixels[12 + 8, 12 : 12 + 30] < 128
    assert middle[1:13].all(), "the first character is a filled box of 14 x 11 pixels"
    assert not middle[15]
    assert middle[17:29].all()
