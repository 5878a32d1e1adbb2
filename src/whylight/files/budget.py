"""How much memory a file may ask for: one budget for models, images and tables, and what is computed from them.

What a file states (sizes, shapes, repeats) is compared with it before memory is taken. What a file really holds adds to
the budget: large honest files are read as they are.
"""

import os
import re
from functools import lru_cache
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.checks import check_file

VARIABLE = "WHYLIGHT_MEMORY"
"""The environment variable that sets another budget, such as ``8G``; worker processes have it too."""
USUAL = "1536M"
_COPIES_OF_CONTENT = 8
"""What a file's own bytes may become: read, unpacked, turned into ONNX, and into what the runtime makes of that."""
_BLOCK = 512
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)

SECONDS = 60.0
"""What one call of another library may take with a file, where it can be stopped."""


@lru_cache(maxsize=8)
def bytes_of(text: str) -> int:
    """A number of bytes: ``8G``, ``1536M``.

    Raises:
        WhylightError: it is none.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise WhylightError(f"'{text}': expected an amount of memory such as 8G or 512M")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def budget() -> int:
    """Bytes.

    Raises:
        WhylightError: the environment variable names no amount.
    """
    try:
        return bytes_of(os.environ.get(VARIABLE) or USUAL)
    except WhylightError as error:
        raise WhylightError(f"environment variable {VARIABLE}: {error}") from error


def set_budget(text: str) -> None:
    """Have this process, and the worker processes that it starts, use another budget.

    Raises:
        WhylightError: it is no amount.
    """
    bytes_of(text)
    os.environ[VARIABLE] = text


def allowed(stored: int) -> int:
    """Bytes that a file may ask for that holds so many."""
    return budget() + _COPIES_OF_CONTENT * stored


def check_memory(source: object, what: str, size: int, stored: int = 0, share: int = 1) -> None:
    """See that what a file asks for is within the budget, before it is taken.

    Args:
        source: the file, for messages.
        what: asks for it, such as "the array 'conv/W'" or "all members together".
        size: bytes that it will take, with all copies that are made of it.
        stored: bytes that the file holds for it.
        share: how many share the budget.

    Raises:
        WhylightError: it is more.
    """
    if size <= _COPIES_OF_CONTENT * stored:
        return  # most: the budget need not be known
    most = allowed(stored) // share
    if size > most:
        raise WhylightError(
            f"{source}: {what} would take {readable(size)} of memory, more than the {readable(most)} that this file "
            f"may: refused; for a file that you trust the option 'memory', or {VARIABLE}, raises it"
        )


def check_whole_file(path: Path) -> None:
    """See that there is a file, and that it can be read as a whole: one with holes may state any size.

    Raises:
        WhylightError: there is none, or it would take more than what it holds on the disk and the budget.
    """
    if state := check_file(path):
        check_memory(path, "the file", state.st_size, _stored(state))


def stored_bytes(path: Path) -> int:
    """What a file holds on the disk, without its holes.

    Raises:
        OSError: there is none.
    """
    return _stored(path.stat())


def _stored(state: os.stat_result) -> int:
    return min(state.st_size, getattr(state, "st_blocks", state.st_size) * _BLOCK)


def readable(size: int) -> str:
    """A number of bytes for people, such as ``1.5 GiB``."""
    number = float(min(size, 10**30))
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if number < 1024 or unit == "TiB":
            break
        number /= 1024
    return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.3g} {unit}"
