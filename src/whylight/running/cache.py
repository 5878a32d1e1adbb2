"""Compiled explainers kept on disk: the second run with a model starts without reading it.

An entry is a folder with the explainer graph in ONNX Runtime's optimized form, named by a hash of all that it was made
from. The weights of a large one lie in a file beside it: ONNX Runtime maps them into memory and copies none. An entry
that cannot be read, or is not what its checksums say, is made again.

Who may write an entry could write another graph with its checksums: entries count only where nobody else may, by the
owner and permissions of the cache's folder, of the entry, and of its files. A cache is never a reason to stop: where it
cannot be written, or is emptied meanwhile, the explainer is compiled, and that is said.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import stat
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import WhylightError, WhylightWarning
from whylight.files.checks import check_file, reading, reason
from whylight.files.external_data import data_files
from whylight.registry import outside_sources
from whylight.version import __version__

if TYPE_CHECKING:
    from whylight.options import Execution
    from whylight.running.explainer import Explainer

_LOGGER = logging.getLogger(__name__)

FOLDER_VARIABLE = "WHYLIGHT_CACHE"
_FORM = 9
"""To be raised when the compiler's graphs change without a new version of whylight."""
LARGEST = 4 * 2**30
"""Bytes that are kept."""
_LARGE_GRAPH = 2**20
"""Bytes from which on the weights get a file of their own."""
_PIECE = 2**24
"""Bytes of a file read at a time."""
_RECORDING = threading.Lock()
"""Warnings are recorded for the whole process: by one thread at a time."""
_GRAPH, _WEIGHTS, _FACTS = "graph.onnx", "weights.bin", "facts.json"
_UNFINISHED = ".whylight-"
"""What the names of folders begin with in which entries are written."""
_LONGEST_WRITING = 24 * 60 * 60
"""Seconds after which nobody is still at it, where folders cannot be locked."""
_OTHERS = (f"tables/{'[0-9a-f]' * 32}.sqlite*", "onnxruntime-web-*.tgz")
"""What else whylight keeps in the folder: see `whylight.app.tables` and `whylight.web.runtime`."""
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class _Entry:
    """What is known of a model.

    Attributes:
        graph: the explainer graph: the path of its file, or, where nothing can be written, its content.
        warnings: that came up when it was made.
        runtime: the version of ONNX Runtime that has optimized it.
        outside: files of other packages that had a part in it, and when each was last changed.
    """

    graph: Path | bytes
    warnings: list[str]
    runtime: str
    outside: dict[str, int]


@dataclass(frozen=True)
class CacheContent:
    """What is kept.

    Attributes:
        folder: where.
        explainers: how many.
        bytes: what they take on disk.
        limit: bytes from which on those that were not used for longest are removed.
    """

    folder: Path
    explainers: int
    bytes: int
    limit: int

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {"folder": str(self.folder), "explainers": self.explainers, "bytes": self.bytes, "limit": self.limit}


def content() -> CacheContent:
    """What is kept now."""
    kept = entries()
    return CacheContent(folder(), len(kept), sum(map(size, kept)), LARGEST)


