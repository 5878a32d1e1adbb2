"""JPEG files decoded at reduced scale, where a small overlay is all that is looked at: in half of the time."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_JPEG_SCALES = (8, 4, 2)
"""What the sides of an image can be divided by while its blocks of 8 x 8 pixels are decoded."""
_FOR_RESIZING = 3
"""Decoded pixels for one of the model's input, along a side: inputs made of them are as near to those of all pixels as
rounding to 8 bits leaves these to the filter's exact values."""
_TURNED_ASIDE = 5
"""EXIF orientations from here on exchange height and width."""

SourceBox = tuple[float, float, float, float]
"""The part of a decoded image that holds pixels of the file: left, top, right, bottom."""


@dataclass(frozen=True)
class Reduction:
    """Which size of a picture is enough.

    Attributes:
        input_size: height and width of the model's input.
        longest_edge: pixels of the overlay that is drawn; None for one of the input's size.
    """

    input_size: tuple[int, int]
    longest_edge: int | None = None

    def begin(self, image: Image.Image) -> SourceBox | None:
        """Have a large JPEG file decoded at a half, a quarter or an eighth of its size.

        Args:
            image: opened, not yet decoded.

        Returns:
            Where its pixels are once it is decoded, for `resized`; None where it is decoded in full.
        """
        shorter, longer = sorted(image.size)
        possible = min(shorter // self._least_side, longer // (self.longest_edge or 1))
        scale = next((scale for scale in _JPEG_SCALES if scale <= possible), 1)
        width, height = image.size
        if scale == 1 or image.draft(None, (width // scale, height // scale)) is None:
            return None
        return 0, 0, width / scale, height / scale

    def resized(self, image: Image.Image, box: SourceBox, orientation: int) -> Image.Image:
        """The decoded image at the size that is enough.

        Args:
            image: decoded, as it is stored.
            box: see `begin`.
            orientation: as EXIF has it: how it will be turned.
        """
        if self.longest_edge is None:
            height, width = self.input_size if orientation < _TURNED_ASIDE else self.input_size[::-1]
        else:
            sides = box[3], box[2]
            factor = max(self.longest_edge / max(sides), self._least_side / min(sides))
            height, width = (round(side * factor) for side in sides)
        return image.resize((width, height), Image.Resampling.BILINEAR, box)

    @property
    def _least_side(self) -> int:
        return _FOR_RESIZING * max(self.input_size)
