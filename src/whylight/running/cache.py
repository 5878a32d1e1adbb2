"""Compiled explainers kept on disk: the second run with a model starts without reading it.

An entry is a folder with the explainer graph in ONNX Runtime's optimized form, named by a hash of all that it was made
from. The weights of a large one lie in a file beside it: ONNX Runtime maps them into memory and copies none. An entry
that cannot be read, or is not what its checksums say, is made again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import WhylightError, WhylightWarning
from whylight.files.external_data import data_files
from whylight.registry import outside_sources
from whylight.version import __version__

if TYPE_CHECKING:
    from whylight.options import Execution
    from whylight.running.explainer import Explainer

_LOGGER = logging.getLogger(__name__)

FOLDER_VARIABLE = "WHYLIGHT_CACHE"
_FORM = 8
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
    return Explainer(entry.graph, execution).as_own()


def entries() -> list[Path]:
    """What the cache holds, the one that was used last first."""
    with suppress(OSError):
        return sorted(folder().glob("*.explainer"), key=lambda path: path.stat().st_mtime, reverse=True)
    return []


def size(entry: Path) -> int:
    """Its bytes on disk."""
    with suppress(OSError):
        return sum(path.stat().st_size for path in (entry.iterdir() if entry.is_dir() else [entry]))
    return 0


def clear() -> None:
    """Remove all entries."""
    for path in entries():
        _remove(path)


def _remove(entry: Path) -> None:
    import shutil

    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:  # as whylight 0.1.0 kept it
        entry.unlink(missing_ok=True)


def _digest(model: Path, parameters: Path | None) -> bytes:
    digest = hashlib.sha256()
    for path in (model, parameters, *data_files(model)):
        if path is not None:
            try:
                digest.update(_content_digest(path))
            except FileNotFoundError:
                raise WhylightError(f"{path}: no such file") from None
            except OSError as error:
                raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error
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
    return hashlib.sha256(contents + json.dumps([_FORM, __version__, options, str(model)]).encode()).hexdigest()[:40]


def _read(key: str) -> _Entry | None:
    path = folder() / f"{key}.explainer"
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((path / _FACTS).read_text("utf-8"))
        if _is_of_this_process(facts["outside"]) and facts["checksums"] == _checksums(path):
            os.utime(path)
            said = [str(message) for message in facts["warnings"]]
            return _Entry(path / _GRAPH, said, facts["runtime"], facts["outside"])
    return None


def _is_of_this_process(outside: dict[str, int]) -> bool:
    """Whether other packages' part in an entry is what they have here and now; a name is defined once in a process."""
    if any(os.stat(file).st_mtime_ns != time for file, time in outside.items()):  # noqa: PTH116
        return False
    registered = outside_sources()
    return not outside or (registered is not None and registered.items() <= outside.items())


def _written(key: str, graph: bytes, said: list[str]) -> _Entry:
    """Keep an entry, in place of one that may be there; where the folder cannot be written, there is no cache.

    What code that lies in no file had a part in is not kept: it may be another one the next time.
    """
    import tempfile

    import onnxruntime

    from whylight.running.session import write_optimized

    runtime: str = onnxruntime.__version__
    outside = outside_sources()
    if outside is None:
        return _Entry(graph, said, runtime, {})
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder(), prefix=".", ignore_cleanup_errors=True) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            write_optimized(graph, new / _GRAPH, _WEIGHTS if len(graph) >= _LARGE_GRAPH else None)
            facts = {"checksums": _checksums(new), "runtime": runtime, "warnings": said, "outside": outside}
            (new / _FACTS).write_text(json.dumps(facts), "utf-8")
            path = folder() / f"{key}.explainer"
            if _read(key) != _Entry(path / _GRAPH, said, runtime, outside):  # another run may have been faster
                if path.exists():
                    path.rename(Path(temporary) / "old")
                new.rename(path)
        _make_room()
        if entry := _read(key):
            return entry
    return _Entry(graph, said, runtime, outside)


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
