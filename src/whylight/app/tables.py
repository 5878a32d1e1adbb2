"""The tables that are open: each indexed once, in a thread of its own, by whoever asks first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING

from whylight import api
from whylight.app.folder import Folder
from whylight.app.table_index import TableIndex, build, is_current
from whylight.errors import Cancelled

if TYPE_CHECKING:
    from whylight.api import Results

_SAMPLE = 200
"""Rows by which it is guessed how many there are."""


@dataclass(frozen=True)
class TableName:
    """What a call says of the table that it means.

    Attributes:
        table: the CSV's path in the folder; empty for the folder's images.
        input_variable: holds the image; empty for the usual one.
        label_variable: holds the class; empty for the usual one.
        labels: a labels file in the folder, or ``imagenet``; empty for none.
    """

    table: str = ""
    input_variable: str = ""
    label_variable: str = ""
    labels: str = ""


@dataclass
class Indexing:
    """An index that is being made.

    Attributes:
        done: rows that are in it.
        rows: how many there are, about; None where that is not known yet.
        index: comes when it is made.
    """

    done: int = 0
    rows: int | None = None
    index: Future[TableIndex] = field(default_factory=Future)


class Tables:
    """The tables of a folder that are open."""

    def __init__(self, folder: Folder, cache: Path) -> None:
        """Open none yet.

        Args:
            folder: where they are.
            cache: where their indexes are kept.
        """
        self._folder = folder
        self._cache = cache
        self._workers = ThreadPoolExecutor(1, "indexing")
        self._open: dict[TableName, tuple[str, Indexing]] = {}
        self._lock = Lock()
        self._stop = Event()

    def current(self, name: TableName) -> Indexing:
        """The index of a table as it is now, made or on its way.

        Raises:
            WhylightError: there is no such table.
        """
        with self._lock:
            check, indexing = self._open.get(name, ("", None))
            if indexing is not None and not indexing.index.done():
                return indexing
            now = self._check(name)
            if indexing is None or check != now or indexing.index.exception() is not None:
                indexing = Indexing()
                self._open[name] = now, indexing
                self._workers.submit(self._make, name, now, indexing)
            return indexing

    def index(self, name: TableName) -> TableIndex:
        """The index of a table, which may have changed since it was opened; it is waited for.

        Raises:
            WhylightError: there is no such table, or it cannot be read.
        """
        with self._lock:
            _, indexing = self._open.get(name, ("", None))
        return (indexing or self.current(name)).index.result()

    def close(self) -> None:
        """Stop what is under way."""
        self._stop.set()
        self._workers.shutdown(cancel_futures=True)

    def labels(self, name: str) -> str | Path | None:
        """What is known as the option ``labels``.

        Raises:
            WhylightError: there is no such file in the folder.
        """
        return None if not name else name if name == "imagenet" else self._folder.file(name)

    def _check(self, name: TableName) -> str:
        """What changes when the table does."""
        if not name.table:
            return api.open_dataset(self._folder.root).digest()
        files = [self._folder.file(name.table)]
        if isinstance(labels := self.labels(name.labels), Path):
            files.append(labels)
        return json.dumps([(file.stat().st_size, file.stat().st_mtime_ns) for file in files])

    def _make(self, name: TableName, check: str, indexing: Indexing) -> None:
        try:
            indexing.index.set_result(self._made(name, check, indexing))
        except BaseException as error:  # whoever waits for it is told
            indexing.index.set_exception(error)

    def _made(self, name: TableName, check: str, indexing: Indexing) -> TableIndex:
        root, labels = self._folder.root, self.labels(name.labels)
        key = json.dumps([str(root), name.table, name.input_variable, name.label_variable, name.labels])
        place = self._cache / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:32]}.sqlite"
        if not is_current(place, check):
            results = api.open_results(
                self._folder.file(name.table) if name.table else root,
                within=root,
                labels=labels,
                input_variable=name.input_variable or None,
                label_variable=name.label_variable or None,
            )
            indexing.rows = self._guessed(name, results)

            def advance(rows: int) -> None:
                indexing.done += rows
                if self._stop.is_set():
                    raise Cancelled("cancelled")

            build(results, root, place, check, advance)
        names: Sequence[str] = TableIndex(place, ()).facts["names"]
        return TableIndex(place, names)

    def _guessed(self, name: TableName, results: Results) -> int | None:
        """How many rows there are, by the length of the first ones."""
        if not name.table:
            return sum(1 for _ in results.dataset.rows())
        lengths = [len(row.text.encode(errors="replace")) + 1 for row in islice(results.dataset.rows(), _SAMPLE)]
        size = self._folder.file(name.table).stat().st_size
        return round(size * len(lengths) / sum(lengths)) if lengths else None
