"""Pictures side by side, each with a line of text."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from whylight.drawing.figure import LEGEND_WIDTH, color_bar
from whylight.drawing.page import Page, cut, wrapped

_MARGIN, _GAP = 12, 12
TEXT = 13
"""The size of the lines below pictures."""
_HEADING = 16
_LEADING = 1.4
_LINE = round(TEXT * _LEADING)


@dataclass(frozen=True)
class Cell:
    """A picture of any number of pixels, its width and height on the page, and the line below it."""

    image: Image.Image
    size: tuple[int, int]
    text: str


def grid(
    cells: Sequence[Sequence[Cell]],
    tile: int,
    titles: Sequence[str] = (),
    heading: Sequence[str] = (),
    colormap: str | None = None,
    title: str = "",
) -> Page:
    """Rows of pictures on white, each with a line of text below it.

    Args:
        cells: the pictures, none larger than a tile.
        tile: width and height of the place that a picture has.
        titles: what stands above each row; none where rows have no title.
        heading: lines above all; none for none.
        colormap: whose color bar stands at the right; None for none.
        title: what it is of, for those who read the file.
    """
    step, columns = tile + _GAP, max(map(len, cells))
    space = step * columns - _GAP + (LEGEND_WIDTH if colormap else 0)
    lines = [(part, TEXT if number else _HEADING) for number, line in enumerate(heading)
             for part in wrapped(line, space, TEXT if number else _HEADING)]  # fmt: skip
    top = _MARGIN + sum(round(size * _LEADING) for _, size in lines) + (_GAP if lines else 0)
    row = tile + _LINE * (2 if titles else 1) + _GAP
    page = Page((space + 2 * _MARGIN, top + row * len(cells)), title)
    y = _MARGIN
    for part, size in lines:
        page.text((_MARGIN, y), part, size)
        y += round(size * _LEADING)
    for number, pictures in enumerate(cells):
        y = top + number * row
        if titles:
            page.text((_MARGIN, y), cut(titles[number], space, TEXT), TEXT)
            y += _LINE
        for column, cell in enumerate(pictures):
            left = _MARGIN + column * step
            page.picture((left, y, *cell.size), cell.image)
            page.text((left, y + tile + 3), cut(cell.text, tile, TEXT), TEXT)
    if colormap:
        color_bar(page, (_MARGIN + columns * step, top + (_LINE if titles else 0)), tile, colormap)
    return page
