"""Pictures side by side, each with a line of text."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_TILE = 224


_GAP = 12


_LINE = 18
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def grid(cells: Sequence[Sequence[tuple[Image.Image, str]]], titles: Sequence[str]) -> Image.Image:
    """Rows of pictures on white, each with a line of text below it.

    Args:
        cells: the pictures, in any sizes, and their texts.
        titles: what stands above each row; none where rows have no title.
    """
    font = ImageFont.load_default(size=13)
    step = _TILE + _GAP
    line = _LINE * (2 if titles else 1)
    width = _GAP + step * max(len(row) for row in cells)
    page = Image.new("RGB", (width, _GAP + (step + line) * len(cells)), _PAPER)
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(cells):
        top = _GAP + y * (step + line)
        if titles and titles[y]:
            draw.text((_GAP, top), titles[y], _INK, font)
        for x, (picture, text) in enumerate(row):
            left, below = _GAP + x * step, top + line - _LINE
            tile = picture.copy()
            tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
            if max(tile.size) < _TILE:
                scale = _TILE / max(tile.size)
                tile = tile.resize((round(tile.width * scale), round(tile.height * scale)), Image.Resampling.NEAREST)
            page.paste(tile, (left, below))
            draw.text((left, below + _TILE + 2), text, _INK, font)
    return page
