"""What a map is laid over: the picture itself, a signal's curve, or slices of a volume side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.contract import Box, InputFacts
from whylight.drawing.render import enlarged_maps
from whylight.files.bands import AnyImage, size_of
from whylight.files.png import Pixels
from whylight.images.pictures import Picture, display

FloatArray = NDArray[np.float32]

_CURVE_HEIGHT, _CURVE_WIDTHS = 160, (480, 2048)
"""Pixels; a sample takes one where the width allows it."""
_MARGIN = 8
_SLICES = 8
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


@dataclass(frozen=True)
class View:
    """An image to look at, and the map on it.

    Attributes:
        image: RGB.
        cam: (h, w), in [0, 1].
        crop: the part of the image that the map covers.
    """

    image: AnyImage
    cam: FloatArray
    crop: Box

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return size_of(self.image)


def view(picture: Picture, cam: FloatArray, crop: Box, facts: InputFacts) -> View:
    """A picture with its map (h, w), a signal with its map (l,), or a volume with its map (d, h, w).

    Args:
        picture: decoded, as the model takes it.
        cam: the map.
        crop: the part of the picture that it covers.
        facts: the model's input.
    """
    match facts.kind:
        case "signal":
            start, end = crop
            return View(_curve(picture.pixels), cam[np.newaxis], (0, start, 1, end))
        case "volume":
            return _slices(picture.pixels, cam, crop)
        case "picture":
            return View(display(picture, facts.maximum), cam, crop)


def overlay_size(one: View, facts: InputFacts, size: str | int) -> tuple[int, int]:
    """Height and width of an overlay, as `Rendering` has its size."""
    if size == "original" or not facts.is_picture:
        return one.size
    if size == "input":
        return facts.height, facts.width
    height, width = (max(1, round(side * int(size) / max(one.size))) for side in one.size)
    return height, width


def _curve(values: FloatArray) -> Pixels:
    """The channels of a signal (l, C) as curves of one scale."""
    from PIL import ImageDraw

    width = int(np.clip(len(values), *_CURVE_WIDTHS))
    image = Image.new("RGB", (width, _CURVE_HEIGHT), _PAPER)
    pen = ImageDraw.Draw(image)
    low, high = values.min(), values.max()
    heights = (values - low) / (high - low if high > low else 1)
    rows = _CURVE_HEIGHT - _MARGIN - heights * (_CURVE_HEIGHT - 2 * _MARGIN)
    columns = (np.arange(len(values)) + 0.5) * width / len(values)
    for channel in rows.T:
        pen.line([*zip(columns.tolist(), channel.tolist(), strict=True)], _INK)
    return np.asarray(image)


def _slices(values: FloatArray, cam: FloatArray, crop: Box) -> View:
    """Up to eight slices of a volume (d, h, w, C) at equal steps of its depth, from left to right."""
    depth, height, width, _ = values.shape
    chosen = np.linspace(0, depth - 1, min(depth, _SLICES)).round().astype(int)
    low, high = values.min(), values.max()
    gray = (255 * ((values[chosen] - low) / (high - low if high > low else 1))).round().astype(np.uint8)
    image = display(Picture(np.concatenate(list(gray), axis=1), 255, ""), 1)
    columns = cam.reshape(1, len(cam), -1)
    deep = enlarged_maps(columns, (depth, columns.shape[2]), (crop[0], 0, crop[3], 1))
    planes = deep[0, chosen].reshape(-1, *cam.shape[1:])
    large = enlarged_maps(planes, (height, width), (crop[1], crop[2], crop[4], crop[5]))
    return View(image, np.concatenate(list(large), axis=1), (0, 0, 1, 1))
