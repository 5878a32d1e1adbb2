"""Writing results: aside first, then renamed, so that nothing half-written is ever seen."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from whylight.errors import WhylightError
from whylight.files.storage import is_of_web, is_remote, write_remote

_UMASK = os.umask(0)
os.umask(_UMASK)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        WhylightError: the folder cannot be made or written to.
    """
    import tempfile

    if is_remote(path):
        with tempfile.TemporaryFile() as local:
            yield cast(BinaryIO, local)
            local.seek(0)
            write_remote(local.read(), path)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield cast(BinaryIO, file)
        Path(temporary).chmod(0o666 & ~_UMASK)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error
        raise


def check_writable(path: Path) -> None:
    """Find out before the work begins whether ``path`` can be written.

    Raises:
        WhylightError: it cannot.
    """
    import tempfile

    if is_of_web(path):
        write_remote(b"", path)  # which refuses it
    if is_remote(path):
        return  # a store says so when it is written to
    created = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        for folder in created:
            folder.rmdir()
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error


def refuse_to_replace(source: str | Path, output: Path) -> None:
    """See that what is read is not what will be written.

    Raises:
        WhylightError: both are one file.
    """
    with suppress(OSError, ValueError):  # one of them is not there, or no file of this machine
        if output.samefile(source):
            raise WhylightError(f"{source}: would be written over: choose another output than {output}")


def save_bytes(data: bytes, path: Path) -> None:
    """Write a whole file. Datasets write millions: this takes few calls to the system.

    Raises:
        WhylightError: it cannot be written.
    """
    if is_remote(path):
        write_remote(data, path)
        return
    folder, name = os.path.split(path)
    temporary = f"{folder or '.'}/.{name}.{os.getpid()}-{threading.get_ident()}.part"
    try:
        try:
            _write(data, temporary)
        except FileNotFoundError:
            Path(folder).mkdir(parents=True, exist_ok=True)
            _write(data, temporary)
        os.replace(temporary, path)  # noqa: PTH105  # a tenth of what pathlib takes
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error


def _write(data: bytes, path: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)
