"""From map to picture: colors, and the blend over the image."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.contract import Box
from whylight.drawing.colormaps import COLORMAPS
from whylight.errors import WhylightError
from whylight.files.bands import AnyImage, image_of, is_large, pixels_of, size_of
from whylight.files.png import Pixels

FloatArray = NDArray[np.float32]

_SHADES = 4096
"""Colors in a table: so many that no picture is further than 1 of 255 from the formula."""
_BLOCK = 1 << 16
"""Values blended at a time: they stay in the processor's cache."""
_LARGE_BLOCK = 1 << 18
"""As `_BLOCK`, of images that are blended band by band."""
_SMALL_PRODUCT = 1 << 18
"""Multiplications up to which BLAS libraries use one thread; their threads would wait for those of ONNX Runtime."""


def colorize(values: FloatArray, colormap: str = "jet") -> FloatArray:
    """Colors (..., 3) from 0 to 255 for values from 0 to 1.

    ``jet`` is the Console plugins' own formula, exact; the others are lines between published colors.

    Raises:
        WhylightError: there is no such color map.
    """
    if colormap not in COLORMAPS:
        raise WhylightError(f"no color map '{colormap}': expected one of {', '.join(COLORMAPS)}")
    if colormap == "jet":
        distance = np.abs(values[..., np.newaxis] - np.array([0.75, 0.5, 0.25], np.float32))
        return (255 * np.clip(1.5 - 4 * distance, 0, 1)).astype(np.float32)
    anchors = np.frombuffer(bytes.fromhex(COLORMAPS[colormap]), np.uint8).reshape(-1, 3)
    steps = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(values, steps, anchors[:, channel]) for channel in range(3)], -1).astype(np.float32)


def overlay(
    image: Image.Image, cam: FloatArray, crop: Box = (0, 0, 1, 1), alpha: float = 0.5, colormap: str = "jet"
) -> Image.Image:
    """Blend a map (h, w) over an RGB image: `overlays` of one."""
    return image_of(next(overlays([image], cam[np.newaxis], crop, alpha, colormap)))


