"""Writing results: aside first, then renamed, so that nothing half-written is ever seen."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from whylight.errors import WhylightError
from whylight.files.storage import is_of_web, is_remote, write_remote

_UMASK = os.umask(0)
os.umask(_UMASK)
_UNFINISHED = ".whylight.part"
"""How files end that are being written: what else is called ``.part`` is somebody else's."""
_LISTED = ".whylight"
"""In a folder that is replaced as a whole: whose it is, and which files it was made of."""
_LONGEST = 40
"""Characters of a file's name that are in that of its unfinished one: names have an end."""


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
        handle, temporary = tempfile.mkstemp(prefix=_hidden(path.name), suffix=_UNFINISHED, dir=path.parent)
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


@contextmanager
def replacing_folder(path: Path, mark: str, overwrite: bool = False) -> Iterator[Path]:
    """A folder that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    What is written into it is listed in it, below the mark: such a folder is replaced by the next one.

    Raises:
        WhylightError: as `check_folder`, or it cannot be written.
    """
    import shutil
    import tempfile

    check_folder(path, mark, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_hidden(path.name), suffix=_UNFINISHED, dir=path.parent))
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        new = temporary / "new"
        new.mkdir(0o777 & ~_UMASK)
        yield new
        names = sorted(each.relative_to(new).as_posix() for each in new.rglob("*") if each.is_file())
        (new / _LISTED).write_text("\n".join([mark, *names, ""]), "utf-8")
        if os.path.lexists(path):
            path.rename(temporary / "old")
        new.rename(path)
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_folder(path: Path, mark: str, overwrite: bool = False) -> None:
    """Find out before the work begins that a folder can be written, and that nothing is lost by it.

    An empty folder is replaced, and one that `replacing_folder` wrote with this mark and to which nothing was added.

    Args:
        path: the folder to write.
        mark: what tells whose it is: see `whylight.files.marks.signature`.
        overwrite: replace results of another kind too.

    Raises:
        WhylightError: it cannot be written, or there is something that whylight did not make.
    """
    if is_remote(path):
        raise WhylightError(f"{path}: a URL: expected a folder of this machine")
    check_writable(path)
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise WhylightError(f"{path}: there is something that is no folder: choose another output")
    found = {each.relative_to(path).as_posix() for each in path.rglob("*") if not each.is_dir() or each.is_symlink()}
    if not found:
        return
    try:
        first, *names = (path / _LISTED).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError, ValueError):
        first, names = "", []
    own, kind = (text.rpartition(", ") for text in (first, mark))
    if not own[0].startswith("whylight ") or (own[2] != kind[2] and not overwrite):
        raise WhylightError(f"{path}: a folder that whylight did not make: choose another output, or move it away")
    if added := sorted(found - {_LISTED, *names}):
        raise WhylightError(f"{path}: '{added[0]}' was added to it: choose another output, or move it away")


def check_output(path: Path, kind: str, sources: Iterable[object] = (), overwrite: bool = False) -> None:
    """Find out before the work begins that a result can be written, and that nothing is lost by it.

    A result of the same kind is replaced, and so is an empty file.

    Args:
        path: where to write.
        kind: of the result: see `whylight.files.marks`.
        sources: what is read; of other values than paths and names of files nothing is said.
        overwrite: replace results of another kind too.

    Raises:
        WhylightError: it is a folder, cannot be written, is one of the sources, or there is a file that whylight did
            not make, or made as something else.
    """
    check_place(path, sources)
    if is_remote(path) or not os.path.lexists(path):  # a link to nothing is there too
        return
    if not path.is_file():
        raise WhylightError(f"{path}: there is something that is no file: choose another output")
    from whylight.files.marks import kind_of

    found = kind_of(path)
    if found == kind or (found and overwrite) or not path.stat().st_size:
        return
    if found is None:
        raise WhylightError(
            f"{path}: a file that whylight did not make, or that has changed since: it is not written over; choose "
            "another output, or move it away"
        )
    raise WhylightError(f"{path}: an earlier result, of another kind ({found}): the option 'overwrite' replaces it")


def check_place(path: Path, sources: Iterable[object] = ()) -> None:
    """Find out before the work begins that a file can be written to a place, and that it is none that is read.

    Raises:
        WhylightError: it is a folder, one of the sources, or cannot be written.
    """
    for source in sources:
        if isinstance(source, str | os.PathLike):
            refuse_to_replace(source, path)
    if not is_remote(path) and os.path.isdir(path):  # noqa: PTH112  # a name that is too long is said below
        raise WhylightError(f"{path}: a folder: expected a file to write")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Find out before the work begins whether ``path`` can be written.

    Raises:
        WhylightError: it cannot.
    """
    if is_of_web(path):
        write_remote(b"", path)  # which refuses it
    if is_remote(path):
        return  # a store says so when it is written to
    created = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long for the file system
        temporary = _temporary(str(path.parent), path.name)
        _write(b"", temporary)
        os.unlink(temporary)  # noqa: PTH108
    except OSError as error:
        raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        for folder in created:
            with suppress(OSError):
                folder.rmdir()


def refuse_to_replace(source: str | os.PathLike[str], output: Path) -> None:
    """See that what is read is not what will be written.

    Raises:
        WhylightError: both are one file.
    """
    if is_remote(output):
        return
    with suppress(OSError, ValueError):  # one of them is not there, or no file of this machine
        if output.samefile(source):
            raise WhylightError(f"{source}: would be written over: choose another output than {output}")


def unfinished(folder: Path, name: str = "", below: bool = False) -> Iterator[Path]:
    """What was being written in a folder when a process was killed.

    Args:
        folder: where to look.
        name: only what was to become this file.
        below: in the folders inside too.
    """
    from glob import escape

    pattern = f"{escape(_hidden(name)) if name else '.'}*{_UNFINISHED}"
    return folder.rglob(pattern) if below else folder.glob(pattern)


def _temporary(folder: str, name: str) -> str:
    return f"{folder or '.'}/{_hidden(name)}{os.getpid()}-{threading.get_ident()}{_UNFINISHED}"


def _hidden(name: str) -> str:
    return f".{name[:_LONGEST]}."


def save_bytes(data: bytes, path: Path) -> None:
    """Write a whole file. Datasets write millions: this takes few calls to the system.

    Raises:
        WhylightError: it cannot be written.
    """
    if is_remote(path):
        write_remote(data, path)
        return
    folder, name = os.path.split(path)
    temporary = _temporary(folder, name)
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
