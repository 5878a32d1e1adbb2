"""Where files are: on this machine, on the web, or wherever fsspec has a driver for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from whylight.errors import WhylightError

_WEB = ("http://", "https://")


def location(name: str) -> Path:
    """A local path, or, for a URL such as ``https://...`` or ``s3://bucket/data.csv``, what can be used like one.

    Raises:
        WhylightError: it is no URL, or its driver is not installed.
    """
    if "://" not in name:
        return Path(name)
    if name.lower().startswith(_WEB):
        from whylight.files.web import web_file

        return cast(Path, web_file(name))
    try:
        from upath import UPath

        path = UPath(name)
        path.fs  # noqa: B018  # the driver is looked up here
    except ImportError as error:
        raise WhylightError(f"{name}: pip install 'whylight[remote]' and the driver it needs ({error})") from error
    except ValueError as error:
        raise WhylightError(f"{name}: {error}") from error
    return cast(Path, path)


def path_of(place: str | Path) -> Path:
    """A path, or what `location` makes of text.

    Raises:
        WhylightError: it is neither, names no file, or the URL's driver is not installed.
    """
    if not isinstance(place, str) and not is_path(place):
        raise WhylightError(f"found {type(place).__name__} in place of a path: expected text or a Path")
    path = location(place) if isinstance(place, str) else place
    if "\0" in str(place) or not path.name:
        raise WhylightError(f"{str(place)!r}: not the path of a file")
    return path


def local_path_of(place: str | Path) -> Path:
    """As `path_of`, of what has to lie on this machine.

    Raises:
        WhylightError: it is no path, or a URL.
    """
    path = path_of(place)
    if is_remote(path):
        raise WhylightError(f"{place}: a URL: expected a file of this machine; download it first")
    return path


def is_path(value: object) -> bool:
    """Whether a value is a path: of this machine, of the web, or of a store, which is of universal_pathlib."""
    return isinstance(value, Path) or hasattr(value, "fs")


def is_of_web(path: Path) -> bool:
    """Whether a path is a `whylight.files.web.WebFile`: it has no file system, and cannot be written."""
    return getattr(path, "fs", path) is None


def is_remote(path: Path) -> bool:
    """Whether a path is not one of this machine's file systems."""
    return not isinstance(path, Path)


def write_remote(data: bytes, path: Path) -> None:
    """Write a whole file: object stores show it when it is complete.

    Raises:
        WhylightError: the store refuses it.
    """
    if is_of_web(path):
        raise WhylightError(f"{path}: cannot be written: expected a file of this machine, or a store such as s3://")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except Exception as error:  # every driver has errors of its own
        raise WhylightError(f"{path}: cannot be written: {error}") from error


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A file of a store on this machine, for as long as the block lasts.

    Raises:
        WhylightError: the store does not give it.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            copy.write_bytes(path.read_bytes())
        except WhylightError:
            raise
        except Exception as error:  # every driver has errors of its own
            raise WhylightError(f"{path}: cannot be read: {error}") from error
        yield copy
