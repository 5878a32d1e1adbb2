"""Opening image files by Pillow: which formats, which frame, which way up."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

from PIL import Image, UnidentifiedImageError

from whylight.errors import WhylightError, WhylightWarning

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
_HEIF_PACKAGES = ("pillow_heif", "pi_heif")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""ISO/IEC 23008-12: what a file of HEIF says it is, behind ``ftyp``."""
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
    try:
        return Image.open(content, formats=[expected])
    except UnidentifiedImageError:
        return _opened_as_any(content, source)


def _opened_as_any(content: io.BytesIO, source: str) -> Image.Image:
    for plugin in _PLUGINS.values():
        with suppress(ImportError):  # AVIF came to Pillow in 11.3
            import_module(plugin)
    with suppress(UnidentifiedImageError):
        return Image.open(content, formats=[name for name in _PLUGINS if name in Image.OPEN])
    if _is_heif(content.getvalue()):
        return _heif(content, source)
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


def _is_heif(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS


def _heif(content: io.BytesIO, source: str) -> Image.Image:
    package = next((name for name in _HEIF_PACKAGES if find_spec(name)), None)
    if package is None:
        raise WhylightError(f"{source}: a HEIC image: install what reads it: pip install 'whylight[heic]'")
    import_module(package).register_heif_opener()
    return Image.open(content, formats=["HEIF"])
