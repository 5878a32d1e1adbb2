"""Small copies of the images and overlays, made in threads: at most 96 pixels, and never larger than the original."""

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.bands import image_of
from whylight.images.pictures import Picture, display, read_picture
from whylight.parallel import ordered_map
from whylight.report.results import Entry

_SIZE = (96, 96)
_ROWS_A_FOLDER = 1000
_THREADS = 4
_AHEAD = 64
"""Rows on their way at a time."""
_FASTEST = 0
"""Of WebP's methods: six times as fast as the default, for files a fifth larger."""

Written = tuple[bool, bool]
"""Whether the image, and the overlay, could be read and have a thumbnail."""


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


def _write_both(entry: Entry, folder: Path, index: int) -> Written:
    return _write(entry.image, folder / f"{index}.webp"), _write(entry.overlay, folder / f"{index}_overlay.webp")


def _write(source: Path | None, target: Path) -> bool:
    """Write a thumbnail; say whether there was an image to make it of."""
    picture = _picture(source) if source else None
    if picture is None:
        return False
    values_are_bytes = picture.white is not None or picture.pixels.max() > 1
    image = image_of(display(picture, maximum=255 if values_are_bytes else 1))
    is_small = image.width <= _SIZE[0] and image.height <= _SIZE[1]
    image.thumbnail(_SIZE)
    image.save(target, quality=80, lossless=is_small, method=_FASTEST)  # every pixel of a small image will be seen
    return True


def _picture(path: Path) -> Picture | None:
    """The image as RGB or, where an array has but one channel, gray."""
    for channels in (3, 1):
        try:
            return read_picture(path, channels)
        except WhylightError:
            continue
    return None
