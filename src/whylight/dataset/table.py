"""Dataset CSVs of Neural Network Console: header grammar, rows, labels, and writing results.

The header's cells are ``NAME[__INDEX][:LABEL]``; ``NAME__0`` to ``NAME__n`` are one vector, and a header that starts
with ``#`` is a comment. A cell is a number, or a path relative to the CSV's own folder.
"""

import codecs
import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from pathlib import Path, PurePath, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.files.checks import check_file
from whylight.files.storage import is_remote
from whylight.files.values import read_values

_INDEXED = re.compile(r"(.+)__([0-9]{1,9})")
_LABEL_FILES = (".csv", ".npy")
_SHOWN = 80
"""Characters of a cell, and names of variables, that a message quotes at most."""


@dataclass(frozen=True)
class Column:
    """A column of a dataset CSV.

    Attributes:
        header: the header's cell.
        variable: the variable that it belongs to.
        index: its place in the variable's vector; None where the variable is this one column.
        label: what stands after the colon.
        is_comment: the header starts with ``#``: the column belongs to no variable.
    """

    header: str
    variable: str
    index: int | None
    label: str | None
    is_comment: bool


@dataclass(frozen=True)
class Row:
    """A row of a dataset CSV, as many cells as it has.

    Attributes:
        number: its number among the rows below the header, from 1.
        line: the line of the file on which it starts, from 1.
        cells: its cells.
        text: the record as it stands in the file, without the line end.
    """

    number: int
    line: int
    cells: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Shard:
    """A run of rows of a dataset CSV that can be read without reading those before it.

    Attributes:
        index: its number, from 0.
        first: the number of its first row, from 1.
        line: the line of the file on which that row starts, from 1.
        offset: the byte of the file at which it starts.
        count: its number of rows.
    """

    index: int
    first: int
    line: int
    offset: int
    count: int


