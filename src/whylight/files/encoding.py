"""The content of image files."""

import io
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
from PIL import Image

from whylight.errors import WhylightError
from whylight.files.png import Pixels, encoded_pngs
from whylight.files.writing import save_bytes

_LONGEST_COMMENT = 65533
_IMAGE_DESCRIPTION = 0x010E
VECTOR_ENDINGS = (".svg", ".pdf")
"""Of files that keep text and lines as such: see `whylight.drawing.saving`."""

_JPEG = ("JPEG", {"quality": 90, "subsampling": 0})  # in an overlay, colors tell as much as brightness


_PILLOW_FORMATS: dict[str, tuple[str, dict[str, int]]] = {
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", {"quality": 90, "method": 2}),
    ".bmp": ("BMP", {}),
}


def encoded_image(image: Image.Image | Pixels, ending: str, description: str = "") -> bytes:
    """An image file's content: `encoded_images` of one."""
    return next(encoded_images([np.asarray(image)], ending, [description]))


def encoded_images(images: Iterable[Pixels], ending: str, descriptions: Iterable[str] = repeat("")) -> Iterator[bytes]:
    """The content of image files.

    Args:
        images: gray (H, W) or RGB (H, W, 3).
        ending: names the format: ``.png``, ``.jpg``, ``.jpeg``, ``.webp`` or ``.bmp``.
        descriptions: what each shows, kept in the file: as text of a PNG, comment of a JPEG, EXIF of a WebP file.

    Raises:
        WhylightError: the ending names no known format.
    """
    ending = ending.lower()
    if ending == ".png":
        yield from encoded_pngs(images, descriptions)
        return
    if ending not in _PILLOW_FORMATS:
        known = ", ".join((".png", *_PILLOW_FORMATS, *VECTOR_ENDINGS))
        raise WhylightError(f"no image format for '{ending}': expected one of {known}")
    form, options = _PILLOW_FORMATS[ending]
    for image, description in zip(images, descriptions, strict=False):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, form, **options, **_described(form, description))
        yield buffer.getvalue()


def _described(form: str, description: str) -> dict[str, bytes]:
    """The option by which Pillow keeps a description in a file of the format."""
    data = description.encode("utf-8", "replace")
    if not data:
        return {}
    if form == "JPEG":
        return {"comment": data[:_LONGEST_COMMENT]}
    if form == "WEBP":
        exif = Image.Exif()
        exif[_IMAGE_DESCRIPTION] = data
        return {"exif": exif.tobytes()}
    return {}


def save_image(image: Image.Image | Pixels, path: Path, description: str = "") -> None:
    """Write a gray or RGB image in the format that the file's ending names: see `encoded_image`.

    Raises:
        WhylightError: the ending names no known format, or the file cannot be written.
    """
    save_bytes(encoded_image(image, path.suffix, description), path)
