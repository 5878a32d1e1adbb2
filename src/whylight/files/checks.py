"""What is looked at before a file is opened, and how files and faults are named in messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.errors import WhylightError


def check_file(path: Path) -> None:
    """See that there is a file.

    Raises:
        WhylightError: there is none, or it is a folder or a device.
    """
    try:
        if path.is_file():
            return
        found = "is a folder, not a file" if path.is_dir() else "not a file" if path.exists() else "no such file"
    except OSError as error:
        found = f"cannot be read: {reason(error)}"
    raise WhylightError(f"{one_line(path)}: {found}")


def one_line(path: Path) -> str:
    """A path in one line, for messages."""
    text = str(path)
    return text if text.isprintable() else " ".join(text.splitlines())


def reason(error: BaseException) -> str:
    """What another library raised, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return next((line.rstrip(" :") for line in text.splitlines() if line.strip()), type(error).__name__)


@contextmanager
def reading(source: object) -> Iterator[None]:
    """Say of which file it is where one cannot be read.

    Raises:
        WhylightError: the block raises an OSError.
    """
    try:
        yield
    except OSError as error:
        raise WhylightError(f"{source}: cannot be read: {reason(error)}") from error
