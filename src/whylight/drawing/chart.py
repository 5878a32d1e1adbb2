"""Small charts drawn with Pillow: bars with error bars, and lines, in a grid with one legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Values = NDArray[np.float64]

_SCALE = 2
"""Drawn at twice the size and made smaller: lines are smooth."""
_WIDTH, _COLUMNS = 360, 3
_MARGIN = 14
_LINES_HEIGHT = 240
_BAR, _GAP = 16, 6
_TITLE = 30
_INK, _GRAY, _PALE = "#222222", "#777777", "#dddddd"
_COLORS = (
    "#3366aa", "#dd7733", "#449955", "#bb3344", "#8866aa", "#886644", "#cc77aa", "#999933", "#3399aa", "#555555",
)  # fmt: skip
_NAME_WIDTH = 130


@dataclass(frozen=True)
class Bars:
    """One bar a name, with its standard error."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    errors: Sequence[float] = ()

    @property
    def height(self) -> int:
        """In pixels."""
        return _TITLE + len(self.names) * (_BAR + _GAP) + _MARGIN


@dataclass(frozen=True)
class Lines:
    """One line a name, of positions and values.

    Attributes:
        names_at_positions: what stands below the positions 0, 1, ... in place of numbers.
        low: the lower end of the scale, at most.
        high: the upper end, at least.
    """

    title: str
    y_label: str
    curves: Mapping[str, tuple[Values, Values]]
    x_label: str = ""
    names_at_positions: Sequence[str] = field(default=())
    low: float = 0.0
    high: float = 0.0

    @property
    def height(self) -> int:
        """In pixels."""
        return _LINES_HEIGHT + (90 if self.names_at_positions else 0)


Panel = Bars | Lines


def drawn(panels: Sequence[Panel], names: Sequence[str]) -> Image.Image:
    """A picture of panels, from left to right and downwards; a name has one color in all of them."""
    colors = {name: _COLORS[index % len(_COLORS)] for index, name in enumerate(names)}
    columns = min(_COLUMNS, len(panels))
    bars = [panel for panel in panels if isinstance(panel, Bars)]
    lines = [panel for panel in panels if isinstance(panel, Lines)]
    groups: tuple[Sequence[Panel], ...] = (bars, lines)
    rows = [group[start : start + columns] for group in groups for start in range(0, len(group), columns)]
    heights = [max(panel.height for panel in row) + _MARGIN for row in rows]
    legend_height = _legend_rows(names, columns) * 20 if lines else 0
    size = (columns * _WIDTH + _MARGIN, sum(heights) + legend_height + 2 * _MARGIN)
    pen = _Pen(size)
    y = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = _MARGIN + column * _WIDTH
            if isinstance(panel, Bars):
                _draw_bars(pen, panel, colors, left, y)
            else:
                _draw_lines(pen, panel, colors, left, y)
        y += height
    if lines:
        _draw_legend(pen, colors, columns, y)
    return pen.image.resize(size, Image.Resampling.LANCZOS)


