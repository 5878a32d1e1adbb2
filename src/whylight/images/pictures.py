"""Pictures: read from files and arrays, converted to a model's channels, resized and scaled to its range.

A model sees what Neural Network Console would show it: gray made of RGB or RGB of gray, alpha dropped, palettes
resolved, 16-bit images scaled by 65535, DICOM files in the window they state, photographs turned as their EXIF
orientation says, sizes changed by Pillow's antialiased bilinear filter.
"""

import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from whylight.errors import WhylightError
from whylight.files.bands import AnyImage, is_large, pixels_of, size_of
from whylight.files.budget import check_whole_file, stored_bytes
from whylight.files.checks import one_line, reading
from whylight.files.storage import is_remote, local_copy
from whylight.files.values import finite, read_values
from whylight.images.opening import check_pixels, load, opened, upright, warn_of_frames
from whylight.images.reduced import Enough

Array = NDArray[Any]
FloatArray = NDArray[np.float32]

_PICTURE_CHANNELS = (1, 3)
_LUMA = np.array([0.299, 0.587, 0.114])
"""Red, green and blue in gray, of ITU-R BT.601: Pillow's weights too."""
_TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 262, 0

_BYTES_A_VALUE = 24
"""What a value of an array takes at most: in single precision, checked, resized, drawn."""

_thread = threading.local()


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        content: its pixels; of a large image of 8 bits, gray or RGB as the model wants it, Pillow's image of them,
            which is not to be written to.
        white: the value of full brightness: 255, 65535 or 1; None where the values are already in the model's own
            range (.npy and .csv files, but for bytes).
        source: where it comes from, for messages.
    """

    content: Array | Image.Image
    white: float | None
    source: str

    @cached_property
    def pixels(self) -> Array:
        """(H, W, C) uint8, uint16 or float32, C as the model wants it."""
        return pixels_of(self.content)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return size_of(self.content)

    @property
    def channels(self) -> int:
        """As the model wants it."""
        if isinstance(self.content, Image.Image):
            return len(self.content.getbands())
        return int(self.content.shape[-1])


def read_picture(path: Path, channels: int, exif_orientation: bool = True, enough: Enough | None = None) -> Picture:
    """Read an image file: AVIF, BMP, GIF, JPEG, JPEG 2000, PNG, TIFF, WebP, DICOM, or values from .npy and .csv.

    HEIC too, where a package that reads it is installed. Of several frames or pages the first is taken.

    Args:
        path: the file. The ending tells .dcm, .npy and .csv; the others are known by their content.
        channels: the model's: 1 is gray, 3 is RGB; any other number can only come from .npy.
        exif_orientation: whether it is turned as its EXIF orientation says. TIFF and HEIC files always are.
        enough: which size is enough of a JPEG file; by default all of it is decoded.

    Raises:
        WhylightError: it is missing, not an image, corrupt, too large, empty, or has the wrong channels.
    """
    source = one_line(path)
    suffix = path.suffix.lower()
    if is_remote(path):
        with local_copy(path) as copy:
            return replace(read_picture(copy, channels, exif_orientation, enough), source=source)
    if suffix in (".npy", ".csv"):
        values = _channels_last(read_values(path), (channels,), source, stored_bytes(path))
        if values.dtype == np.uint8:
            return Picture(values.copy(), 255, source)
        return Picture(finite(values.astype(np.float32), source), None, source)
    check_whole_file(path)
    with _decoding(source):
        if suffix == ".dcm":
            return _dicom_picture(path, channels, source)
        # of a file in memory Pillow takes half the time that it takes of one it reads in pieces
        with path.open("rb", buffering=0) as file:
            content = io.BytesIO(file.read())
    return decoded(content, channels, source, suffix, exif_orientation, enough)


def decoded(
    content: io.BytesIO,
    channels: int,
    source: str,
    suffix: str = "",
    exif_orientation: bool = True,
    enough: Enough | None = None,
) -> Picture:
    """The picture in an image file's content; see `read_picture`.

    Raises:
        WhylightError: it is not an image, corrupt, too large, empty, or has the wrong channels.
    """
    with _decoding(source), opened(content, suffix, source) as image:
        warn_of_frames(image, source)
        return _pillow_picture(image, channels, source, exif_orientation, enough, content.getbuffer().nbytes)


def picture_of(image: Image.Image | Array, channels: int, exif_orientation: bool = True) -> Picture:
    """A picture of what Python code holds.

    Args:
        image: a Pillow image, or an array (H, W), (H, W, C) or (C, H, W): uint8, uint16, or float in [0, 1]; C is
            the model's channel count, or 1 to 4 (gray, gray and alpha, RGB, RGB and alpha) where that is 1 or 3.
        channels: the model's.
        exif_orientation: whether a Pillow image is turned as its EXIF orientation says.

    Raises:
        WhylightError: the type, shape or values are none of these.
    """
    if isinstance(image, Image.Image):
        source = str(getattr(image, "filename", "")) or "the image"
        with _decoding(source):
            picture = _pillow_picture(image, channels, source, exif_orientation)
        return replace(picture, content=image.copy()) if picture.content is image else picture
    source = "the array"
    counts = (channels, 3, 1, 4, 2) if channels in _PICTURE_CHANNELS else (channels,)
    pixels = _channels_last(image, counts, source, image.nbytes)
    if image.dtype == np.uint8 and channels in _PICTURE_CHANNELS:
        flat = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
        return _pillow_picture(Image.fromarray(np.array(flat, order="C")), channels, source, exif_orientation=False)
    if image.dtype in (np.uint8, np.uint16):
        return Picture(_converted(pixels, channels).copy(), float(np.iinfo(image.dtype).max), source)
    if image.dtype.kind == "f":
        return _unit_picture(pixels.astype(np.float32), channels, source)
    raise WhylightError(f"{source}: values of type {image.dtype}: expected uint8, uint16, or float from 0 to 1")


def model_input(picture: Picture, size: tuple[int, int], maximum: float) -> FloatArray:
    """One picture (C, h, w) of `model_inputs`."""
    image: FloatArray = model_inputs([picture], size, maximum)[0]
    return image


def normalize(inputs: FloatArray, mean: Sequence[float], std: Sequence[float], channel_order: str) -> None:
    """(value - mean) / std, in place, of images (N, C, h, w) that are RGB, in the model's order of channels."""
    if channel_order == "BGR":
        inputs[:] = inputs[:, ::-1].copy()
    if mean:
        inputs -= np.array(mean, np.float32).reshape(-1, *[1] * (inputs.ndim - 2))
    if std:
        inputs /= np.array(std, np.float32).reshape(-1, *[1] * (inputs.ndim - 2))


