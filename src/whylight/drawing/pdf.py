"""A page -> a PDF file: text stays text, with its fonts inside; pictures without loss."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.drawing import fonts
from whylight.drawing.page import Bar, Line, Page, Picture, Text
from whylight.errors import WhylightError

if TYPE_CHECKING:
    from fpdf import FPDF

_POINTS = 0.75
"""Of a PDF for a pixel of a page: 72 are an inch, as 96 pixels."""


def encoded_pdf(page: Page) -> bytes:
    """The content of a PDF file of one page. Warns of characters that no font has.

    Raises:
        WhylightError: fpdf2 is not installed.
    """
    try:
        from fpdf import FPDF
    except ModuleNotFoundError:
        raise WhylightError("PDF needs fpdf2: pip install 'whylight[figures]', or write .svg") from None
    fonts.warn_of_missing(page.texts)
    width, height = (value * _POINTS for value in page.size)
    with tempfile.TemporaryDirectory() as folder:
        document = FPDF(unit="pt", format=(width, height))
        document.set_auto_page_break(False)
        document.set_margin(0)
        document.c_margin = 0
        signature = page.title.rpartition("; ")[2]
        document.set_creator(signature if signature.startswith("whylight ") else "whylight")  # the title is UTF-16
        document.set_title(page.title)
        document.set_image_filter("FlateDecode")
        if find_spec("uharfbuzz"):  # without it letters of Arabic are not joined
            document.set_text_shaping(True)
        document.add_page()
        pen = _Pen(document, Path(folder))
        for item in sorted(page.items, key=lambda item: isinstance(item, Picture)):
            pen.draw(item)
        return bytes(document.output())


class _Pen:
    """Draws a page's items; fonts are added to the document when they are first needed."""

    def __init__(self, document: FPDF, folder: Path) -> None:
        self._document = document
        self._folder = folder
        self._names: dict[fonts.Face, str] = {}

    def draw(self, item: Text | Picture | Line | Bar) -> None:
        match item:
            case Text():
                self._text(item)
            case Picture():
                left, top, width, height = (value * _POINTS for value in item.box)
                self._document.image(item.image, left, top, width, height)
            case Line():
                self._line(item)
            case Bar():
                left, top, width, height = (value * _POINTS for value in item.box)
                self._document.set_fill_color(item.color)
                self._document.rect(left, top, width, height, style="F")

    def _line(self, item: Line) -> None:
        (x, y), *others = [(x * _POINTS, y * _POINTS) for x, y in item.points]
        with self._document.new_path(x, y) as path:
            path.style.fill_color = None
            path.style.stroke_color = item.color
            path.style.stroke_width = item.thickness * _POINTS
            path.style.stroke_cap_style = "butt"
            path.style.stroke_join_style = "round"
            path.style.stroke_dash_pattern = tuple(length * _POINTS for length in item.dashes)
            path.style.auto_close = False
            for point in others:
                path.line_to(*point)

    def _text(self, item: Text) -> None:
        pieces = fonts.runs(item.text)
        size = item.size * _POINTS
        x, y = (value * _POINTS for value in item.at)
        self._document.set_text_color(item.color)
        widths = []
        for face, piece in pieces:
            self._document.set_font(self._name(face), size=size)
            widths.append(self._document.get_string_width(piece))
        at = x - {"start": 0, "middle": sum(widths) / 2, "end": sum(widths)}[item.align]
        with self._document.rotation(90 if item.upright else 0, x, y):
            for (face, piece), width in zip(pieces, widths, strict=True):
                self._document.set_font(self._name(face), size=size)
                # unlike text(), cell() writes from right to left where a script is written so
                self._document.set_xy(at, y - 0.8 * size)
                self._document.cell(width, size, piece)
                at += width

    def _name(self, face: fonts.Face) -> str:
        if face not in self._names:
            name = self._names[face] = f"font{len(self._names)}"
            path = face.path
            if path is None:
                path = self._folder / "own.ttf"
                path.write_bytes(face.at(size=10).font_bytes)
            self._document.add_font(name, fname=path, collection_font_number=face.index)
        return self._names[face]
