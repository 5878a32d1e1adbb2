"""A table as a SQLite file: made once, kept in the cache, and asked for the rows that a page shows.

However many rows there are, they stay on the disk; what is held of a view is the numbers of its rows, four bytes each.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError

if TYPE_CHECKING:
    from whylight.api import Results

_FORM = 1
"""To be raised when the tables of the index change."""
_ROWS_AT_ONCE = 1000
_VIEWS = 8
"""Whose rows' numbers are held."""
_TABLES = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY, image TEXT, overlay TEXT, truth INTEGER, predicted INTEGER, explained INTEGER,
    confidence REAL, error TEXT NOT NULL, cells TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE facts (content TEXT NOT NULL);
"""
_INDEXES = """
CREATE INDEX by_class ON entries (truth, predicted, confidence);
CREATE INDEX by_prediction ON entries (predicted, confidence);
CREATE INDEX by_confidence ON entries (confidence);
CREATE INDEX by_error ON entries (number) WHERE error <> '';
"""
_KEYS = {"row": "number", "confident": "-confidence", "unsure": "confidence", "class": "coalesce(truth, predicted)"}
"""By what rows are sorted, besides by their number; those that have none of it come last."""
_RESULTS = {"right": "truth = predicted", "wrong": "truth <> predicted", "error": "error <> ''"}
_Numbers = NDArray[np.uint32]


@dataclass(frozen=True)
class View:
    """Which rows are shown, in which order; see ``View`` in `page/source.js`.

    Attributes:
        result: ``right``, ``wrong``, ``error``, or empty for any.
        truth: the true class; None for any.
        predicted: the predicted class.
        lowest: the lowest confidence, in percent where all are probabilities.
        highest: the highest.
        text: what a cell, the name of the image, of the overlay or of a class, or the error holds.
        sort: ``row``, ``confident``, ``unsure`` or ``class``.
    """

    result: str = ""
    truth: int | None = None
    predicted: int | None = None
    lowest: float | None = None
    highest: float | None = None
    text: str = ""
    sort: str = "row"


class TableIndex:
    """A table that is indexed."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        """Open an index.

        Args:
            path: the file that `build` wrote.
            names: the classes' names, for the filter by text.
        """
        self.path = path
        self.names = names
        self._views: OrderedDict[View, _Numbers] = OrderedDict()
        self._lock = Lock()
        with self._open() as connection:
            self.facts: dict[str, Any] = json.loads(connection.execute("SELECT content FROM facts").fetchone()[0])

    def rows(self, view: View, start: int, count: int) -> tuple[list[dict[str, Any]], int]:
        """The rows of a view from the ``start``th (0 for the first) on, and how many it has."""
        numbers = self._numbers(view)
        return self._entries(numbers[start : start + count].tolist()), len(numbers)

    def row(self, view: View, number: int) -> tuple[dict[str, Any] | None, int, int]:
        """One row, whether it is in the view or not, and the numbers of those before and after it, 0 for none."""
        found = self._entries([number])
        numbers = self._numbers(view)
        places = np.flatnonzero(numbers == number)
        if not found or not len(places):
            return (found[0] if found else None), 0, 0
        place = int(places[0])
        before = int(numbers[place - 1]) if place else 0
        return found[0], before, int(numbers[place + 1]) if place + 1 < len(numbers) else 0

    def files(self, number: int) -> tuple[str | None, str | None]:
        """Image and overlay of a row, relative to the folder.

        Raises:
            WhylightError: there is no such row.
        """
        found = self._entries([number])
        if not found:
            raise WhylightError(f"row {number}: the table has {self.facts['rows']} rows")
        return found[0]["image"], found[0]["overlay"]

    def _entries(self, numbers: list[int]) -> list[dict[str, Any]]:
        marks = ",".join("?" * len(numbers))
        with self._open() as connection:
            connection.row_factory = sqlite3.Row
            found = {
                each["number"]: {**dict(each), "cells": json.loads(each["cells"])}
                for each in connection.execute(
                    "SELECT number, image, overlay, truth, predicted, explained, confidence, error, cells "
                    f"FROM entries WHERE number IN ({marks})",
                    numbers,
                )
            }
        return [found[number] for number in numbers if number in found]

    def _numbers(self, view: View) -> _Numbers:
        """The numbers of a view's rows in its order; those of the last views are held."""
        with self._lock:
            if view in self._views:
                self._views.move_to_end(view)
                return self._views[view]
        is_whole = view == View()
        numbers = np.arange(1, self.facts["rows"] + 1, dtype=np.uint32) if is_whole else self._found(view)
        with self._lock:
            self._views[view] = numbers
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        return numbers

    def _found(self, view: View) -> _Numbers:
        condition, values = self._condition(view)
        query = f"SELECT number, ifnull({_KEYS[view.sort]}, 9e999) FROM entries WHERE {condition}"
        with self._open() as connection:  # sorted here: SQLite would go through the rows in the order of an index
            found = np.fromiter(connection.execute(query, values), [("number", np.uint32), ("key", np.float64)])
        return np.asarray(found["number"][np.lexsort((found["number"], found["key"]))], np.uint32)

    def _condition(self, view: View) -> tuple[str, list[Any]]:
        conditions, values = ["1"], list[Any]()
        if view.result:
            conditions.append(_RESULTS[view.result])
        unit = 100 if self.facts["are_probabilities"] else 1
        for condition, value in (
            ("truth = ?", view.truth),
            ("predicted = ?", view.predicted),
            ("confidence >= ?", None if view.lowest is None else view.lowest / unit),
            ("confidence <= ?", None if view.highest is None else view.highest / unit),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if view.text:
            wanted = folded(view.text)
            classes = ",".join(str(index) for index, name in enumerate(self.names) if wanted in folded(name))
            conditions.append(f"(instr(text, ?) > 0 OR truth IN ({classes}) OR predicted IN ({classes}))")
            values.append(wanted)
        return " AND ".join(conditions), values

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            yield connection


def folded(text: str) -> str:
    """A text in which letters are the same that mean the same: large and small, wide and narrow, composed or not."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def build(results: Results, root: Path, place: Path, check: str, advance: Callable[[int], None]) -> None:
    """Write the index of a table, aside first and then in place.

    Args:
        results: the table.
        root: the folder that is open: files are named relative to it.
        place: where to write.
        check: what `is_current` asks for: the form of the table's file.
        advance: told of rows that are done. What it raises stops the work, and is raised again; nothing is left.

    Raises:
        WhylightError: the table cannot be read, or the index cannot be written.
    """
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".whylight.part", dir=place.parent)
        os.close(handle)
    except OSError as error:
        raise WhylightError(f"{place}: cannot be written: {error.strerror}") from error
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_TABLES} BEGIN;")
            for batch in _batches(_records(results, root)):
                connection.executemany(f"INSERT INTO entries VALUES ({','.join('?' * 10)})", batch)
                advance(len(batch))
            connection.executescript(_INDEXES)
            facts = {"form": _FORM, "check": check, **_facts(connection, results)}
            connection.execute("INSERT INTO facts VALUES (?)", (json.dumps(facts),))
        Path(temporary).replace(place)
    except (sqlite3.Error, OSError) as error:
        raise WhylightError(f"{place}: the index of the table cannot be written: {error}") from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def is_current(place: Path, check: str) -> bool:
    """Whether there is an index, whole and of the table as it is now."""
    with suppress(sqlite3.Error, OSError, ValueError, TypeError, WhylightError):
        if place.is_file():
            facts = TableIndex(place, ()).facts
            return bool(facts["form"] == _FORM and facts["check"] == check)
    return False


def _batches(records: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    for record in records:
        batch.append(record)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    yield batch


def _records(results: Results, root: Path) -> Iterator[tuple[Any, ...]]:
    for number, entry in enumerate(results.entries(), 1):
        image, overlay = _name(entry.image, root), _name(entry.overlay, root)
        texts = "\n".join((image or "", overlay or "", entry.error, *entry.cells))
        cells = json.dumps([_stored(cell) for cell in entry.cells], ensure_ascii=False)
        classes = entry.truth, entry.predicted, entry.explained, entry.confidence
        yield number, image, overlay, *classes, _stored(entry.error), cells, _stored(folded(texts))


def _name(path: Path | None, root: Path) -> str | None:
    return None if path is None else _stored(str(path)[len(str(root)) :].replace(os.sep, "/").lstrip("/"))


def _stored(text: str) -> str:
    """Text as SQLite takes it: bytes that are no UTF-8 are escaped."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _facts(connection: sqlite3.Connection, results: Results) -> dict[str, Any]:
    """What is true of all rows; see ``TableFacts`` in `page/source.js`."""

    def numbers(query: str) -> Sequence[Any]:
        return connection.execute(f"SELECT {query}").fetchall()

    def occurring(column: str) -> list[int]:
        found = numbers(f"DISTINCT {column} FROM entries WHERE {column} IS NOT NULL ORDER BY {column}")
        return [each for (each,) in found]

    ((rows, explained, errors, lowest, highest),) = numbers(
        "count(*), count(overlay), coalesce(sum(error <> ''), 0), min(confidence), max(confidence) FROM entries"
    )
    confusions = [
        list(each)
        for each in numbers(
            "truth, predicted, count(*) FROM entries WHERE truth IS NOT NULL AND predicted IS NOT NULL "
            "GROUP BY truth, predicted ORDER BY count(*) DESC, truth, predicted"
        )
    ]
    said = None if results.facts is None else asdict(results.facts)
    return {
        "names": results.names,
        "by": said and {name: said[name] for name in ("origin", "method", "layer", "model", "score")},
        "rows": rows,
        "explained": explained,
        "right": sum(count for truth, predicted, count in confusions if truth == predicted),
        "wrong": sum(count for truth, predicted, count in confusions if truth != predicted),
        "errors": errors,
        "confusions": confusions,
        "truths": occurring("truth"),
        "predictions": occurring("predicted"),
        "has_confidences": lowest is not None,
        "are_probabilities": lowest is not None and lowest >= 0 and highest <= 1,
        "columns": results.columns,
    }
