"""Compiled explainers kept on disk: the second run with a model starts without reading it.

An entry is the explainer graph in ONNX Runtime's optimized form, named by a hash of all that it was made from, and by a
check sum of itself. One that cannot be read, or is not what its check sum says, is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from whylight import __version__
from whylight.errors import WhylightError, WhylightWarning

if TYPE_CHECKING:
    from whylight.explainer import Explainer

FOLDER_VARIABLE = "WHYLIGHT_CACHE"
_FORM = 4
"""To be raised when the compiler's graphs change without a new version of whylight."""
_LARGEST = 4 * 2**30


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
    make: Callable[[], Explainer],
    threads: int | None = None,
    device: str = "cpu",
) -> Explainer:
    """The explainer of a model file, from the cache or made and kept there.

    Warnings that came up when it was made are given again.

    Args:
        model: the model file.
        parameters: its parameter file, if it has one.
        options: all else that the graph depends on.
        make: makes it.
        threads: see `Explainer`.
        device: see `Explainer`.

    Raises:
        WhylightError: the file cannot be read, or no explainer can be made of it.
    """
    # what the libraries take to load is enough to read the model file
    loading = threading.Thread(target=import_module, args=("whylight.explainer",))
    loading.start()
    try:
        contents = _digest(model, parameters)
    finally:
        loading.join()
    from whylight.explainer import Explainer
    from whylight.session import optimized

    key = _key(contents, model, options)
    known = _read(key)
    if known is None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", WhylightWarning)
            graph = make().content()
        said = [str(warning.message) for warning in caught if issubclass(warning.category, WhylightWarning)]
        known = optimized(graph), said
        _write(key, *known)
    graph, said = known
    for message in dict.fromkeys(said):
        warnings.warn(message, WhylightWarning, stacklevel=2)
    return Explainer(graph, threads, device)


def entries() -> list[Path]:
    """The files of the cache, the one that was used last first."""
    with suppress(OSError):
        return sorted(folder().glob("*.explainer"), key=lambda path: path.stat().st_mtime, reverse=True)
    return []


def clear() -> int:
    """Remove all entries; how many there were."""
    removed = entries()
    for path in removed:
        path.unlink(missing_ok=True)
    return len(removed)


def _digest(model: Path, parameters: Path | None) -> bytes:
    digest = hashlib.sha256()
    for path in (model, parameters, *_data_files(model)):
        if path is not None:
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except FileNotFoundError:
                raise WhylightError(f"{path}: no such file") from None
            except OSError as error:
                raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.digest()


def _data_files(model: Path) -> Iterator[Path]:
    """The files beside an ONNX model that hold its weights, by their names in it (onnx.proto: external_data)."""
    if model.suffix.lower() != ".onnx":
        return
    with suppress(OSError):
        content = model.read_bytes()
        found = re.finditer(rb"\x0a\x08location\x12([\x01-\x7f])", content)
        names = {content[match.end() : match.end() + match[1][0]] for match in found}
        for name in sorted(names):
            path = model.parent / os.fsdecode(name)
            if path.is_file():
                yield path


def _key(contents: bytes, model: Path, options: Mapping[str, object]) -> str:
    import onnxruntime

    # warnings and errors name the model file
    versions = [_FORM, __version__, onnxruntime.__version__, options, str(model)]
    return hashlib.sha256(contents + json.dumps(versions).encode()).hexdigest()[:40]


def _read(key: str) -> tuple[bytes, list[str]] | None:
    """An entry's graph and its warnings: a line of JSON, then the graph."""
    from whylight.png import crc32

    with suppress(OSError, ValueError, KeyError, TypeError):
        path = folder() / f"{key}.explainer"
        with path.open("rb") as file:
            facts = json.loads(file.readline())
            graph = file.read()
        if crc32(graph, 0) == facts["checksum"]:
            os.utime(path)
            return graph, [str(message) for message in facts["warnings"]]
    return None


def _write(key: str, graph: bytes, said: list[str]) -> None:
    """Keep an entry; where the folder cannot be written, there is no cache."""
    from whylight.output import save_bytes
    from whylight.png import crc32

    head = json.dumps({"checksum": crc32(graph, 0), "warnings": said}).encode()
    with suppress(WhylightError, OSError):
        save_bytes(head + b"\n" + graph, folder() / f"{key}.explainer")
        size = 0
        for path in entries():
            size += path.stat().st_size
            if size > _LARGEST:
                path.unlink(missing_ok=True)
