"""Images as Pillow holds them and as arrays, and the way between.

Pillow keeps four bytes of an RGB pixel, arrays keep three: every value is copied. Of a large image that is done band by
band, so that the copies stay in the processor's cache: it takes a third of the time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from whylight.files.png import Pixels

AnyImage = Image.Image | Pixels
"""An 8-bit image, gray or RGB: Pillow's, or pixels (H, W) or (H, W, C)."""

_BLOCKS_A_THREAD = 7
"""Of 16 MiB: a photograph of 12 megapixels has three."""
_BAND = 1 << 18
"""Values copied at a time."""
_SMALL = _BAND // 3


@contextmanager
def keeping_memory(threads: int) -> Iterator[None]:
    """Have Pillow keep the memory of images for the next ones: to ask the system for it takes a quarter of decoding."""
    memory: Any = Image.core  # type: ignore[attr-defined]
    before = memory.get_blocks_max()
    memory.set_blocks_max(max(before, threads * _BLOCKS_A_THREAD))
    try:
        yield
    finally:
        memory.set_blocks_max(before)


def size_of(image: AnyImage) -> tuple[int, int]:
    """Height and width."""
    if isinstance(image, Image.Image):
        return image.height, image.width
    return image.shape[0], image.shape[1]


def is_large(size: tuple[int, int]) -> bool:
    """Whether it takes less time to work on an image band by band than as a whole."""
    return size[0] * size[1] > _SMALL


def pixels_of(image: AnyImage) -> Pixels:
    """The pixels (H, W, C) of Pillow's image; an array as it is."""
    if not isinstance(image, Image.Image):
        return image
    width, height = image.size
    if height * width <= _SMALL:
        return np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, -1)
    pixels = np.empty((height, width, len(image.getbands())), np.uint8)
    for rows in _bands(height, pixels.size // height):
        band = image.crop((0, rows.start, width, rows.stop))
        pixels[rows] = np.frombuffer(band.tobytes(), np.uint8).reshape(-1, *pixels.shape[1:])
    return pixels


def image_of(pixels: AnyImage) -> Image.Image:
    """Pillow's image of pixels; one of Pillow's as it is."""
    if isinstance(pixels, Image.Image):
        return pixels
    height, width = pixels.shape[:2]
    if height * width <= _SMALL:
        return Image.fromarray(pixels)
    image = Image.new("L" if pixels.ndim == 2 else "RGB", (width, height), None)
    for rows in _bands(height, pixels.size // height):
        image.paste(Image.fromarray(pixels[rows]), (0, rows.start))
    return image


def _bands(height: int, values: int) -> Iterator[slice]:
    """The rows of a large image, with so many values each, in pieces."""
    step = max(1, _BAND // values)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))
