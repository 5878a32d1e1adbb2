"""Fonts: those that have a text's characters are found, and what none has is said."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from drawing.fonts_to_test import write_font
from whylight.drawing import fonts
from whylight.drawing.page import Page
from whylight.drawing.raster import drawn
from whylight.errors import WhylightWarning

CAT, DOG = "猫", "犬"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only place with fonts, on a machine without fontconfig."""
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda _: [])
    monkeypatch.setattr(
        fonts, "_FOLDERS", {sys.platform: (str(tmp_path / "fonts"),), "linux": (str(tmp_path / "fonts"),)}
    )
    for table in (fonts._faces, fonts._candidates):
        table.cache_clear()
    yield tmp_path / "fonts"
    for table in (fonts._faces, fonts._candidates):
        table.cache_clear()


def darkest_columns(text: str) -> list[bool]:
    """Which columns of the text, 100 pixels high, are dark at half the height of its characters."""
    page = Page((len(text) * 100, 100))
    page.text((0, 80), text, 100, level="base")
    return [bool(value < 100) for value in np.asarray(drawn(page))[55, :, 0]]


def test_a_font_that_has_the_characters_is_found_and_drawn_with(folder: Path) -> None:
    write_font(folder / "latin.ttf", {"a": (500, 500), "b": (500, 500)})
    write_font(folder / "deep" / "animals.ttf", {CAT: (900, 700), DOG: (200, 700)})
    columns = darkest_columns(f"{CAT}{DOG}")
    assert all(columns[2:88])
    assert not any(columns[92:98])
    assert all(columns[102:118])
    assert not any(columns[122:])


def test_one_font_for_all_of_a_text_goes_before_two(folder: Path) -> None:
    write_font(folder / "animals.ttf", {CAT: (900, 700)})
    assert [face.family for face, _ in fonts.runs(f"a{CAT}")] == ["", "animals"]
    fonts._candidates.cache_clear()
    fonts._faces.cache_clear()
    write_font(folder / "both.ttf", {CAT: (900, 700), "a": (500, 500)})
    assert [(face.family, piece) for face, piece in fonts.runs(f"a{CAT}")] == [("both", f"a{CAT}")]


def test_several_fonts_together_have_what_none_has_alone(folder: Path) -> None:
    write_font(folder / "cats.ttf", {CAT: (900, 700)})
    write_font(folder / "dogs.ttf", {DOG: (900, 700)})
    assert [(face.family, piece) for face, piece in fonts.runs(f"{CAT}{CAT} {DOG}")] == [
        ("cats", CAT + CAT),
        ("", " "),
        ("dogs", DOG),
    ]


def test_what_no_font_has_is_said_in_one_line_and_is_no_box(folder: Path) -> None:
    write_font(folder / "cats.ttf", {CAT: (900, 700)})
    page = Page((60, 30))
    page.text((5, 5), f"{DOG} 7", 20)
    with pytest.warns(WhylightWarning, match="no font on this machine has 犬 .*install .*fonts-noto-cjk") as caught:
        picture = drawn(page)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    asked = Page((60, 30))
    asked.text((5, 5), "? 7", 20)
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(drawn(asked)))


def test_a_file_that_is_no_font_is_passed_over(folder: Path) -> None:
    write_font(folder / "z.ttf", {CAT: (900, 700)})
    (folder / "a.ttf").write_bytes(b"no font")
    assert [face.family for face, _ in fonts.runs(CAT)] == ["z"]


def test_what_cannot_be_seen_becomes_a_space() -> None:
    assert fonts.printable("a\tb\nc\u3000d\x07\ud800") == "a b c d  "


def test_english_needs_no_font_of_the_machine(folder: Path) -> None:
    text = "".join(map(chr, range(32, 127)))
    assert fonts.runs(text) == [(fonts.OWN, text)]
    assert fonts.width(text, 13) == pytest.approx(ImageFont.load_default(13).getlength(text))


@pytest.mark.skipif(shutil.which("fc-list") is None, reason="no fontconfig is installed")
@pytest.mark.parametrize("text", ["三毛猫", "みけねこ", "café", "кошка", "γάτα", "고양이", "قطة"])
def test_what_fontconfig_knows_to_be_there_is_found(text: str) -> None:
    wanted = " ".join(f"{ord(one):x}" for one in text)
    known = subprocess.run(
        ["fc-list", f":charset={wanted}:fontformat=TrueType", "file"], capture_output=True, text=True
    )
    known_too = subprocess.run(["fc-list", f":charset={wanted}:fontformat=CFF", "file"], capture_output=True, text=True)
    if not known.stdout + known_too.stdout:
        pytest.skip(f"no font of this machine has {text}")
    ((face, piece),) = fonts.runs(text)
    assert piece == text
    assert str(face.path) in known.stdout + known_too.stdout
