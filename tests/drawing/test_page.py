"""Pages: what is on them is in the picture, in the SVG and in the PDF, at the same places."""

import base64
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from drawing.fonts_to_test import write_font
from whylight.drawing import fonts
from whylight.drawing.page import Page, cut, cut_inside, wrapped
from whylight.drawing.raster import drawn
from whylight.drawing.saving import save_page
from whylight.drawing.svg import encoded_svg
from whylight.errors import WhylightError

SVG = "{http://www.w3.org/2000/svg}"
NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 60, 3), np.uint8))
CHROMIUM = shutil.which("chromium")


@pytest.fixture
def page() -> Page:
    page = Page((320, 200), "Everything <at> once & more")
    page.text((10, 10), "A heading & <more>", 18)
    page.text((310, 50), "at the end", align="end")
    page.text((160, 70), "in the middle", align="middle", color="#bb3344")
    page.text((6, 190), "upright", 14, upright=True)
    page.line([(40, 180), (90, 90), (140, 180)], "#3366aa", 3)
    page.line([(40, 190), (300, 190)], "#449955", 4, (12, 6))
    page.bar((200, 80, 30, 60), "#dd7733")
    page.picture((240, 80, 60, 40), NOISE)
    return page


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far the pictures are from each other, where differences of a pixel in place are looked through."""
    small = [np.asarray(each.convert("RGB").reduce(4), float) for each in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())


def test_the_picture_has_each_thing_at_its_place(page: Page) -> None:
    pixels = np.asarray(drawn(page), int)
    assert pixels.shape == (200, 320, 3)
    np.testing.assert_array_equal(pixels[80:120, 240:300], np.asarray(NOISE))
    assert np.abs(pixels[82:138, 202:228] - [0xDD, 0x77, 0x33]).max() < 3
    green = [bool(far < 40) for far in np.abs(pixels[190, 40:300] - [0x44, 0x99, 0x55]).max(1)]
    assert all(green[1:11])
    assert not any(green[13:17])
    assert np.isclose(np.mean(green), 2 / 3, atol=0.06)
    ink: Any = (pixels < 128).all(2)
    assert ink[12:30, 10:180].any()
    assert not ink[12:30, 200:].any()
    rows, columns = np.nonzero(ink[:, :30][90:195])
    assert np.ptp(rows) > 2 * np.ptp(columns), "upright text is higher than wide"
    assert columns.max() < 24


def test_a_larger_scale_is_the_same_page(page: Page) -> None:
    large = drawn(page, 3)
    assert large.size == (960, 600)
    assert difference(large.resize((320, 200), Image.Resampling.LANCZOS), drawn(page)) < 2


def test_an_svg_keeps_text_as_text_and_pictures_as_they_are(page: Page) -> None:
    root = ElementTree.fromstring(encoded_svg(page))
    assert (root.get("width"), root.get("height")) == ("320", "200")
    assert root.findtext(f"{SVG}title") == "Everything <at> once & more"
    assert [each.text for each in root.iter(f"{SVG}text")] == [
        "A heading & <more>", "at the end", "in the middle", "upright",
    ]  # fmt: skip
    (image,) = root.iter(f"{SVG}image")
    head, data = (image.get("href") or "").split(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), np.asarray(NOISE))
    assert [image.get(name) for name in ("x", "y", "width", "height")] == ["240", "80", "60", "40"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_shows_the_svg_as_the_picture_is(page: Page, tmp_path: Path) -> None:
    save_page(lambda _: page, tmp_path / "page.svg")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=320,200"]
    shown = tmp_path / "page.png"
    command = [str(CHROMIUM), *flags, f"--screenshot={shown}", (tmp_path / "page.svg").as_uri()]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert difference(Image.open(shown).crop((0, 0, 320, 200)), drawn(page)) < 4
    assert difference(Image.open(shown).crop((0, 0, 320, 200)), Image.new("RGB", (320, 200), "white")) > 10


def test_a_pdf_is_the_picture_and_its_text_can_be_copied(page: Page, tmp_path: Path) -> None:
    pytest.importorskip("fpdf")
    pdfium = pytest.importorskip("pypdfium2")
    save_page(lambda _: page, tmp_path / "page.pdf")
    document = pdfium.PdfDocument(tmp_path / "page.pdf")
    assert document.get_metadata_dict()["Title"] == page.title
    assert document[0].get_size() == (240, 150)
    assert difference(document[0].render(scale=96 / 72).to_pil(), drawn(page)) < 3
    text = document[0].get_textpage().get_text_range()
    assert [line.strip() for line in text.splitlines()] == page.texts
    assert all(font in (tmp_path / "page.pdf").read_bytes() for font in (b"FontFile2", b"ToUnicode")), (
        "fonts are inside"
    )
    document.close()


def test_without_its_library_a_pdf_is_refused_in_one_line(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fpdf", None)
    with pytest.raises(WhylightError, match=r"PDF needs fpdf2: pip install 'whylight\[figures\]', or write \.svg"):
        save_page(lambda _: page, tmp_path / "page.pdf")
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_refused(page: Page, tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"no image format for '\.tex': expected one of .*\.svg, \.pdf"):
        save_page(lambda _: page, tmp_path / "page.tex")


def test_a_pdf_holds_the_font_of_each_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fpdf")
    pdfium = pytest.importorskip("pypdfium2")
    font = write_font(tmp_path / "cats.ttf", {"猫": (900, 700)})
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda _: [fonts.Face(font)])
    fonts._faces.cache_clear()
    fonts._candidates.cache_clear()
    page = Page((300, 100))
    page.text((0, 80), "a猫", 100, level="base")
    try:
        save_page(lambda _: page, tmp_path / "page.pdf")
        expected = drawn(page)
    finally:
        fonts._faces.cache_clear()
        fonts._candidates.cache_clear()
    document = pdfium.PdfDocument(tmp_path / "page.pdf")
    assert document[0].get_textpage().get_text_range().strip() == "a猫"
    assert difference(document[0].render(scale=96 / 72).to_pil(), expected) < 3
    document.close()


def test_texts_are_made_to_fit() -> None:
    name = "@MainRuntime/block_17/Convolution_32"
    for shorter in (cut(name, 120), cut_inside(name, 120)):
        assert fonts.width(shorter, 11) <= 120
        assert "..." in shorter
    assert cut(name, 120).startswith("@MainRuntime/")
    assert cut_inside(name, 120).endswith("volution_32")
    assert cut(name, 1000) == cut_inside(name, 1000) == name
    lines = wrapped("a heading of many words that is wider than its page", 100, 13)
    assert " ".join(lines) == "a heading of many words that is wider than its page"
    assert max(fonts.width(line, 13) for line in lines) <= 100
    assert "".join(wrapped("x" * 90, 100, 13)) == "x" * 90
