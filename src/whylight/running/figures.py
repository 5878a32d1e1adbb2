"""Explanations as figures: the overlay with what it is of, as a picture or as a file of text and lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from whylight.drawing.figure import figure, figure_size
from whylight.drawing.page import Page
from whylight.drawing.raster import drawn
from whylight.drawing.render import overlay
from whylight.drawing.saving import save_page
from whylight.drawing.views import View, overlay_size, view
from whylight.files.bands import image_of
from whylight.options import Rendering
from whylight.running.captions import caption, description

if TYPE_CHECKING:
    from whylight.running.explanation import Explanation

_GAP = 3.0
"""A photograph is reduced in two steps, the second from three times the size: it takes a sixth of the time."""


def tile(seen: View, size: tuple[int, int], look: Rendering) -> Image.Image:
    """The overlay in any size, (width, height): the picture made larger or smaller without blocks, the map over it."""
    image = image_of(seen.image).resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
    return overlay(image, seen.cam, seen.crop, look.alpha, look.colormap)


def view_of(explanation: Explanation) -> View:
    """What is looked at, and the map."""
    return view(explanation.picture, explanation.cam, explanation.crop, explanation.input)


def figure_picture(explanation: Explanation, look: Rendering) -> Image.Image:
    """The figure in pixels: none of the overlay's are lost."""
    seen = view_of(explanation)
    scale = _scale(explanation, seen, look)
    return drawn(_page(explanation, seen, look, scale), scale)


def save_figure(explanation: Explanation, look: Rendering, path: Path) -> None:
    """Write the figure in the format that the file's ending names.

    Raises:
        WhylightError: the ending names no known format, its library is missing, or the file cannot be written.
    """
    seen = view_of(explanation)
    save_page(lambda density: _page(explanation, seen, look, density), path, _scale(explanation, seen, look))


def _page(explanation: Explanation, seen: View, look: Rendering, density: float) -> Page:
    """The figure, its picture with so many pixels for each of the page's."""
    width, height = figure_size(*_extent(seen))
    picture = tile(seen, (max(1, round(width * density)), max(1, round(height * density))), look)
    lines = caption(explanation) if look.title else ()
    return figure(picture, (width, height), lines, look.colormap if look.legend else None, description(explanation))


def _scale(explanation: Explanation, seen: View, look: Rendering) -> float:
    """Pixels for each of the page's: as many as the overlay has alone, and at least one."""
    return max(1, max(overlay_size(seen, explanation.input, look.size)) / max(figure_size(*_extent(seen))))


def _extent(seen: View) -> tuple[int, int]:
    """Width and height."""
    height, width = seen.size
    return width, height