@dataclass(frozen=True)
class Dataset:
    """A dataset CSV, opened: its header is read, its rows are read when they are asked for.

    Attributes:
        path: the file.
        columns: from left to right.
        header_text: the header as it stands in the file, without the line end.
        has_byte_order_mark: the file starts with one.
        line_end: that of the header.
    """

    path: Path
    columns: tuple[Column, ...]
    header_text: str
    has_byte_order_mark: bool
    line_end: str

    @property
    def variables(self) -> list[str]:
        """The names of the variables."""
        named = (column.variable for column in self.columns if column.variable and not column.is_comment)
        return list(dict.fromkeys(named))

    def columns_of(self, variable: str) -> tuple[int, ...]:
        """Where a variable stands: the positions of its columns, in the order of its vector.

        Raises:
            WhylightError: there is no such variable, or its columns are no vector.
        """
        found = [
            (column.index, position)
            for position, column in enumerate(self.columns)
            if column.variable == variable and not column.is_comment
        ]
        if not found:
            more = ", ..." if len(self.variables) > _SHOWN else ""
            known = ", ".join(self.variables[:_SHOWN])
            raise WhylightError(f"{self.path}: no variable '{variable}'; it has: {known}{more}")
        times = Counter(index for index, _ in found)
        wanted: list[int | None] = [None] if None in times else [*range(len(found))]
        for index in wanted:
            if times[index] != 1 or len(found) != len(wanted):
                name = variable if index is None else f"{variable}__{index}"
                raise WhylightError(
                    f"{self.path}: variable '{variable}' has {len(found)} columns, {times[index]} named '{name}': "
                    f"expected one column, or '{variable}__0', '{variable}__1', ... once each"
                )
        positions = dict(found)
        return tuple(positions[index] for index in wanted)

    def rows(self, shard: Shard | None = None) -> Iterator[Row]:
        """Read the rows one by one. A row with too few or too many cells is an error when its cells are asked for.

        Args:
            shard: only its rows; by default all.

        Raises:
            WhylightError: the file cannot be read, or is no CSV from here on.
        """
        records = _records(self.path, shard.line, shard.offset) if shard else islice(_records(self.path), 1, None)
        first, number_of_rows = (shard.first, shard.count) if shard else (1, None)
        for number, (line, cells, text, _) in enumerate(islice(records, number_of_rows), first):
            yield Row(number, line, cells, text.rstrip("\r\n"))

    def shards(self, size: int) -> Iterator[Shard]:
        """Read the file once, and cut it into shards of ``size`` rows; the last one may be smaller.

        Raises:
            WhylightError: the file cannot be read, or is no CSV.
        """
        rows = ((line, offset) for line, _, _, offset in islice(_records(self.path), 1, None))
        for index in count():
            chunk = list(islice(rows, size))
            if not chunk:
                return
            line, offset = chunk[0]
            yield Shard(index, index * size + 1, line, offset, len(chunk))

    def image_path(self, row: Row, positions: Sequence[int]) -> Path:
        """The file that a row names.

        Args:
            row: one of this file's.
            positions: what `columns_of` says.

        Raises:
            WhylightError: the row has not the header's number of cells, or the cell is empty.
        """
        cells = self.cells(row, positions)
        if len(cells) > 1:
            columns = f"'{self.columns[positions[0]].header}' to '{self.columns[positions[-1]].header}'"
            raise WhylightError(
                f"{self.path}: columns {columns} are a vector of {len(cells)}: expected one image column"
            )
        if not cells[0]:
            raise WhylightError(f"{self._place(row, positions[0])}: the cell is empty: expected an image file")
        return self._file(cells[0])

    def label(self, row: Row, positions: Sequence[int]) -> int:
        """The class index that a row names: a whole number, the place of the largest of a vector, or a file with one.

        Args:
            row: one of this file's.
            positions: what `columns_of` says.

        Raises:
            WhylightError: the row has not the header's number of cells, or names no class.
        """
        cells = self.cells(row, positions)
        if len(cells) > 1:
            return self._vector_label(row, cells, positions)
        value = _number(cells[0])
        if value is not None and _is_index(value):
            return int(value)
        place = self._place(row, positions[0])
        if PurePath(cells[0]).suffix.lower() in _LABEL_FILES:
            return self._file_label(place, cells[0])
        expected = "a whole number, a one-hot vector, or a file with one"
        raise WhylightError(f"{place}: {_quoted(cells[0])} is not a class index ({expected})")

    def row_error(self, row: Row, error: Exception) -> WhylightError:
        """``error``, saying which row it is about."""
        return WhylightError(f"{self.path}: row {row.number} (line {row.line}): {error}")

    def _vector_label(self, row: Row, cells: Sequence[str], positions: Sequence[int]) -> int:
        values = [_number(cell) for cell in cells]
        for cell, value, position in zip(cells, values, positions, strict=True):
            if value is None or not np.isfinite(value):
                raise WhylightError(f"{self._place(row, position)}: {_quoted(cell)} is not a number")
        index = _largest(np.array(values, np.float64))
        if index is None:
            last = self.columns[positions[-1]].header
            raise WhylightError(
                f"{self._place(row, positions[0])} to {_quoted(last)}: all values are {cells[0]}: "
                "expected a one-hot vector or probabilities"
            )
        return index

    def _file_label(self, place: str, cell: str) -> int:
        try:
            values = read_values(self._file(cell))
        except WhylightError as error:
            raise WhylightError(f"{place}: {error}") from error
        if max(values.shape, default=1) == values.size:
            if values.size == 1 and _is_index(values.item()):
                return int(values.item())
            index = _largest(values.reshape(-1)) if values.size > 1 and np.isfinite(values).all() else None
            if index is not None:
                return index
        expected = "one index (a whole number), or one vector (one-hot or probabilities)"
        raise WhylightError(f"{place}: {_quoted(cell)}, of shape {values.shape}, names no class: expected {expected}")

    def cells(self, row: Row, positions: Sequence[int]) -> list[str]:
        """Cells of a row, without the blanks around them.

        Raises:
            WhylightError: the row has not the header's number of cells.
        """
        if len(row.cells) != len(self.columns):
            found, expected = len(row.cells), len(self.columns)
            cells = "1 cell" if found == 1 else f"{found} cells"
            raise WhylightError(
                f"{self.path}: row {row.number} (line {row.line}) has {cells}, the header has {expected}"
            )
        return [row.cells[position].strip() for position in positions]

    def _file(self, cell: str) -> Path:
        name = cell.replace("\\", "/")
        if self._folder is None:
            return self.path.parent / str(PurePosixPath(name))  # stores know no "./"
        return Path(os.path.join(self._folder, name))  # noqa: PTH118  # a row each: half of what pathlib takes

    @cached_property
    def _folder(self) -> str | None:
        """Where this machine has the files that cells name."""
        return None if is_remote(self.path) else str(self.path.parent)

    def _place(self, row: Row, position: int) -> str:
        return f"{self.path}: row {row.number} (line {row.line}), column {_quoted(self.columns[position].header)}"


