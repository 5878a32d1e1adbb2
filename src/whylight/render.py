"""From map to picture: colors, and the blend over the image."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import WhylightError
from whylight.facts import Box

FloatArray = NDArray[np.float32]

_ANCHORS = {
    # red, green, blue at equal steps from 0 to 1; straight lines between them
    "jet": ["00007f", "0000ff", "007fff", "00ffff", "7fff7f", "ffff00", "ff7f00", "ff0000", "7f0000"],
    "viridis": ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"],
    "inferno": ["000004", "210c4a", "57106e", "8a226a", "bc3754", "e45a31", "f98e09", "f9cb35", "fcffa4"],
    "turbo": ["30123b", "4675ed", "1bcfd4", "62fc6b", "d1e834", "fe9b2d", "d93806", "7a0403"],
    "gray": ["000000", "ffffff"],
}
COLORMAPS = tuple(_ANCHORS)


def colorize(values: FloatArray, colormap: str = "jet") -> FloatArray:
    """Colors (..., 3) from 0 to 255 for values from 0 to 1.

    ``jet`` is the Console plugins' own formula, exact; the others are lines between a few published colors.

    Raises:
        WhylightError: there is no such color map.
    """
    if colormap not in COLORMAPS:
        raise WhylightError(f"no color map '{colormap}': expected one of {', '.join(COLORMAPS)}")
    if colormap == "jet":
        distance = np.abs(values[..., np.newaxis] - np.array([0.75, 0.5, 0.25], np.float32))
        return (255 * np.clip(1.5 - 4 * distance, 0, 1)).astype(np.float32)
    anchors = np.array([list(bytes.fromhex(anchor)) for anchor in _ANCHORS[colormap]], np.float32)
    steps = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, steps, anchors[:, channel]) for channel in range(3)], -1).astype(np.float32)


def overlay(
    image: Image.Image, cam: FloatArray, crop: Box = (0, 0, 1, 1), alpha: float = 0.5, colormap: str = "jet"
) -> Image.Image:
    """Blend a map over an image, as the Console's plugins do: color the map, enlarge the colors, blend.

    Args:
        image: an RGB image.
        cam: a map (h, w) in [0, 1].
        crop: the part of the image that the map covers; the rest, which the network did not see, is dimmed.
        alpha: the weight of the colors, 0 to 1.
        colormap: one of `COLORMAPS`.

    Returns:
        An RGB image of the size of ``image``.

    Raises:
        WhylightError: no such color map, or ``alpha`` is out of range.
    """
    if not 0 <= alpha <= 1:
        raise WhylightError(f"alpha is {alpha}, expected a number from 0 to 1")
    pixels = np.asarray(image, np.float32)
    height, width = pixels.shape[:2]
    top, left = round(crop[0] * height), round(crop[1] * width)
    bottom, right = max(round(crop[2] * height), top + 1), max(round(crop[3] * width), left + 1)
    heat = np.zeros_like(pixels)
    heat[top:bottom, left:right] = _enlarged(colorize(cam, colormap), bottom - top, right - left)
    return Image.fromarray((np.float32(alpha) * heat + np.float32(1 - alpha) * pixels).astype(np.uint8))


def _enlarged(colors: FloatArray, height: int, width: int) -> FloatArray:
    """Colors (h, w, 3) bilinearly resized, in full precision."""
    return np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(channel)).resize((width, height), Image.Resampling.BILINEAR)
            )
            for channel in np.moveaxis(colors, -1, 0)
        ],
        -1,
    )
