"""Opening image files by Pillow: which formats, which frame, which way up."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module

from PIL import Image, UnidentifiedImageError

from whylight.errors import WhylightError, WhylightWarning
from whylight.files.budget import check_memory
from whylight.images.heif import is_heif, register_heif

_PLUGINS = {
    "PNG": "PIL.PngImagePlugin",
    "JPEG": "PIL.JpegImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "DIB": "PIL.BmpImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
}
"""What reads each format, in the order in which they are tried. Pillow itself would load all plugins that it has."""
_SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".mpo": "JPEG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".jp2": "JPEG2000",
    ".jpx": "JPEG2000",
    ".j2k": "JPEG2000",
    ".avif": "AVIF",
}
"""The format that is tried first."""
IMAGE_SUFFIXES = frozenset([*_SUFFIXES, ".png", ".dib", ".heic", ".heif", ".dcm", ".npy"])
"""How the names of files end in which a folder's images are looked for."""
_SECOND_VIEWS = "MPO"
"""Two cameras' views, or a picture and its smaller copies: no animation."""

_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF 2.32, tag Orientation: what makes a stored image upright."""
_BYTES, _DEEP, _WAVELETS = 16, 40, 8
"""What a pixel takes at most until an overlay is drawn: of 8 bits; of more; and each channel of JPEG 2000."""
_TILE = (322, 323)
"""TIFF 6.0: width and height of the tiles that are decoded as wholes."""
_beyond_pillows_limit = threading.RLock()

_EXIF_KEYS = frozenset(("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"))
"""Where Pillow keeps what a file says of its orientation."""


def opened(content: io.BytesIO, suffix: str, source: str) -> Image.Image:
    """The image in a file's content, at its first frame, not yet decoded.

    Args:
        content: a file.
        suffix: its name's ending, in lower case: the format that is tried first.
        source: where it comes from, for messages.

    Raises:
        UnidentifiedImageError: it is of no format that can be read.
        WhylightError: it is of HEIF, and no package that reads it is installed.
    """
    expected = _SUFFIXES.get(suffix, "PNG")
    if expected not in Image.OPEN:
        import_module(_PLUGINS[expected])
    if expected == "TIFF":
        _silence_tiff()
    try:
        return _opened(content, [expected])
    except UnidentifiedImageError:
        return _opened_as_any(content, source)


def load(image: Image.Image, source: str, stored: int = 0) -> None:
    """Decode an image, if there is memory for it: the budget takes the place of Pillow's limit.

    Args:
        image: opened.
        source: where it comes from, for messages.
        stored: bytes of its file.

    Raises:
        WhylightError: it would take more memory than a file may ask for, or it has no pixels.
    """
    check_pixels(image.height, image.width, _bytes_a_pixel(image), source, stored)
    if image.format == "TIFF":
        width, height = (int(image.tag_v2.get(tag, 0)) for tag in _TILE)  # type: ignore[attr-defined]
        if width and height:
            check_pixels(height, width, _bytes_a_pixel(image), f"{source}: its tiles", stored)
    with _without_pillows_limit() if _is_beyond_pillows_limit(image.size) else nullcontext():
        image.load()


def check_pixels(height: int, width: int, bytes_a_pixel: int, source: str, stored: int = 0) -> None:
    """See that an image has pixels, and no more than there is memory for, before it is decoded.

    Args:
        height: as the file states it.
        width: likewise.
        bytes_a_pixel: what each takes, with all copies.
        source: where it comes from, for messages.
        stored: bytes of its file.

    Raises:
        WhylightError: it has none, or too many.
    """
    if height < 1 or width < 1:
        raise WhylightError(f"{source}: an image of {width} x {height} pixels: it is empty")
    check_memory(source, f"an image of {width} x {height} pixels", height * width * bytes_a_pixel, stored)


def _bytes_a_pixel(image: Image.Image) -> int:
    if image.mode.startswith(("I", "F")):
        return _DEEP
    return max(_BYTES, _WAVELETS * len(image.getbands())) if image.format == "JPEG2000" else _BYTES


def _opened(content: io.BytesIO, formats: list[str]) -> Image.Image:
    try:
        return Image.open(content, formats=formats)
    except Image.DecompressionBombError:
        with _without_pillows_limit():
            return Image.open(content, formats=formats)


def _is_beyond_pillows_limit(size: tuple[int, int]) -> bool:
    return Image.MAX_IMAGE_PIXELS is not None and size[0] * size[1] > Image.MAX_IMAGE_PIXELS


@contextmanager
def _without_pillows_limit() -> Iterator[None]:
    """Have Pillow look at larger images than it usually does, one at a time: its limit is of the whole process."""
    with _beyond_pillows_limit:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@cache
def _silence_tiff() -> None:
    """Keep off standard error what is found in TIFF files: by libtiff, which prints it, and by Pillow, which logs it.

    What fails is an exception all the same, and programs that keep a log have Pillow's.
    """
    import ctypes
    import logging

    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with suppress(OSError, AttributeError):  # libtiff is built into Pillow's own library, or is not there
        pillow = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
        for setter in (pillow.TIFFSetErrorHandler, pillow.TIFFSetWarningHandler):
            setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            setter(None)


def _opened_as_any(content: io.BytesIO, source: str) -> Image.Image:
    for plugin in _PLUGINS.values():
        with suppress(ImportError):  # AVIF came to Pillow in 11.3
            import_module(plugin)
    _silence_tiff()
    with suppress(UnidentifiedImageError):
        return _opened(content, [name for name in _PLUGINS if name in Image.OPEN])
    if is_heif(content.getvalue()):
        register_heif(content.getvalue(), source)
        return _opened(content, ["HEIF"])
    raise UnidentifiedImageError


def warn_of_frames(image: Image.Image, source: str) -> None:
    """Say it where a file holds more than the one image that is looked at."""
    if image.format != _SECOND_VIEWS and getattr(image, "is_animated", False):
        kind = "several pages" if image.format == "TIFF" else "an animation"
        warnings.warn(f"{source}: {kind}: the first is taken", WhylightWarning, stacklevel=2)


def upright(image: Image.Image, source: str) -> Image.Image:
    """The decoded image turned as its EXIF orientation says: as `PIL.ImageOps.exif_transpose` does it.

    Where that cannot be read it is left as it is stored, with a warning.
    """
    turn = _TURNS.get(_orientation(image, source))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image, source: str) -> int:
    is_file = image.format is not None
    if is_file and _EXIF_KEYS.isdisjoint(image.info):
        return 1  # most files: asking costs more than decoding a small image
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata raise what they like
        message = f"{source}: its EXIF data cannot be read: it is taken as it is stored, and may lie on its side"
        warnings.warn(message, WhylightWarning, stacklevel=2)
        return 1