def model_inputs(pictures: Sequence[Picture], size: tuple[int, int], maximum: float) -> FloatArray:
    """Pictures at the size and in the range that the model takes, not yet normalized by a mean.

    Args:
        pictures: one or more, of one channel count and any sizes.
        size: height and width of the model's input.
        maximum: the model's value of white.

    Returns:
        (N, C, h, w) float32.
    """
    inputs = np.empty((len(pictures), pictures[0].channels, *size), np.float32)
    for image, picture in zip(inputs, pictures, strict=True):
        white = maximum if picture.white is None else picture.white
        np.divide(_resized(picture, size).transpose(2, 0, 1), np.float32(white / maximum), out=image)
    return inputs


def display(picture: Picture, maximum: float) -> AnyImage:
    """The picture for people to look at, as 8-bit RGB; other channel counts than 1 and 3 as their mean.

    Args:
        picture: any.
        maximum: the model's value of white, for a picture in the model's own range.

    Returns:
        An image not to be written to: it may be the picture's own. Small ones are arrays (H, W, 3).
    """
    content = picture.content
    if isinstance(content, Image.Image) and is_large(picture.size):
        return content if content.mode == "RGB" else content.convert("RGB")
    pixels = picture.pixels
    if pixels.dtype != np.uint8:
        white = maximum if picture.white is None else picture.white
        pixels = (pixels.clip(0, white).astype(np.float32) * np.float32(255 / white)).round().astype(np.uint8)
    if pixels.shape[-1] not in _PICTURE_CHANNELS:
        pixels = pixels.mean(-1, keepdims=True).round().astype(np.uint8)
    return _converted(pixels, 3)


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep decoders' warnings to themselves. One block around many pictures takes less time than one each."""
    if getattr(_thread, "is_quiet", False):
        yield
        return
    with warnings.catch_warnings():
        # only theirs: where threads read images, a filter may outlive its block
        warnings.filterwarnings("ignore", module=r"PIL\.|pydicom\.")
        _thread.is_quiet = True
        try:
            yield
        finally:
            _thread.is_quiet = False


# ---- decoders


@contextmanager
def _decoding(source: str) -> Iterator[None]:
    """Turn every way in which decoders fail into one message, and keep their warnings to themselves."""
    with quiet_decoders(), reading(source, "an image"):
        try:
            yield
        except UnidentifiedImageError as error:
            expected = "AVIF, BMP, GIF, HEIC, JPEG, JPEG 2000, PNG, TIFF, WebP, .dcm, .npy or .csv"
            raise WhylightError(f"{source}: not an image: expected {expected}") from error


