"""A page -> a file, as its ending says: .svg and .pdf keep text and lines as such, all others are pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from whylight.drawing import raster
from whylight.drawing.page import Page
from whylight.files.encoding import save_image
from whylight.files.writing import save_bytes

_PRINTED = (2, 4)
"""Pixels of pictures for each of the page's in files of text and lines, at least and at most: 200 to 400 an inch."""


def save_page(made: Callable[[float], Page], path: Path, scale: float = 1) -> None:
    """Write a page.

    Args:
        made: gives the page, its pictures with so many pixels for each of the page's.
        path: names the format.
        scale: pixels for each of the page's, in formats of pixels; as many as its pictures have.

    Raises:
        WhylightError: the ending names no known format, its library is missing, or the file cannot be written.
    """
    density = min(max(scale, _PRINTED[0]), _PRINTED[1])
    match path.suffix.lower():
        case ".svg":
            from whylight.drawing.svg import encoded_svg

            save_bytes(encoded_svg(made(density)), path)
        case ".pdf":
            from whylight.drawing.pdf import encoded_pdf

            save_bytes(encoded_pdf(made(density)), path)
        case _:
            page = made(scale)
            save_image(raster.drawn(page, scale), path, page.title)
