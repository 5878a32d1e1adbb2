"""Fonts made for tests: each character that they have is a filled box, high and wide as its number says."""

from collections.abc import Mapping
from pathlib import Path

import pytest

Box = tuple[int, int]
EM = 1000


def write_font(path: Path, boxes: Mapping[str, Box]) -> Path:
    """A TrueType font with a filled box (width, height) for each character, and an empty frame for all others."""
    builder_module = pytest.importorskip("fontTools.fontBuilder")
    pen_module = pytest.importorskip("fontTools.pens.ttGlyphPen")
    names = {character: f"glyph{number}" for number, character in enumerate(boxes)}
    builder = builder_module.FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})

    def drawn(*contours: tuple[tuple[int, int], ...]) -> object:
        pen = pen_module.TTGlyphPen(None)
        for contour in contours:
            pen.moveTo(contour[0])
            for point in contour[1:]:
                pen.lineTo(point)
            pen.closePath()
        return pen.glyph()

    def box(width: int, height: int) -> tuple[tuple[int, int], ...]:
        return (0, 0), (0, height), (width, height), (width, 0)

    frame = ((0, 0), (0, 700), (600, 700), (600, 0)), ((50, 50), (550, 50), (550, 650), (50, 650))
    glyphs = {".notdef": drawn(*frame)}
    glyphs |= {names[character]: drawn(box(*size)) for character, size in boxes.items()}
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (EM, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)
    return path