def folder() -> Path:
    """Where entries are: as the environment variable WHYLIGHT_CACHE says, or the platform's own place."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("whylight", appauthor=False)


def cached_explainer(
    model: Path,
    parameters: Path | None,
    options: Mapping[str, object],
    make: Callable[[], bytes],
    execution: Execution,
) -> Explainer:
    """The explainer of a model file, from the cache or made and kept there.

    Warnings that came up when it was made are given again.

    Args:
        model: the model file.
        parameters: its parameter file, if it has one.
        options: all else that the graph depends on.
        make: makes its graph, the content of an ONNX file.
        execution: what runs it.

    Raises:
        WhylightError: the file cannot be read, or no explainer can be made of it.
    """
    # what the libraries take to load is enough to read the model file and the entry
    loading = threading.Thread(target=import_module, args=("whylight.running.explainer",))
    loading.start()
    try:
        key = _key(_digest(model, parameters), model, options)
        entry = _read(key)
    finally:
        loading.join()
    import onnxruntime

    from whylight.running.explainer import Explainer

    if entry is None or entry.runtime != onnxruntime.__version__:
        with _RECORDING, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", WhylightWarning)
            started = time.perf_counter()
            graph = make()
        said = [str(warning.message) for warning in caught if issubclass(warning.category, WhylightWarning)]
        entry = _written(key, graph, said)
        _LOGGER.info("%s: the explainer was compiled in %.1f s", model, time.perf_counter() - started)
    else:
        _LOGGER.info("%s: the explainer is kept in %s", model, folder())
    for message in dict.fromkeys(entry.warnings):
        warnings.warn(message, WhylightWarning, stacklevel=2)

    def again() -> bytes:
        with _RECORDING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return make()

    try:
        return Explainer(entry.graph, execution).as_own(again)
    except WhylightError:
        if isinstance(entry.graph, bytes):
            raise
    return Explainer(again(), execution)  # the cache has been emptied meanwhile


def entries() -> list[Path]:
    """What the cache holds, the one that was used last first."""
    found = {}
    with suppress(OSError):
        for path in folder().glob("*.explainer"):
            with suppress(OSError):  # another run may remove it
                found[path] = path.lstat().st_mtime
    return sorted(found, key=found.__getitem__, reverse=True)


def size(entry: Path) -> int:
    """Its bytes on disk."""
    taken = 0
    with suppress(OSError):
        for path in entry.iterdir() if _is_folder(entry) else [entry]:
            with suppress(OSError):
                taken += path.lstat().st_size
    return taken


def clear() -> None:
    """Remove all entries, what killed runs have left, tables' indexes, and the runtime of pages."""
    others = [path for pattern in _OTHERS for path in folder().glob(pattern)]
    for path in (*entries(), *_left(), *others):
        _remove(path)


def _remove(entry: Path) -> None:
    import shutil

    if _is_folder(entry):
        shutil.rmtree(entry, ignore_errors=True)
    else:  # as whylight 0.1.0 kept it, or of no use
        with suppress(OSError):
            entry.unlink()


def _is_folder(path: Path) -> bool:
    """Whether it is one itself: what a link leads to is none of the cache's."""
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def _digest(model: Path, parameters: Path | None) -> bytes:
    digest = hashlib.sha256()
    for path in (model, parameters, *data_files(model)):
        if path is not None:
            check_file(path)
            with reading(path):
                digest.update(_content_digest(path))
    return digest.digest()


def _content_digest(path: Path) -> bytes:
    """Of a file, read in large pieces: after each one the thread would wait for the one that loads the libraries."""
    digest, piece = hashlib.sha256(), bytearray(min(_PIECE, path.stat().st_size + 1))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(memoryview(piece)[:count])
    return digest.digest()


def _key(contents: bytes, model: Path, options: Mapping[str, object]) -> str:
    # warnings and errors name the model file
    return hashlib.sha256(contents + json.dumps([_FORM, __version__, options, str(model)]).encode()).hexdigest()


def _read(key: str) -> _Entry | None:
    path = folder() / f"{key}.explainer"
    with suppress(WhylightError), reading(path):
        if not _is_own(folder().stat(), path.lstat()):
            return None
        files = {each.name: each.stat(follow_symlinks=False) for each in os.scandir(path)}
        if not files.keys() <= {_GRAPH, _WEIGHTS, _FACTS} or not _is_own(*files.values(), is_kind=stat.S_ISREG):
            return None
        facts = json.loads((path / _FACTS).read_text("utf-8"))
        if facts["key"] == key and _is_of_this_process(facts["outside"]) and facts["checksums"] == _checksums(path):
            os.utime(path)
            said = [str(message) for message in facts["warnings"]]
            return _Entry(path / _GRAPH, said, str(facts["runtime"]), facts["outside"])
    return None


def _is_own(*of: os.stat_result, is_kind: Callable[[int], bool] = stat.S_ISDIR) -> bool:
    """Whether they are folders, or of another kind, that nobody but the user of this process can have written."""
    own = getattr(os, "getuid", None)
    return all(
        is_kind(each.st_mode) and (own is None or (each.st_uid == own() and not each.st_mode & _OTHERS_MAY_WRITE))
        for each in of
    )


def _is_of_this_process(outside: dict[str, int]) -> bool:
    """Whether other packages' part in an entry is what they have here and now; a name is defined once in a process."""
    if any(os.stat(file).st_mtime_ns != time for file, time in outside.items()):  # noqa: PTH116
        return False
    registered = outside_sources()
    return not outside or (registered is not None and registered.items() <= outside.items())


