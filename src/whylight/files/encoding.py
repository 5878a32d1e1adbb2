"""The content of image files."""

import io
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image

from whylight.errors import WhylightError
from whylight.files.bands import AnyImage, image_of, is_large, pixels_of, size_of
from whylight.files.png import encoded_pngs
from whylight.files.writing import save_bytes

_LONGEST_COMMENT = 65533
_IMAGE_DESCRIPTION = 0x010E
VECTOR_ENDINGS = (".svg", ".pdf")
"""Of files that keep text and lines as such: see `whylight.drawing.saving`."""

_PILLOW_FORMATS: dict[str, tuple[str, dict[str, int]]] = {
    ".jpg": ("JPEG", {"quality": 90}),
    ".jpeg": ("JPEG", {"quality": 90}),
    ".webp": ("WEBP", {"quality": 90, "method": 2}),
    ".bmp": ("BMP", {}),
}
_LONGEST_EDGES = {"JPEG": 65500, "WEBP": 16383}
"""Pixels that a file of the format holds along an edge at most."""


def encoded_image(image: AnyImage, ending: str, description: str = "") -> bytes:
    """An image file's content: `encoded_images` of one."""
    return next(encoded_images([image], ending, [description]))


def encoded_images(
    images: Iterable[AnyImage], ending: str, descriptions: Iterable[str] = repeat("")
) -> Iterator[bytes]:
    """The content of image files.

    Args:
        images: gray or RGB.
        ending: names the format: ``.png``, ``.jpg``, ``.jpeg``, ``.webp`` or ``.bmp``.
        descriptions: what each shows, kept in the file: as text of a PNG, comment of a JPEG, EXIF of a WebP file,
            behind the pixels of a BMP.

    Raises:
        WhylightError: the ending names no known format, or one whose files hold no image of this size.
    """
    ending = ending.lower()
    if ending == ".png":
        yield from encoded_pngs(map(pixels_of, images), descriptions)
        return
    check_ending(ending)
    form, options = _PILLOW_FORMATS[ending]
    for image, description in zip(images, descriptions, strict=False):
        check_size(size_of(image), ending)
        with _buffer(image) as buffer:
            image_of(image).save(buffer, form, **options, **_sampling(form, image), **_described(form, description))
            buffer.seek(0)
            yield buffer.read() + (description.encode("utf-8", "replace") if form == "BMP" else b"")


def check_ending(ending: str) -> None:
    """See that there is an image format for how a file's name ends, ``.png`` or another.

    Raises:
        WhylightError: there is none.
    """
    known = (".png", *_PILLOW_FORMATS, *VECTOR_ENDINGS)
    if ending.lower() not in known:
        raise WhylightError(f"no image format for '{ending}': expected one of {', '.join(known)}")


def check_size(size: tuple[int, int], ending: str) -> None:
    """See that an image file can hold an image of so many pixels.

    Args:
        size: height and width.
        ending: names the format.

    Raises:
        WhylightError: the format's edges are shorter.
    """
    form, _ = _PILLOW_FORMATS.get(ending.lower(), ("", {}))
    longest = _LONGEST_EDGES.get(form)
    if longest and max(size) > longest:
        raise WhylightError(
            f"a picture of {size[1]} x {size[0]} pixels: a {form} file holds {longest} along an edge at most: choose "
            "another format, such as png, or a smaller size"
        )


def _buffer(image: AnyImage) -> BinaryIO:
    """What a file is made in. While Pillow makes one in memory, other threads wait: large ones go through the disk."""
    if not is_large(size_of(image)):
        return io.BytesIO()
    import tempfile

    return cast(BinaryIO, tempfile.TemporaryFile())


def _sampling(form: str, image: AnyImage) -> dict[str, str]:
    """The option of JPEG files for how many colors are kept: in an overlay they tell as much as brightness.

    In a large one a map's colors change slowly, and half as many along each side tell the same.
    """
    if form != "JPEG":
        return {}
    return {"subsampling": "4:2:0" if is_large(size_of(image)) else "4:4:4"}


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


def save_image(image: AnyImage, path: Path, description: str = "") -> None:
    """Write a gray or RGB image in the format that the file's ending names: see `encoded_image`.

    Raises:
        WhylightError: the ending names no known format, or the file cannot be written.
    """
    save_bytes(encoded_image(image, path.suffix, description), path)
