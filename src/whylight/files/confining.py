"""Files of one folder: what lies outside is not read or written, whatever names and links say."""

import os
import stat
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.checks import one_line

_MOST = 10_000
"""Folders whose place is remembered."""


def inside(folder: Path, name: str) -> Path:
    """A path with all links followed.

    Args:
        folder: where it has to lie.
        name: relative to the folder, or absolute; it need not be there.

    Raises:
        WhylightError: it lies outside, or is no path.
    """
    try:
        root, real = os.path.realpath(folder), os.path.realpath(os.path.join(folder, name))  # noqa: PTH118  # any name
        is_inside = os.path.commonpath((root, real)) == root
    except (OSError, ValueError):  # on another drive of Windows, or a NUL in the name
        is_inside = False
    if not is_inside or "://" in name:
        raise WhylightError(f"{one_line(name)}: outside the folder that is open: expected a file inside it")
    return Path(real)


class Confined:
    """As `inside`, for the many names of a table: where their folders are is looked up once.

    Attributes:
        folder: where they have to lie.
    """

    def __init__(self, folder: Path) -> None:
        """Know nothing yet."""
        self.folder = folder
        self._places: dict[str, str] = {}

    def file(self, start: str, name: str) -> Path:
        """Where a file is.

        Args:
            start: the folder that its name is relative to.
            name: as the table has it.

        Raises:
            WhylightError: it lies outside, or is no path.
        """
        if "://" in name or "\0" in name:
            return inside(self.folder, name)  # which refuses it
        parent, base = os.path.split(os.path.join(start, name))  # noqa: PTH118  # a row each
        place = self._places.get(parent)
        if place is None:
            if len(self._places) >= _MOST:
                self._places.clear()
            place = self._places[parent] = str(inside(self.folder, parent))
        path = f"{place}{os.sep}{base}"
        if base in ("", ".", "..") or _is_link(path):
            return inside(self.folder, path)
        return Path(path)


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:  # it is not there
        return False
