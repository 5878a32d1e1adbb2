"""JPEG files decoded at reduced scale, where a small overlay is all that is looked at: in half of the time."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_SCALES = (8, 4, 2)
"""What the sides of an image can be divided by while its blocks of 8 x 8 pixels are decoded."""
_FOR_RESIZING = 4
"""Decoded pixels for one of the model's input, along a side, at least: then inputs differ from those of the whole image
as they do where it has been saved again, with fewer by more."""


@dataclass(frozen=True)
class Enough:
    """Which size of a picture is enough.

    Attributes:
        input_size: height and width of the model's input.
        longest_edge: pixels of the overlay that is drawn.
    """

    input_size: tuple[int, int]
    longest_edge: int

    def reduce(self, image: Image.Image) -> None:
        """Have a large JPEG file decoded at a half, a quarter or an eighth of its size; others stay as they are.

        Args:
            image: opened, not yet decoded. Sides that cannot be divided are not: half a pixel would be lost.
        """
        width, height = image.size
        shorter = _FOR_RESIZING * max(self.input_size)
        possible = min(min(image.size) // shorter, max(image.size) // self.longest_edge)
        for scale in _SCALES:
            if scale <= possible and width % scale == height % scale == 0:
                image.draft(None, (width // scale, height // scale))
                return
