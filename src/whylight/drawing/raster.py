"""A page -> a picture of pixels, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil, dist

from PIL import Image, ImageDraw

from whylight.drawing import fonts
from whylight.drawing.page import Bar, Line, Page, Picture, Point, Text

_SMOOTH = 2
"""Text and lines are drawn at a multiple of the size and made smaller: their edges are smooth."""
_LARGE = 2
"""The scale from which on that is no longer needed."""


def drawn(page: Page, scale: float = 1) -> Image.Image:
    """The page in RGB, with so many pixels for each of its own. Warns of characters that no font has."""
    fonts.warn_of_missing(page.texts)
    size = (round(page.size[0] * scale), round(page.size[1] * scale))
    smooth = 1 if scale >= _LARGE else _SMOOTH
    canvas = Image.new("RGB", (size[0] * smooth, size[1] * smooth), "white")
    pen = _Pen(canvas, scale * smooth)
    for item in page.items:
        if not isinstance(item, Picture):
            pen.draw(item)
    if smooth > 1:
        canvas = canvas.resize(size, Image.Resampling.LANCZOS)
    for item in page.items:
        if isinstance(item, Picture):
            left, top, width, height = (round(value * scale) for value in item.box)
            image = (
                item.image
                if item.image.size == (width, height)
                else item.image.resize((max(width, 1), max(height, 1)), Image.Resampling.LANCZOS)
            )
            canvas.paste(image, (left, top))
    return canvas


class _Pen:
    """Draws a page's items, enlarged."""

    def __init__(self, canvas: Image.Image, scale: float) -> None:
        self._canvas = canvas
        self._draw = ImageDraw.Draw(canvas)
        self._scale = scale

    def draw(self, item: Text | Line | Bar) -> None:
        match item:
            case Text():
                self._text(item)
            case Line():
                self._line(item)
            case Bar():
                left, top, width, height = (value * self._scale for value in item.box)
                if width >= 1 and height >= 1:
                    self._draw.rectangle((left, top, left + width - 1, top + height - 1), item.color)

    def _text(self, item: Text) -> None:
        size = item.size * self._scale
        pieces = fonts.runs(item.text)
        widths = [face.at(size).getlength(piece) for face, piece in pieces]
        shift = {"start": 0.0, "middle": sum(widths) / 2, "end": sum(widths)}[item.align]
        x, y = (value * self._scale for value in item.at)
        if item.upright:
            base = ceil(size * 1.25)
            label = Image.new("L", (ceil(sum(widths)) + 2, base + ceil(size * 0.5)), 0)
            _write(ImageDraw.Draw(label), (0, base), pieces, widths, size, 255)
            turned = label.rotate(90, expand=True)
            corner = (round(x - base), round(y + shift - turned.height))
            self._canvas.paste(item.color, (*corner, corner[0] + turned.width, corner[1] + turned.height), turned)
        else:
            _write(self._draw, (x - shift, y), pieces, widths, size, item.color)

    def _line(self, item: Line) -> None:
        points = [(x * self._scale, y * self._scale) for x, y in item.points]
        thickness = max(1, round(item.thickness * self._scale))
        dashes = [length * self._scale for length in item.dashes]
        for stroke in _strokes(points, dashes) if dashes else [points]:
            self._draw.line(stroke, item.color, thickness, "curve")


def _write(
    draw: ImageDraw.ImageDraw,
    at: Point,
    pieces: Sequence[tuple[fonts.Face, str]],
    widths: Sequence[float],
    size: float,
    color: str | int,
) -> None:
    x, y = at
    for (face, piece), width in zip(pieces, widths, strict=True):
        draw.text((x, y), piece, color, face.at(size), "ls")
        x += width


def _strokes(points: Sequence[Point], dashes: Sequence[float]) -> Iterator[list[Point]]:
    """The parts of a line through points that dashes leave of it."""
    number, left = 0, dashes[0]
    stroke = list(points[:1])
    for start, end in pairwise(points):
        length, done = dist(start, end), 0.0
        while length - done > left:
            done += left
            share = done / length
            corner = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
            if number % 2 == 0:
                yield [*stroke, corner]
            number += 1
            left = dashes[number % len(dashes)]
            stroke = [corner]
        left -= length - done
        stroke.append(end)
    if number % 2 == 0 and len(stroke) > 1:
        yield stroke
