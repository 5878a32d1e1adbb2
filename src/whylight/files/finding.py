"""What a name means: one file, a video, or several: those in a folder, and those that a pattern means."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.checks import one_line, reason

_PATTERN = "*?["
_VIDEOS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts")
"""How the names of videos end."""
_PAGE_FILES = "_files"
"""How a folder ends that belongs to a page of its name: a browser's, or a report's."""


def means_several(place: str | Path) -> bool:
    """Whether it is a folder, or a pattern such as ``photos/*.jpg``, rather than a file."""
    text = str(place)
    if "://" in text:
        return False
    path = Path(text)
    try:
        return path.is_dir() or (any(sign in text for sign in _PATTERN) and not path.exists())
    except (OSError, ValueError):  # no path at all
        return False


def is_video(place: str | Path) -> bool:
    """Whether a name is that of a video."""
    return str(place).partition("?")[0].lower().endswith(_VIDEOS)


def files_of(place: str | Path, takes: Callable[[str], bool], marker: str) -> list[Path]:
    """The files that a place means, in the order of their names: itself, all in a folder, or all of a pattern.

    Folders are searched to their ends. Hidden files and folders are passed over, and so are folders that hold a file
    called ``marker``, and those with what belongs to a page.

    Args:
        place: a file, a folder, or a pattern, in which ``**`` stands for any folders.
        takes: whether a file of that name is wanted, for folders and patterns.
        marker: a file's name.

    Raises:
        WhylightError: a folder cannot be read, or there are no such files.
    """
    if not means_several(place):
        return [Path(place)]
    path = Path(place)
    search = _in_folder if path.is_dir() else _of_pattern
    found = list(dict.fromkeys(search(path, takes, marker)))
    if not found:
        raise WhylightError(f"{one_line(path)}: no image files there")
    return found


def _in_folder(folder: Path, takes: Callable[[str], bool], marker: str) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, onerror=_refuse):
        if marker in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not _is_of_page(parent, name))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith(".") and takes(name))


def _of_pattern(pattern: Path, takes: Callable[[str], bool], marker: str) -> Iterator[Path]:
    import glob

    fixed = next(i for i, part in enumerate(pattern.parts) if any(sign in part for sign in _PATTERN))
    for match in sorted(Path(match) for match in glob.glob(str(pattern), recursive=True)):  # noqa: PTH207  # any path
        found = [match.parents[i] for i in range(len(match.parts) - 1 - fixed)] + [match]
        if any(Path(each, marker).is_file() or _is_of_page(str(each.parent), each.name) for each in found):
            continue
        if match.is_dir():
            yield from _in_folder(match, takes, marker)
        elif takes(match.name):
            yield match


def _is_of_page(parent: str, name: str) -> bool:
    """Whether a folder is that of a page beside it: ``report_files`` of ``report.html``."""
    page = name.removesuffix(_PAGE_FILES)
    return page != name and any(Path(parent, page + ending).is_file() for ending in (".html", ".htm"))


def _refuse(error: OSError) -> None:
    raise WhylightError(f"{error.filename}: cannot be read: {reason(error)}") from error
