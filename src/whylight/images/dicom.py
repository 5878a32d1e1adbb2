"""DICOM files: the first frame, in the window that the file states."""

from __future__ import annotations

import io
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.files.values import finite
from whylight.images.opening import check_pixels, opened

_BYTES, _GRAY = 24, 52
"""What a value takes at most: as it is stored, rescaled in double precision, in single, resized; and one of gray, of
which RGB is made."""
_PIECE = 1 << 16
_FACTS_OF_FILE = 2
"""DICOM PS3.10: the group of what is said of the file; behind it a file may be deflated."""
_COPIES = 2
"""Of an inflated file: pydicom holds it, and its pixels once more."""


def opened_dicom(path: Path, source: str) -> Any:
    """The data set of a DICOM file, with an image that there is memory for; its pixels are not decoded yet.

    Raises:
        WhylightError: it holds no image, or would take more memory than a file may ask for.
    """
    from pydicom import dcmread

    stored = path.stat().st_size
    _check_inflated(path, source, stored)
    dataset = dcmread(path)
    if "Rows" not in dataset:
        raise WhylightError(f"{source}: a DICOM file without an image")
    bytes_a_pixel = max(_GRAY, _BYTES * int(dataset.SamplesPerPixel))
    check_pixels(int(dataset.Rows), int(dataset.Columns), bytes_a_pixel, source, stored)
    _check_frame(dataset, source, stored)
    return dataset


def dicom_pixels(dataset: Any, source: str) -> tuple[NDArray[Any], float]:
    """The pixels (H, W, C) of the first frame, and their value of white.

    Gray: slope * stored value + intercept, from black to white of the range that `_window` says.

    Raises:
        WhylightError: values are no numbers.
    """
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    stored = pixel_array(dataset, index=0)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        colors = apply_color_lut(stored, dataset)
        return colors, float(np.iinfo(colors.dtype).max)
    black, white = _window(dataset)
    values = stored.astype(np.float64)  # which changes in place: images are large
    del stored
    values *= float(dataset.get("RescaleSlope", 1))
    values += float(dataset.get("RescaleIntercept", 0))
    values -= black
    values /= white - black
    pixels = values.clip(0, 1, out=values).astype(np.float32)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        pixels = 1 - pixels
    return np.atleast_3d(finite(pixels, source)), 1


def _window(dataset: Any) -> tuple[float, float]:
    """The rescaled values of black and white: of the first window that the DICOM file states, else of its stored bits.

    DICOM PS3.3 C.11.2.1.2: a window ends at center - 1/2 - (width - 1) / 2 and at center - 1/2 + (width - 1) / 2.
    """
    if "WindowWidth" not in dataset or "WindowCenter" not in dataset:
        return 0, 2.0 ** int(dataset.BitsStored) - 1
    center, width = (float(np.atleast_1d(value)[0]) for value in (dataset.WindowCenter, dataset.WindowWidth))
    half = max(width - 1, 1e-3) / 2
    return center - 0.5 - half, center - 0.5 + half


def _check_inflated(path: Path, source: str, stored: int) -> None:
    """Of a deflated file, which pydicom inflates as a whole, see first how much that is.

    Raises:
        WhylightError: it would take more memory than a file may ask for.
    """
    from pydicom.filereader import read_dataset, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with path.open("rb") as file:
        read_preamble(file, force=False)
        facts = read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != _FACTS_OF_FILE)
        if facts.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        inflating, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while piece := inflating.unconsumed_tail or file.read(_PIECE):
            size += len(inflating.decompress(piece, _PIECE * 16))
            check_memory(source, "what it inflates to", size * _COPIES, stored)
            if inflating.eof:
                return


def _check_frame(dataset: Any, source: str, stored: int) -> None:
    """Of a compressed first frame see that it has no more pixels than there is memory for, whatever the file states.

    Raises:
        WhylightError: it has.
    """
    from pydicom.encaps import get_frame

    if "PixelData" not in dataset or not dataset.file_meta.TransferSyntaxUID.is_compressed:
        return
    frame = get_frame(dataset.PixelData, 0, number_of_frames=int(dataset.get("NumberOfFrames", 1)))
    with suppress(UnidentifiedImageError), opened(io.BytesIO(frame), ".jpg", source) as image:
        bytes_a_pixel = max(_GRAY, _BYTES * len(image.getbands()))
        check_pixels(image.height, image.width, bytes_a_pixel, f"{source}: its first frame", stored)