def _written(key: str, graph: bytes, said: list[str]) -> _Entry:
    """Keep an entry, in place of one that may be there; where that cannot be done, it is said, and there is no cache.

    What code that lies in no file had a part in is not kept: it may be another one the next time.
    """
    import onnxruntime

    from whylight.running.session import write_optimized

    made = _Entry(graph, said, onnxruntime.__version__, outside_sources() or {})
    if outside_sources() is None:
        return made
    try:
        _make_folder()
        for path in _left():
            _remove(path)
        with _workplace() as place:
            new = place / "new"
            new.mkdir(0o700)
            write_optimized(graph, new / _GRAPH, _WEIGHTS if len(graph) >= _LARGE_GRAPH else None)
            facts = {"key": key, "checksums": _checksums(new), "runtime": made.runtime, "warnings": said}
            facts["outside"] = made.outside
            (new / _FACTS).write_text(json.dumps(facts), "utf-8")
            for file in new.iterdir():
                file.chmod(0o600)
            path = folder() / f"{key}.explainer"
            if _read(key) != _Entry(path / _GRAPH, said, made.runtime, made.outside):  # another run may be faster
                if os.path.lexists(path):
                    path.rename(place / "old")
                new.rename(path)
        _make_room()
    except (OSError, WhylightError, MemoryError) as error:
        warnings.warn(
            f"{folder()}: the compiled explainer is not kept for the next start: {reason(error)}; the environment "
            f"variable {FOLDER_VARIABLE} names another folder, the option 'no_cache' does without",
            WhylightWarning,
            stacklevel=3,
        )
        return made
    return _read(key) or made


def _make_folder() -> None:
    """The cache's folder, which is the user's alone.

    Raises:
        OSError: it cannot be made.
        WhylightError: others may write it.
    """
    place = folder()
    place.mkdir(0o700, parents=True, exist_ok=True)
    mode = place.stat().st_mode
    if mode & _OTHERS_MAY_WRITE and not os.environ.get(FOLDER_VARIABLE):  # as earlier versions may have made it
        place.chmod(stat.S_IMODE(mode) & ~_OTHERS_MAY_WRITE)
    if not _is_own(place.stat()):
        raise WhylightError("others may write there: expected a folder of your own, chmod go-w")


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder to write an entry in, locked for as long as somebody does."""
    import tempfile

    with ExitStack() as stack:
        with _locked(folder(), waits=True):  # nobody takes it for what a killed run has left before it is locked
            place = stack.enter_context(
                tempfile.TemporaryDirectory(dir=folder(), prefix=_UNFINISHED, ignore_cleanup_errors=True)
            )
            stack.enter_context(_locked(Path(place)))
        yield Path(place)


def _left() -> list[Path]:
    """The folders in which killed runs were writing."""
    left = []
    with suppress(OSError), _locked(folder(), waits=True):
        for path in filter(_is_folder, folder().glob(f"{_UNFINISHED}*")):
            with suppress(OSError), _locked(path) as is_locked:  # BlockingIOError: somebody is at it
                if is_locked or time.time() - path.lstat().st_mtime > _LONGEST_WRITING:
                    left.append(path)
    return left


@contextmanager
def _locked(place: Path, waits: bool = False) -> Iterator[bool]:
    """Within it nobody else locks a folder; not where the platform or the file system locks none.

    Raises:
        BlockingIOError: somebody else has locked it, and it is not waited for.
    """
    try:
        import fcntl
    except ImportError:
        yield False
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            is_locked = True
        except BlockingIOError:
            raise
        except OSError:
            is_locked = False
        yield is_locked
    finally:
        os.close(handle)


def _make_room() -> None:
    """Remove the entries that were not used for longest, if all take too much; never the last, which is opened next."""
    taken = 0
    for number, path in enumerate(entries()):
        taken += size(path)
        if taken > LARGEST and number:
            _remove(path)


def _checksums(entry: Path) -> dict[str, int]:
    """Those of its files but the facts."""
    checksums = {}
    for name in (_GRAPH, _WEIGHTS):
        with suppress(FileNotFoundError):
            checksums[name] = _checksum(entry / name)
    return checksums


def _checksum(path: Path) -> int:
    from whylight.files.png import crc32

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return crc32(content, 0)
