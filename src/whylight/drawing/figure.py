"""Figures: an overlay with what it shows above it, and beside it what its colors mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from whylight.drawing.page import GRAY, INK, Page, wrapped
from whylight.drawing.render import colorize

_MARGIN = 12
_LONGEST, _LONGEST_OF_STRIPS = 448, 896
"""The longer edge of a figure's overlay, and of one that is more than twice as wide as high."""
_HEADING, _TEXT, _LEADING = 16, 11, 1.45
_BAR_GAP, _BAR_WIDTH = 12, 14
LEGEND_WIDTH = 52
"""Of a color bar with its text and the gap before it."""


def figure_size(width: int, height: int) -> tuple[float, float]:
    """The width and height on a figure's page of an overlay of these extents."""
    longest = _LONGEST_OF_STRIPS if max(width, height) > 2 * min(width, height) else _LONGEST
    scale = longest / max(width, height)
    return width * scale, height * scale


def figure(
    overlay: Image.Image, size: tuple[float, float], lines: Sequence[str], colormap: str | None, title: str
) -> Page:
    """An overlay with text above it and a color bar at its right.

    Args:
        overlay: of any number of pixels.
        size: its width and height on the page.
        lines: of text, the first of them the heading; none for none.
        colormap: whose bar is drawn; None for none.
        title: what it is of, for those who read the file.
    """
    legend = LEGEND_WIDTH if colormap else 0
    space = max(size[0] + legend, _LONGEST // 2)
    text: list[tuple[str, int, str]] = []
    for number, line in enumerate(lines):
        points, color = (_TEXT, GRAY) if number else (_HEADING, INK)
        text += [(part, points, color) for part in wrapped(line, space, points)]
    top = _MARGIN + sum(points * _LEADING for _, points, _ in text) + (_MARGIN / 2 if text else 0)
    page = Page((space + 2 * _MARGIN, top + size[1] + _MARGIN), title)
    y: float = _MARGIN
    for part, points, color in text:
        page.text((_MARGIN, y), part, points, color=color)
        y += points * _LEADING
    page.picture((_MARGIN, top, *size), overlay)
    if colormap:
        color_bar(page, (_MARGIN + size[0] + _BAR_GAP, top), size[1], colormap)
    return page


def color_bar(page: Page, at: tuple[float, float], height: float, colormap: str) -> None:
    """Draw the colors of a map's values, from 1 above to 0 below, with the ends of their scale."""
    left, top = at
    ramp = colorize(np.linspace(1, 0, 256, dtype=np.float32)[:, np.newaxis], colormap).round().astype(np.uint8)
    page.picture((left, top, _BAR_WIDTH, height), Image.fromarray(ramp))
    right = left + _BAR_WIDTH + 6
    page.text((right, top), "1", _TEXT)
    page.text((right, top + height), "0", _TEXT, level="base")
    page.text((right, top + height / 2), "relevance", _TEXT, align="middle", upright=True, color=GRAY)
