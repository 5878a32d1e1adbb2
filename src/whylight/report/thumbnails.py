"""Small copies of the images and overlays, made in threads, and never larger than the original."""

import io
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.bands import image_of
from whylight.images.pictures import Picture, display, read_picture
from whylight.parallel import ordered_map
from whylight.report.results import Entry

_THUMBNAIL, _INSIDE = 96, 384
"""The longest edge of copies in files of their own, beside which there are the originals, and of those in the page."""
_ROWS_A_FOLDER = 1000
_THREADS = 4
_AHEAD = 64
"""Rows on their way at a time."""
_FASTEST = 0
"""Of WebP's methods: six times as fast as the default, for files a fifth larger."""

Written = tuple[bool, bool]
"""Whether the image, and the overlay, could be read and have a thumbnail."""
Copies = tuple[bytes | None, bytes | None]
"""WebP files of the image, and of the overlay; None where it could not be read."""


def with_thumbnails(entries: Iterable[Entry], folder: Path) -> Generator[tuple[Entry, Written], None, None]:
    """Write each entry's thumbnails.

    Those of entry i (from 0) are ``<i // 1000>/<i>.webp`` and ``<i // 1000>/<i>_overlay.webp``.

    Args:
        entries: as many as there are; only a few are held at a time.
        folder: where to write.

    Returns:
        The entries in their order, each when its thumbnails are there.
    """

    def write(numbered: tuple[int, Entry]) -> tuple[Entry, Written]:
        index, entry = numbered
        return entry, _write_both(entry, folder / f"{index // _ROWS_A_FOLDER:04d}", index)

    def in_folders() -> Iterator[tuple[int, Entry]]:
        for index, entry in enumerate(entries):
            if index % _ROWS_A_FOLDER == 0:
                (folder / f"{index // _ROWS_A_FOLDER:04d}").mkdir()
            yield index, entry

    return ordered_map(write, in_folders(), _THREADS, _AHEAD)


def with_copies(entries: Iterable[Entry]) -> Generator[tuple[Entry, Copies], None, None]:
    """Each entry with copies of its pictures, large enough to look at; only a few are held at a time."""

    def copied(entry: Entry) -> tuple[Entry, Copies]:
        return entry, (_copy_of(entry.image, _INSIDE), _copy_of(entry.overlay, _INSIDE))

    return ordered_map(copied, entries, _THREADS, _AHEAD)


def _write_both(entry: Entry, folder: Path, index: int) -> Written:
    return _write(entry.image, folder / f"{index}.webp"), _write(entry.overlay, folder / f"{index}_overlay.webp")


def _write(source: Path | None, target: Path) -> bool:
    """Write a thumbnail; say whether there was an image to make it of."""
    copy = _copy_of(source, _THUMBNAIL)
    if copy is not None:
        target.write_bytes(copy)
    return copy is not None


def _copy_of(source: Path | None, longest: int) -> bytes | None:
    """A copy of an image that is there and can be read."""
    try:
        return None if source is None else image_copy(source, longest)
    except WhylightError:
        return None


def image_copy(source: Path, longest: int) -> bytes:
    """A copy of an image as a WebP file's content, upright, in RGB, never larger than it is itself.

    Args:
        source: the image file.
        longest: the most pixels of its longest edge.

    Raises:
        WhylightError: it cannot be read.
    """
    picture = shown_picture(source)
    values_are_bytes = picture.white is not None or picture.pixels.max() > 1
    image = image_of(display(picture, maximum=255 if values_are_bytes else 1))
    is_small = max(image.size) <= _THUMBNAIL  # every pixel of it will be seen
    image.thumbnail((longest, longest))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, lossless=is_small, method=_FASTEST)
    return buffer.getvalue()


def shown_picture(path: Path) -> Picture:
    """An image file as RGB or, where an array has but one channel, gray.

    Raises:
        WhylightError: it cannot be read.
    """
    try:
        return read_picture(path, 3)
    except WhylightError as error:
        try:
            return read_picture(path, 1)
        except WhylightError:
            raise error from None