def _pillow_picture(
    image: Image.Image,
    channels: int,
    source: str,
    exif_orientation: bool,
    enough: Enough | None = None,
    stored: int = 0,
) -> Picture:
    _check_channels(len(image.getbands()), channels, source)
    if enough and all(image.size):
        enough.reduce(image)
    load(image, source, stored)
    is_inverted = image.format == "TIFF" and image.tag_v2.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO  # type: ignore[attr-defined]
    if exif_orientation:
        image = upright(image, source)
    if image.mode == "F":
        return _unit_picture(np.asarray(image)[..., np.newaxis], channels, source)
    if image.mode.startswith("I"):
        return Picture(_converted(_16_bits(image, is_inverted, source)[..., np.newaxis], channels), 65535, source)
    if image.mode == "LAB":  # Pillow makes no gray of it
        image = image.convert("RGB")
    mode = "RGB" if channels == 3 else "L"
    if image.mode != mode:
        image = image.convert(mode)
    return Picture(image if is_large(size_of(image)) else pixels_of(image), 255, source)


def _16_bits(image: Image.Image, is_inverted: bool, source: str) -> NDArray[np.uint16]:
    """The values of a gray image of more than 8 bits; older Pillow holds them in 32."""
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise WhylightError(f"{source}: values from {low} to {high}: expected 8 or 16 bits, 0 to 65535")
    if is_inverted:
        values = 65535 - values
    return values.astype(np.uint16)


def _dicom_picture(path: Path, channels: int, source: str) -> Picture:
    from whylight.images.dicom import dicom_pixels, opened_dicom

    dataset = opened_dicom(path, source)
    _check_channels(int(dataset.SamplesPerPixel), channels, source)
    pixels, white = dicom_pixels(dataset, source)
    return Picture(_converted(pixels, channels), white, source)


# ---- channels, values, sizes


def _unit_picture(pixels: FloatArray, channels: int, source: str) -> Picture:
    low, high = finite(pixels, source).min(), pixels.max()
    if low < 0 or high > 1:
        raise WhylightError(
            f"{source}: values from {low:g} to {high:g}: expected float values from 0 to 1, or integers"
        )
    return Picture(_converted(pixels, channels), 1, source)


def _channels_last(array: Array, counts: Sequence[int], source: str, stored: int) -> Array:
    """The array as (H, W, C), C one of ``counts``: the first that fits, and (C, H, W) before (H, W, C)."""
    candidates: list[Array] = []
    if array.ndim == 2:
        candidates = [array[..., np.newaxis]]
    elif array.ndim == 3:
        candidates = [np.moveaxis(array, 0, -1), array]
    for count in counts:
        for candidate in candidates:
            if candidate.shape[-1] == count:
                check_pixels(candidate.shape[0], candidate.shape[1], _BYTES_A_VALUE * count, source, stored)
                return candidate
    expected = f"({counts[0]}, H, W) or (H, W, {counts[0]})" + (" or (H, W)" if 1 in counts else "")
    raise WhylightError(
        f"{source}: an array of shape {array.shape}, but the model has {_channels(counts[0])}: expected {expected}"
    )


def _converted(pixels: Array, channels: int) -> Array:
    """Pixels (H, W, C) with the channels asked for: alpha dropped, gray made of RGB or RGB of gray."""
    if channels == pixels.shape[-1]:
        return pixels
    if pixels.shape[-1] in (2, 4):
        return _converted(pixels[..., :-1], channels)
    if channels == 3:
        return np.repeat(pixels, 3, -1)
    gray: Array = pixels @ _LUMA
    rounded = gray if pixels.dtype.kind == "f" else gray.round()
    return rounded.astype(pixels.dtype)[..., np.newaxis]


def _resized(picture: Picture, size: tuple[int, int]) -> Array:
    """Pixels (H, W, C) at another height and width: 8-bit ones rounded to 8 bits again, others in float32."""
    height, width = size
    if picture.size == size:
        return picture.pixels
    if isinstance(picture.content, Image.Image):
        return pixels_of(picture.content.resize((width, height), Image.Resampling.BILINEAR))
    pixels = picture.content
    if pixels.dtype == np.uint8 and pixels.shape[-1] == 3:
        return _resized_plane(pixels, width, height)
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(pixels, -1, 0)]
    if pixels.dtype != np.uint8:
        planes = [plane.astype(np.float32) for plane in planes]
    return np.stack([_resized_plane(plane, width, height) for plane in planes], -1)


def _resized_plane(pixels: Array, width: int, height: int) -> Array:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _check_channels(found: int, channels: int, source: str) -> None:
    if channels not in _PICTURE_CHANNELS:
        raise WhylightError(
            f"{source}: an image of {_channels(found)}, but the model has {_channels(channels)}: "
            f"expected a .npy array ({channels}, H, W)"
        )


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
