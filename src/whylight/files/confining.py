"""Files of one folder: what lies outside is not read or written, whatever names and links say."""

import os
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.checks import one_line


def inside(folder: Path, path: Path) -> Path:
    """A path with all links followed.

    Args:
        folder: where it has to lie.
        path: relative to the folder, or absolute; it need not be there.

    Raises:
        WhylightError: it lies outside, or is no path.
    """
    try:
        root, real = os.path.realpath(folder), os.path.realpath(os.path.join(folder, path))  # noqa: PTH118  # a row each
        is_inside = os.path.commonpath((root, real)) == root
    except (OSError, ValueError):  # on another drive of Windows, or a NUL in the name
        is_inside = False
    if not is_inside:
        raise WhylightError(f"{one_line(path)}: outside the folder that is open: expected a file inside it")
    return Path(real)
