"""What a run has done so far, beside its output, so that it can be stopped anywhere and go on.

The folder ``.<output>.run`` holds a lock, ``run.json`` (a fingerprint of input, model and options) and, a shard, a
file of lines: a JSON list a batch with, a row, the overlay's checksum, the added cells and the error. What a line says
is trusted only as far as the overlays on disk have these checksums.
"""

import io
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path

import numpy as np

from whylight.batch.plan import Plan
from whylight.batch.step import BatchResult, Map, RowResult
from whylight.dataset.table import Shard
from whylight.errors import WhylightError
from whylight.files.storage import is_remote
from whylight.files.writing import save_bytes


class Journal:
    """The record of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folder = plan.run_folder
        self._missing: dict[int, int] = {}
        self._maps: dict[int, dict[str, Map]] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the output against other runs.

        Raises:
            WhylightError: another run holds it, or the folder cannot be written.
        """
        from filelock import FileLock, Timeout  # what only runs the shards does without

        output = self._plan.output
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder.with_suffix(".lock"), timeout=0)
            lock.acquire()
        except Timeout:
            raise WhylightError(f"{output}: another run is writing it; wait for it, or choose another output") from None
        except OSError as error:
            raise WhylightError(f"{output}: cannot be written: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, fingerprint: str) -> str:
        """Start, or go on where a run with the same fingerprint stopped.

        Returns:
            ``new``, ``continued``, or ``changed``: there was a run of something else, which is forgotten.
        """
        path = self._folder / "run.json"
        try:
            known = json.loads(path.read_text("utf-8"))["fingerprint"]
        except FileNotFoundError:
            known = None
        except (OSError, ValueError, KeyError, TypeError):
            known = ""
        if known is not None:
            self._remove_unfinished_files()
        if known == fingerprint:
            return "continued"
        shutil.rmtree(self._folder)
        save_bytes(json.dumps({"fingerprint": fingerprint}).encode(), path)
        return "changed" if known is not None else "new"

    def results(self, shard: Shard, verify: bool = True) -> list[RowResult]:
        """What is known of a shard's first rows: whole batches, whose overlays are on disk as they were written.

        Args:
            shard: any of the dataset's.
            verify: compare the overlays with their checksums; without, the shard is known to be done.
        """
        results: list[RowResult] = []
        try:
            lines = self._shard_path(shard.index).read_text("utf-8").splitlines()
        except (FileNotFoundError, UnicodeDecodeError):
            return []
        for line in lines:
            try:
                batch = [RowResult(checksum, tuple(cells), error) for checksum, cells, error in json.loads(line)]
            except (ValueError, TypeError):
                break  # the line was being written when the run stopped
            first = shard.first - 1 + len(results)
            if verify and not all(self._is_on_disk(index, result) for index, result in enumerate(batch, first)):
                break
            results += batch
        if self._plan.options.save_cam == "npz":
            maps = self._plan.path(self._plan.map_file(0, shard.index))
            return results if len(results) == shard.count and maps.is_file() else []
        return results

    def resume(self, shard: Shard) -> int:
        """Make ready to record a shard.

        Returns:
            How many of its rows are done already.
        """
        known = self.results(shard)
        lines = (
            _line(known[start : start + self._plan.batch_size]) for start in range(0, len(known), self._plan.batch_size)
        )
        save_bytes("".join(lines).encode(), self._shard_path(shard.index))
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
            with path.open("a", encoding="utf-8") as file:
                file.write(_line(result.rows))
        except OSError as error:
            raise WhylightError(f"{path}: cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forget the run: it is over."""
        shutil.rmtree(self._folder)
        self._folder.with_suffix(".lock").unlink(missing_ok=True)

    def _remove_unfinished_files(self) -> None:
        """What was being written when a run was killed."""
        output = self._plan.output
        if is_remote(output):
            return
        tables = output.parent.glob(f".{escape(output.name)}.*.part")
        for path in (*(output.parent / output.stem).rglob(".*.part"), *tables):
            path.unlink(missing_ok=True)

    def _shard_path(self, shard: int) -> Path:
        return self._folder / f"{shard:06d}.jsonl"

    def _is_on_disk(self, index: int, result: RowResult) -> bool:
        if result.checksum is None:
            return True
        try:
            return zlib.crc32(self._plan.path(self._plan.overlay(index)).read_bytes()) == result.checksum
        except OSError:
            return False


def _line(results: Sequence[RowResult]) -> str:
    rows = [(result.checksum, result.cells, result.error) for result in results]
    return json.dumps(rows, ensure_ascii=False) + "\n"


def _npz(maps: dict[str, Map]) -> bytes:
    """An .npz file; unlike numpy's own it holds no time of day: the same maps are the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, cam in maps.items():
            member = io.BytesIO()
            np.save(member, cam)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
