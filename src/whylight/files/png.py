"""PNG files, written fast.

One filter for all rows and one fast pass of deflate: files a few percent larger than with the usual search for the best
filter of each row and the longest matches, in a twentieth of the time.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, islice, repeat
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Gray, gray and alpha, RGB, RGB and alpha, by their number of channels."""
_AVERAGE = 3
_BLOCK = 1 << 17
"""Bytes filtered at a time: they stay in the processor's cache."""

isal_zlib: Any = import_module("isal.isal_zlib") if find_spec("isal") else None
"""Intel's deflate, three times as fast as zlib; it is not built for every platform."""
crc32: Callable[[bytes | mmap, int], int] = (isal_zlib or zlib).crc32


def encoded_png(pixels: Pixels, description: str = "") -> bytes:
    """A PNG file's content, of pixels (H, W) or (H, W, C): gray, gray and alpha, RGB, or RGB and alpha.

    Args:
        pixels: of the image.
        description: what it shows, kept in the file as text; empty for none.
    """
    return next(encoded_pngs([pixels], [description]))


def encoded_pngs(images: Iterable[Pixels], descriptions: Iterable[str] = repeat("")) -> Iterator[bytes]:
    """What `encoded_png` makes of each image; small ones of one size that follow each other are filtered together."""
    for shape, alike in groupby(zip(images, descriptions, strict=False), lambda pair: pair[0].shape):
        together = max(1, _BLOCK // max(1, math.prod(shape)))
        while group := list(islice(alike, together)):
            stack = np.stack([pixels for pixels, _ in group]) if len(group) > 1 else group[0][0][np.newaxis]
            rows = zip(filtered(stack), group, strict=True)
            yield from [png_file(shape, deflated(each), description) for each, (_, description) in rows]


def filtered(images: Pixels) -> Pixels:
    """The rows of PNG files, (N, H, 1 + W * C): the filter's number, then each value less the mean of two neighbors.

    These are the values left and above.

    Args:
        images: (N, H, W) or (N, H, W, C).
    """
    count, height, width, channels = (*images.shape, 1)[:4]
    values = images.reshape(count, height, -1)
    rows = np.empty((count, height, 1 + width * channels), np.uint8)
    rows[..., 0] = _AVERAGE
    step, line = max(1, _BLOCK // (count * width * channels)), (width + 1) * channels
    for first in range(0, height, step):
        block = values[:, first : first + step]
        framed = np.zeros((count, block.shape[1] + 1, line), np.uint8)  # nothing left of the image and above
        framed[:, 1:, channels:] = block
        if first:
            framed[:, 0, channels:] = values[:, first - 1]
        flat = framed.reshape(-1)  # in one run of memory, images of few pixels take a third of the time
        left, above = flat[line - channels : -channels], flat[:-line]
        residue = np.empty_like(framed)
        np.subtract(flat[line:], (left & above) + ((left ^ above) >> 1), out=residue.reshape(-1)[line:])
        rows[:, first : first + step, 1:] = residue[:, 1:, channels:]
    return rows


def deflated(rows: Pixels) -> bytes:
    """A zlib stream of the rows."""
    if isal_zlib:
        stream: bytes = isal_zlib.compress(rows, 1)
        return stream
    # pixels repeat, if at all, at once: looking further back takes time and gains little
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    return compressor.compress(rows.data) + compressor.flush()


def png_file(shape: tuple[int, ...], stream: bytes, description: str = "") -> bytes:
    """A PNG file's content, of the image's shape (H, W) or (H, W, C) and a zlib stream of its filtered rows."""
    text = _chunk(b"iTXt", _DESCRIPTION + description.encode("utf-8", "replace")) if description else b""
    return b"".join([_beginning(shape), text, _chunk(b"IDAT", stream), _END])


@lru_cache
def _beginning(shape: tuple[int, ...]) -> bytes:
    height, width, channels = (*shape, 1)[:3]
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(data)), kind, data, struct.pack(">I", crc32(data, crc32(kind, 0)))])


_END = _chunk(b"IEND", b"")
_DESCRIPTION = b"Description" + bytes(5)
"""A keyword of the PNG standard; the text is not compressed, in no stated language, and has no translated keyword."""
