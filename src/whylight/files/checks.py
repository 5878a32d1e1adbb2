"""What is looked at before a file is opened, and how files and faults are named in messages."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.errors import OutOfMemoryError, WhylightError, printable


def check_file(path: Path) -> os.stat_result | None:
    """See that there is a file, before it is opened: a device or a pipe may never end, or never begin.

    Returns:
        What this machine knows of it; None of a file elsewhere.

    Raises:
        WhylightError: there is none, or it is a folder, a device, a pipe or a socket; or it is empty, as what a system
            says of itself below ``/proc`` seems to be.
    """
    try:
        if not isinstance(path, Path):
            found = "" if path.is_file() else "is a folder, not a file" if path.is_dir() else "no such file"
            state = None
        else:
            state = path.stat()  # once: it is asked of every image of a dataset
            found = _found(state)
    except (FileNotFoundError, NotADirectoryError):
        found = "no such file"
    except (OSError, ValueError) as error:  # ValueError: no name of a file
        found = f"cannot be read: {reason(error)}"
    if found:
        raise WhylightError(f"{one_line(path)}: {found}")
    return state


def _found(state: os.stat_result) -> str:
    """What something is, if it is no file that holds anything."""
    if stat.S_ISREG(state.st_mode):
        return "" if state.st_size else "is empty"
    return "is a folder, not a file" if stat.S_ISDIR(state.st_mode) else "not a file: a device, a pipe or a socket"


def one_line(source: object) -> str:
    """A path, or what else names a source, in one line, for messages: escaped, and cut."""
    return printable(str(source))


def reason(error: BaseException) -> str:
    """What another library raised, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return next((line.rstrip(" :") for line in text.splitlines() if line.strip()), type(error).__name__)


@contextmanager
def reading(source: object, what: str = "") -> Iterator[None]:
    """The boundary to other libraries, around all that reads what strangers made: one line for whatever they raise.

    Args:
        source: the file, for messages.
        what: it was expected to be, such as "a parameter file in HDF5 format".

    Raises:
        WhylightError: the block raises it, or anything else.
    """
    try:
        yield
    except (WhylightError, Warning):
        raise
    except OSError as error:
        raise WhylightError(f"{one_line(source)}: cannot be read{what and f' as {what}'}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise WhylightError(f"{one_line(source)}: not UTF-8 text: save it as UTF-8") from error
    except MemoryError as error:
        raise OutOfMemoryError(f"{one_line(source)}: there is not enough memory for it") from error
    except RecursionError as error:
        raise WhylightError(f"{one_line(source)}: nested deeper than anybody means: refused") from error
    except Exception as error:  # libraries' errors share no base class
        kind = f"{what or 'this'}, or damaged ({type(error).__name__}: {reason(error)})"
        raise WhylightError(f"{one_line(source)}: not {kind}") from error
