"""A page -> a file, as its ending says: .svg and .pdf keep text and lines as such, all others are pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from whylight.drawing import raster
from whylight.drawing.page import Page
from whylight.files.encoding import encoded_image
from whylight.files.writing import save_bytes

_PRINTED = (2, 4)
"""Pixels of pictures for each of the page's in files of text and lines, at least and at most: 200 to 400 an inch."""


def save_page(made: Callable[[float], Page], path: Path, scale: float = 1) -> None:
    """Write a page in the format that the file's ending names: see `encoded_page`.

    Raises:
        WhylightError: as `encoded_page`; or the file cannot be written.
    """
    save_bytes(encoded_page(made, path.suffix, scale), path)


def check_page(path: Path) -> None:
    """Find out before long work begins whether a page can be written in the format that the file's ending names.

    Raises:
        WhylightError: it cannot.
    """
    encoded_page(lambda _: Page((1, 1)), path.suffix)


def encoded_page(made: Callable[[float], Page], ending: str, scale: float = 1) -> bytes:
    """A file's content.

    Args:
        made: gives the page, its pictures with so many pixels for each of the page's.
        ending: names the format.
        scale: pixels for each of the page's, in formats of pixels; as many as its pictures have.

    Raises:
        WhylightError: the ending names no known format, or its library is missing.
    """
    density = min(max(scale, _PRINTED[0]), _PRINTED[1])
    match ending.lower():
        case ".svg":
            from whylight.drawing.svg import encoded_svg

            return encoded_svg(made(density))
        case ".pdf":
            from whylight.drawing.pdf import encoded_pdf

            return encoded_pdf(made(density))
    page = made(scale)
    return encoded_image(raster.drawn(page, scale), ending, page.title)
