"""What a run has done so far, beside its output, so that it can be stopped anywhere and go on.

The folder ``.<output>.run`` holds ``run.json`` (a fingerprint of input, model and options) and, a shard, a file of
lines: a checksum and a JSON list a batch with, a row, the overlay's checksum, the added cells, the error, and what
tells its image from a changed one. What a line says is trusted as far as it has its own checksum, the overlays on disk
have theirs, and the images are the same; from the first line on of which this is not true, nothing is done.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from whylight.batch.plan import Plan
from whylight.batch.step import BatchResult, Map, RowResult
from whylight.dataset.table import Shard
from whylight.errors import WhylightError
from whylight.files.checks import reason
from whylight.files.writing import save_bytes

_OWN = re.compile(r"run\.json|[0-9]{6,}\.jsonl|explainer\.onnx|\..*\.whylight\.part")
"""The files in its folder."""


class Journal:
    """The record of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = plan.run_folder
        self._missing: dict[int, int] = {}
        self._maps: dict[int, dict[str, Map]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the output, and the folder of its overlays, against other runs.

        Raises:
            WhylightError: another run holds them, or the folder cannot be written.
        """
        from filelock import FileLock, Timeout  # what only runs the shards does without

        output, path = self._plan.output, self._plan.lock_file
        if path.is_symlink() or (path.exists() and (not path.is_file() or path.stat().st_size)):
            raise WhylightError(f"{path}: in the place of a lock: remove it, or choose another output")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=0)
            lock.acquire()
        except Timeout:
            raise WhylightError(
                f"{output}: another run is writing it, or its overlays; wait for it, or choose another output"
            ) from None
        except OSError as error:
            raise WhylightError(f"{output}: cannot be written: {reason(error)}") from error
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes none that is open
                path.unlink(missing_ok=True)
            lock.release()

    @property
    def is_there(self) -> bool:
        """Whether a run was stopped."""
        return (self._folder / "run.json").exists()

    def is_of(self, fingerprint: str) -> bool:
        """Whether a run with the same fingerprint was stopped."""
        path = self._folder / "run.json"
        try:
            known = json.loads(path.read_bytes())["fingerprint"] if path.is_file() else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):  # damaged: a run of something else
            known = None
        return bool(known == fingerprint)

    def begin(self, fingerprint: str) -> None:
        """Start over.

        Raises:
            WhylightError: the folder cannot be written, or holds what is none of a journal's.
        """
        self.remove()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WhylightError(f"{self._folder}: cannot be written: {reason(error)}") from error
        save_bytes(json.dumps({"fingerprint": fingerprint}).encode(), self._folder / "run.json")

    def results(self, shard: Shard, stamps: Iterator[str] | None = None) -> list[RowResult]:
        """What is known of a shard's first rows, whole batches.

        Args:
            shard: any of the dataset's.
            stamps: what tells the rows' images from changed ones: only rows count that have these, and whose overlays
                are on disk as they were written. Without, the shard is known to be done.
        """
        results: list[RowResult] = []
        path = self._shard_path(shard.index)
        try:
            lines = path.read_bytes().split(b"\n") if path.is_file() else []
        except OSError:
            return []
        for line in lines[:-1]:
            batch = _parsed(line)
            if batch is None or len(results) + len(batch) > shard.count:
                break  # damaged, or the line was being written when the run stopped
            if stamps is not None:
                first = shard.first - 1 + len(results)
                is_same = [result.stamp for result in batch] == list(islice(stamps, len(batch)))
                if not is_same or not all(
                    self._is_on_disk(index, shard.index, result) for index, result in enumerate(batch, first)
                ):
                    break
            results += batch
        if stamps is not None and self._plan.options.save_cam == "npz":
            return results if len(results) == shard.count and self._has_map(0, shard.index) else []
        return results

    def resume(self, shard: Shard, stamps: Iterator[str]) -> int:
        """Make ready to record a shard.

        Args:
            shard: any of the dataset's.
            stamps: see `results`.

        Returns:
            How many of its rows are done already.
        """
        known = self.results(shard, stamps)
        lines = (
            _line(known[start : start + self._plan.batch_size]) for start in range(0, len(known), self._plan.batch_size)
        )
        save_bytes(b"".join(lines), self._shard_path(shard.index))
        if len(known) < shard.count:
            self._missing[shard.index] = shard.count - len(known)
        return len(known)

    def add(self, result: BatchResult) -> None:
        """Record the next batch of a shard.

        Raises:
            WhylightError: the disk is full.
        """
        shard = result.shard
        self._missing[shard] -= len(result.rows)
        if self._plan.options.save_cam == "npz":
            maps = self._maps.setdefault(shard, {})
            maps |= result.maps
            if self._missing[shard] == 0:
                save_bytes(_npz(self._maps.pop(shard)), self._plan.path(self._plan.map_file(0, shard)))
        path = self._shard_path(shard)
        try:
            with path.open("ab") as file:
                file.write(_line(result.rows))
        except OSError as error:
            raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forget the run. What somebody else has put into the folder stays.

        Raises:
            WhylightError: its folder cannot be written.
        """
        if not self._folder.is_dir():
            return
        try:
            for path in self._folder.iterdir():
                if _OWN.fullmatch(path.name) and (path.is_symlink() or not path.is_dir()):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise WhylightError(f"{self._folder}: cannot be written: {reason(error)}") from error
        with suppress(OSError):
            self._folder.rmdir()

    def _shard_path(self, shard: int) -> Path:
        return self._folder / f"{shard:06d}.jsonl"

    def _is_on_disk(self, index: int, shard: int, result: RowResult) -> bool:
        if result.checksum is None:
            return True
        if self._plan.options.save_cam == "npy" and not self._has_map(index, shard):
            return False
        try:
            return zlib.crc32(self._plan.path(self._plan.overlay(index)).read_bytes()) == result.checksum
        except OSError:
            return False

    def _has_map(self, index: int, shard: int) -> bool:
        path = self._plan.path(self._plan.map_file(index, shard))
        return path.is_file() and path.stat().st_size > 0


def _line(results: Sequence[RowResult]) -> bytes:
    """A line with its checksum. It is ASCII: what no encoding has, as in names of files, is escaped."""
    rows = json.dumps([(result.checksum, result.cells, result.error, result.stamp) for result in results]).encode()
    return b"%08x %b\n" % (zlib.crc32(rows), rows)


def _parsed(line: bytes) -> list[RowResult] | None:
    """What a line says; None for one that is damaged."""
    checksum, _, content = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        return None
    try:
        rows: list[Any] = json.loads(content)
        results = [RowResult(number, tuple(cells), error, stamp) for number, cells, error, stamp in rows]
    except (ValueError, TypeError, RecursionError):
        return None
    are_known = all(
        isinstance(one.checksum, int | None)
        and all(isinstance(text, str) for text in (*one.cells, one.error, one.stamp))
        for one in results
    )
    return results if are_known else None


def _npz(maps: dict[str, Map]) -> bytes:
    """An .npz file; unlike numpy's own it holds no time of day: the same maps are the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, cam in maps.items():
            member = io.BytesIO()
            np.save(member, cam)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