def open_dataset(path: Path) -> Dataset:
    """Open a dataset CSV.

    Raises:
        WhylightError: it is missing, empty, not UTF-8 text or no CSV.
    """
    check_file(path)
    for _, cells, text, _ in _records(path):
        header = text.rstrip("\r\n")
        columns = tuple(_column(cell) for cell in cells)
        return Dataset(path, columns, header, _has_byte_order_mark(path), text[len(header) :] or "\n")
    raise WhylightError(f"{path} is empty: expected a dataset CSV with a header")


# ---- reading text


def _lines(path: Path, offset: int = 0) -> Iterator[str]:
    """The lines of a UTF-8 text from a byte on, each with its line end, without the byte order mark."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            with io.TextIOWrapper(file, encoding="utf-8" if offset else "utf-8-sig", newline="") as text:
                yield from text
    except UnicodeDecodeError as error:
        raise WhylightError(f"{path}: not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error


def _records(path: Path, line: int = 1, offset: int = 0) -> Iterator[tuple[int, tuple[str, ...], str, int]]:
    """The records of a CSV that are not blank, from a place on at which one begins.

    Yields:
        The line each starts on, its cells, its text with the line end, and the byte of the file it starts at.
    """
    lines: list[str] = []
    first_line, position = line, offset or (len(codecs.BOM_UTF8) if _has_byte_order_mark(path) else 0)

    def consumed() -> Iterator[str]:
        for line in _lines(path, offset):
            if "\0" in line:
                raise WhylightError(f"{path}: line {start + len(lines)}: a NUL character: expected UTF-8 text")
            lines.append(line)
            yield line
        if lines:  # the reader asks for more although the file ends
            raise WhylightError(f"{path}: line {start}: a quoted cell begins in this row and never ends")

    start = line
    reader = csv.reader(consumed())
    try:
        for cells in reader:
            text = "".join(lines)
            if cells:
                yield start, tuple(cells), text, position
            lines.clear()
            start = first_line + reader.line_num
            position += len(text.encode())
    except csv.Error as error:
        raise WhylightError(f"{path}: line {start}: not a CSV row: {error}") from error


def _has_byte_order_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _column(header: str) -> Column:
    """Split a header's cell, ``NAME[__INDEX][:LABEL]``."""
    name, colon, label = header.partition(":")
    indexed = _INDEXED.fullmatch(name.strip())
    variable, index = (indexed[1], int(indexed[2])) if indexed else (name.strip(), None)
    return Column(header, variable, index, label if colon else None, header.startswith("#"))


# ---- cells


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _is_index(value: float) -> bool:
    return value >= 0 and value % 1 == 0


def _largest(values: NDArray[np.float64]) -> int | None:
    """The place of the largest value; None where all are equal."""
    return None if (values == values[0]).all() else int(values.argmax())


def _quoted(cell: str) -> str:
    """A cell in one line, for messages."""
    return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}...")