def overlays(
    images: Sequence[AnyImage],
    cams: FloatArray,
    crop: Box = (0, 0, 1, 1),
    alpha: float = 0.5,
    colormap: str = "jet",
) -> Iterator[AnyImage]:
    """Blend maps over images, as the Console's plugins do: color the maps, enlarge the colors, blend.

    Small images of one size are blended together; large ones one by one, as they are asked for.

    Args:
        images: N RGB images, of any sizes.
        cams: their maps (N, h, w) in [0, 1].
        crop: the part of an image that its map covers; the rest, which the network did not see, is dimmed.
        alpha: the weight of the colors, 0 to 1.
        colormap: one of `COLORMAPS`.

    Yields:
        RGB images of the sizes of ``images``, in their order, within 1 of 255 of the formula computed in full:
        small ones as arrays (H, W, 3), large ones as Pillow's.

    Raises:
        WhylightError: no such color map, or ``alpha`` is out of range.
    """
    if not 0 <= alpha <= 1:
        raise WhylightError(f"alpha is {alpha}, expected a number from 0 to 1")
    shades = (cams * (_SHADES - 1) + 0.5).astype(np.intp)
    colors = np.float32(alpha) * _table(colormap).take(shades, 0, mode="clip")
    blended: dict[int, Pixels] = {}
    share = np.float32(1 - alpha)
    sizes = [size_of(image) for image in images]
    for index, (image, size) in enumerate(zip(images, sizes, strict=True)):
        if is_large(size):
            yield _blended_in_bands(image_of(image), colors[index], crop, share)
            continue
        if index not in blended:
            alike = (other for other in range(index, len(images)) if sizes[other] == size)
            group = list(islice(alike, max(1, _BLOCK // (size[0] * size[1] * 3))))
            pictures = _blended(np.stack([pixels_of(images[other]) for other in group]), colors[group], crop, share)
            blended |= zip(group, pictures, strict=True)
        yield blended.pop(index)


def enlarged_maps(cams: FloatArray, size: tuple[int, int], crop: Box = (0, 0, 1, 1)) -> FloatArray:
    """Maps (N, h, w) as (N, height, width): resized to the crop, as `overlays` does it, and 0 outside of it."""
    height, width = size
    tall = _enlarged(cams, height, crop[0], crop[2])
    return np.ascontiguousarray(_enlarged(tall.swapaxes(1, 2), width, crop[1], crop[3]).swapaxes(1, 2))


def _blended(images: Pixels, colors: FloatArray, crop: Box, share: np.float32) -> Pixels:
    """Images (N, H, W, 3), of each its share, and on them the colors (N, h, w, 3), enlarged to the crop. In place."""
    count, height, width, _ = images.shape
    lines = images.reshape(count, height, -1)
    wide = _enlarged(colors.swapaxes(1, 2), width, crop[1], crop[3]).swapaxes(1, 2).reshape(count, colors.shape[1], -1)
    for rows, cells, weights in _bands(colors.shape[1], height, wide.shape[-1], crop[0], crop[2]):
        heat = np.matmul(weights, wide[:, cells])
        heat += lines[:, rows] * share
        lines[:, rows] = heat
    return images


def _blended_in_bands(image: Image.Image, colors: FloatArray, crop: Box, share: np.float32) -> Image.Image:
    """As `_blended`, of one large image: each band of rows is taken out of it, blended, and put into another image.

    It is computed in integers, 256 for 1. Neighboring rows share their heat where it differs by less than rounding.
    """
    width, height = image.size
    wide = _enlarged(colors.swapaxes(0, 1)[np.newaxis], width, crop[1], crop[3])[0].swapaxes(0, 1)
    wide = (256 * wide).reshape(len(colors), -1)
    matrix = _interpolation(len(colors), height, crop[0], crop[2])
    alike = _rows_alike(len(colors), height, 1 - float(share)) if (crop[0], crop[2]) == (0, 1) else 1
    step = alike * max(1, _LARGE_BLOCK // (alike * width * 3))
    blended = Image.new("RGB", image.size, None)
    for first in range(0, height, step):
        band = pixels_of(image.crop((0, first, width, min(first + step, height))))
        middles = np.arange(first + alike // 2, first + len(band) + alike // 2, alike).clip(max=height - 1)
        heat = _product(matrix[middles], wide).astype(np.uint16)
        values = np.multiply(band, np.uint16(round(256 * float(share))), dtype=np.uint16).reshape(len(band), -1)
        for row in range(alike):
            rows = values[row::alike]
            rows += heat[: len(rows)]
        values >>= 8
        blended.paste(image_of(values.astype(np.uint8).reshape(band.shape)), (0, first))
    return blended


def _rows_alike(cells: int, height: int, alpha: float) -> int:
    """An odd number of rows: the heat of each of them is that of the middle one, but for less than half of 1 of 255."""
    steepest = 255 * alpha * cells / height
    return min(1 + 2 * int(0.45 / steepest), height) if steepest else 1


def _product(weights: FloatArray, columns: FloatArray) -> FloatArray:
    """The matrix product of weights (n, cells), few of them not zero, and columns (cells, m), in one thread."""
    used = np.flatnonzero(weights.any(0))
    cells = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)
    weights, columns = np.ascontiguousarray(weights[:, cells]), columns[cells]
    product = np.empty((len(weights), columns.shape[1]), np.float32)
    step = max(1, _SMALL_PRODUCT // weights.size)
    for first in range(0, columns.shape[1], step):
        np.matmul(weights, columns[:, first : first + step], out=product[:, first : first + step])
    return product


def _enlarged(values: FloatArray, size: int, start: float, stop: float) -> FloatArray:
    """Values (N, cells, ...) resized along axis 1: they fill ``size`` from start to stop; 0 elsewhere."""
    count, cells = values.shape[:2]
    columns = np.ascontiguousarray(values).reshape(count, cells, -1)
    enlarged = np.empty((count, size, columns.shape[-1]), np.float32)
    for rows, sources, weights in _bands(cells, size, columns.shape[-1], start, stop):
        np.matmul(weights, columns[:, sources], out=enlarged[:, rows])
    return enlarged.reshape(count, size, *values.shape[2:])


@lru_cache(maxsize=256)
def _bands(cells: int, size: int, columns: int, start: float, stop: float) -> list[tuple[slice, slice, FloatArray]]:
    """The matrix of `_interpolation` in blocks of rows: the rows, the cells they depend on, and the weights.

    A block times (cells, columns) is small enough for the cache and for one thread.
    """
    matrix = _interpolation(cells, size, start, stop)
    step = max(1, _BLOCK // columns)
    while step > 1 and step * (step * cells // size + 2) * columns > _SMALL_PRODUCT:
        step //= 2
    bands = []
    for first in range(0, size, step):
        rows = slice(first, min(first + step, size))
        used = np.flatnonzero(matrix[rows].any(0))
        sources = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)
        bands.append((rows, sources, np.ascontiguousarray(matrix[rows, sources])))
    return bands


def _interpolation(cells: int, size: int, start: float, stop: float) -> FloatArray:
    """The matrix (size, cells) that resizes as Pillow's antialiased BILINEAR does: tents over the new pixels' centers.

    Pixels outside of the part from ``start`` to ``stop`` get nothing.
    """
    first = round(start * size)
    count = max(round(stop * size) - first, 1)
    scale = cells / count
    centers = (np.arange(count)[:, np.newaxis] + 0.5) * scale
    tents = np.clip(1 - np.abs(np.arange(cells) + 0.5 - centers) / max(scale, 1), 0, None)
    matrix = np.zeros((size, cells), np.float32)
    matrix[first : first + count] = tents / tents.sum(1, keepdims=True)
    return matrix


@cache
def _table(colormap: str) -> FloatArray:
    return colorize(np.linspace(0, 1, _SHADES, dtype=np.float32), colormap)