class _Pen:
    """Draws in pixels of the final picture."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.image = Image.new("RGB", (size[0] * _SCALE, size[1] * _SCALE), "white")
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = {points: ImageFont.load_default(points * _SCALE) for points in (10, 11, 13)}

    def text(self, at: tuple[float, float], text: str, anchor: str = "la", points: int = 11, fill: str = _INK) -> None:
        self._draw.text((at[0] * _SCALE, at[1] * _SCALE), text, fill, self._fonts[points], anchor)

    def fitting(self, text: str, width: float, points: int = 11) -> str:
        """The text, cut to a width."""
        font = self._fonts[points]
        if font.getlength(text) <= width * _SCALE:
            return text
        while text and font.getlength(f"{text}...") > width * _SCALE:
            text = text[:-1]
        return f"{text}..."

    def slanted(self, at: tuple[float, float], text: str, points: int = 10) -> None:
        """Text that ends at a point, upright along it."""
        font = self._fonts[points]
        box = font.getbbox(text)
        label = Image.new("L", (max(1, int(box[2])), max(1, int(box[3]) + 4)), 0)
        ImageDraw.Draw(label).text((0, 0), text, 255, font)
        label = label.rotate(90, expand=True)
        corner = (int(at[0] * _SCALE - label.width / 2), int(at[1] * _SCALE))
        self.image.paste(_INK, corner, label)

    def line(self, points: Sequence[tuple[float, float]], fill: str, width: float = 1) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill, max(1, round(width * _SCALE)), "curve")

    def box(self, corners: tuple[float, float, float, float], fill: str) -> None:
        left, top, right, bottom = (corner * _SCALE for corner in corners)
        self._draw.rectangle((min(left, right), top, max(left, right), bottom), fill)


def _draw_bars(pen: _Pen, panel: Bars, colors: Mapping[str, str], left: float, top: float) -> None:
    pen.text((left, top), pen.fitting(panel.title, _WIDTH - _MARGIN, 13), points=13)
    errors = [0 if math.isnan(error) else error for error in panel.errors] or [0.0] * len(panel.values)
    ends = [0.0, *(v + e for v, e in zip(panel.values, errors, strict=True) if not math.isnan(v))]
    lows = [0.0, *(v - e for v, e in zip(panel.values, errors, strict=True) if not math.isnan(v) and v < 0)]
    low, high = min(lows), max(*ends, 1e-9)
    start, width = left + _NAME_WIDTH, _WIDTH - _NAME_WIDTH - 75

    def x_of(value: float) -> float:
        return start + width * (value - low) / (high - low)

    for index, (name, value, error) in enumerate(zip(panel.names, panel.values, errors, strict=True)):
        y = top + _TITLE + index * (_BAR + _GAP)
        middle = y + _BAR / 2
        pen.text((start - 8, middle), pen.fitting(name, _NAME_WIDTH - 10), "rm")
        if math.isnan(value):
            pen.text((start + 4, middle), "-", "lm", fill=_GRAY)
            continue
        pen.box((x_of(0), y, x_of(value), y + _BAR), colors.get(name, _GRAY))
        if error:
            pen.line([(x_of(max(value - error, low)), middle), (x_of(value + error), middle)], _INK, 1.5)
        pen.text((max(x_of(value + error), x_of(0)) + 6, middle), _number(value), "lm", fill=_GRAY)
    pen.line([(x_of(0), top + _TITLE - 3), (x_of(0), top + panel.height - _MARGIN)], _INK)


def _draw_lines(pen: _Pen, panel: Lines, colors: Mapping[str, str], left: float, top: float) -> None:
    pen.text((left, top), pen.fitting(panel.title, _WIDTH - _MARGIN, 13), points=13)
    pen.text((left, top + 18), panel.y_label, points=10, fill=_GRAY)
    x0, x1, y0, y1 = left + 38, left + _WIDTH - 24, top + 38, top + _LINES_HEIGHT - 34
    values = np.concatenate([values for _, values in panel.curves.values()])
    positions = np.concatenate([positions for positions, _ in panel.curves.values()])
    low, high = min(panel.low, float(np.nanmin(values))), max(panel.high, float(np.nanmax(values)))
    first, last = float(positions.min()), float(positions.max())
    ticks = _ticks(low, high if high > low else low + 1)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def at(position: float, value: float) -> tuple[float, float]:
        across = (position - first) / (last - first) if last > first else 0.5
        return x0 + (x1 - x0) * across, y1 - (y1 - y0) * (value - low) / (high - low)

    for tick in ticks:
        y = at(first, tick)[1]
        pen.line([(x0, y), (x1, y)], _GRAY if tick == 0 else _PALE)
        pen.text((x0 - 6, y), f"{tick:g}", "rm", 10, _GRAY)
    if panel.names_at_positions:
        for index, name in enumerate(panel.names_at_positions):
            pen.slanted((at(index, low)[0], y1 + 6), pen.fitting(name, 110, 10))
    else:
        for position in (tick for tick in _ticks(first, last) if first <= tick <= last):
            pen.text((at(position, low)[0], y1 + 5), f"{position:g}", "ma", 10, _GRAY)
        pen.text(((x0 + x1) / 2, y1 + 18), panel.x_label, "ma", 10, _GRAY)
    for name, (places, heights) in panel.curves.items():
        points = [at(*pair) for pair in zip(places, heights, strict=True) if not math.isnan(pair[1])]
        pen.line(points, colors.get(name, _GRAY), 2)


def _legend_rows(names: Sequence[str], columns: int) -> int:
    return -(-len(names) // (columns * 2))


def _draw_legend(pen: _Pen, colors: Mapping[str, str], columns: int, top: float) -> None:
    for index, (name, color) in enumerate(colors.items()):
        row, column = divmod(index, columns * 2)
        x, y = _MARGIN + column * _WIDTH / 2, top + row * 20
        pen.box((x, y + 3, x + 22, y + 9), color)
        pen.text((x + 28, y + 6), pen.fitting(name, _WIDTH / 2 - 40), "lm")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, about five."""
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(start, stop + 1)]


def _number(value: float) -> str:
    return f"{value:.3f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.2g}"
