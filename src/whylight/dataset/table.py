"""A dataset: columns and rows, wherever they are. A file's are in `csv_table`, a program's own in `memory_table`.

The columns' names are as Neural Network Console writes them, ``NAME[__INDEX][:LABEL]``; ``NAME__0`` to ``NAME__n`` are
one vector, and a name that starts with ``#`` is a comment. A cell is a number, or the path of a file.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whylight.contract import Origin
from whylight.errors import WhylightError
from whylight.files.values import read_values
from whylight.options import ClassIndex

if TYPE_CHECKING:
    from whylight.images.inputs import ImageLike

_INDEXED = re.compile(r"(.+)__([0-9]{1,9})")
_LABEL_FILES = (".csv", ".npy")
_NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$')
_SHOWN = 80
"""Characters of a cell, and names of variables, that a message quotes at most."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset.

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
    """A row of a dataset, as many cells as it has.

    Attributes:
        number: its number among the rows below the header, from 1.
        line: the line of the file on which it starts, from 1; None where there is no file.
        cells: its cells.
        text: the record as it stands in the file, without the line end.
    """

    number: int
    line: int | None
    cells: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"row {self.number}" if self.line is None else f"row {self.number} (line {self.line})"


@dataclass(frozen=True)
class Shard:
    """A run of rows of a dataset that can be read without reading those before it.

    Attributes:
        index: its number, from 0.
        first: the number of its first row, from 1.
        count: its number of rows.
        line: the line of the file on which its first row starts, from 1; 0 where there is no file.
        offset: the byte of the file at which that row starts.
    """

    index: int
    first: int
    count: int
    line: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Dataset(ABC):
    """A dataset, opened: its columns are known, its rows are read when they are asked for.

    Attributes:
        columns: from left to right.
        header_text: the header as it stands in a CSV, without the line end.
        has_byte_order_mark: the file starts with one.
        line_end: that of the header.
    """

    columns: tuple[Column, ...]
    header_text: str
    has_byte_order_mark: bool
    line_end: str

    @property
    @abstractmethod
    def source(self) -> str:
        """What messages call it."""

    @abstractmethod
    def rows(self, shard: Shard | None = None) -> Iterator[Row]:
        """Read the rows one by one. A row with too few or too many cells is an error when its cells are asked for.

        Args:
            shard: only its rows; by default all.

        Raises:
            WhylightError: a file cannot be read, or is no CSV from here on.
        """

    @abstractmethod
    def shards(self, size: int, check: Callable[[Row], object] | None = None) -> Iterator[Shard]:
        """Go through all rows once, and cut them into shards of ``size`` rows; the last one may be smaller.

        Args:
            size: rows a shard.
            check: is given every row on the way.

        Raises:
            WhylightError: a file cannot be read, or is no CSV; or what ``check`` raises.
        """

    @abstractmethod
    def digest(self) -> str:
        """What tells its content from any other's."""

    @abstractmethod
    def file(self, cell: str) -> Path:
        """The file that a cell names."""

    @property
    def origin(self) -> Origin:
        """Who names the classes of its rows: a table's are labels."""
        return "label"

    def of_classes(self, class_names: Sequence[str], class_count: int) -> Dataset:
        """The same dataset for a model with these classes; see `whylight.dataset.image_files`."""
        return self

    def written_to(self, output: Path) -> Dataset:
        """The same dataset, as its rows are to stand in a result at that place."""
        return self

    @cached_property
    def variables(self) -> list[str]:
        """The names of the variables."""
        return [name for name in self._places if name]

    @cached_property
    def _places(self) -> dict[str, list[tuple[int | None, int]]]:
        """Index and position of each variable's columns: found once, for tables of many columns."""
        places: dict[str, list[tuple[int | None, int]]] = {}
        for position, column in enumerate(self.columns):
            if not column.is_comment:
                places.setdefault(column.variable, []).append((column.index, position))
        return places

    def columns_of(self, variable: str) -> tuple[int, ...]:
        """Where a variable stands: the positions of its columns, in the order of its vector.

        Raises:
            WhylightError: there is no such variable, or its columns are no vector.
        """
        found = self._places.get(variable, [])
        if not found:
            more = ", ..." if len(self.variables) > _SHOWN else ""
            known = ", ".join(self.variables[:_SHOWN])
            raise WhylightError(f"{self.source}: no variable '{variable}'; it has: {known}{more}")
        times = Counter(index for index, _ in found)
        wanted: list[int | None] = [None] if None in times else [*range(len(found))]
        for index in wanted:
            if times[index] != 1 or len(found) != len(wanted):
                name = variable if index is None else f"{variable}__{index}"
                raise WhylightError(
                    f"{self.source}: variable '{variable}' has {len(found)} columns, {times[index]} named '{name}': "
                    f"expected one column, or '{variable}__0', '{variable}__1', ... once each"
                )
        positions = dict(found)
        return tuple(positions[index] for index in wanted)

    def image(self, row: Row, positions: Sequence[int]) -> ImageLike:
        """The image that a row names or holds; see `image_path`."""
        return self.image_path(row, positions)

    def class_index(self, row: Row, positions: Sequence[int]) -> ClassIndex:
        """The class of a row that is to be explained; see `label`."""
        return self.label(row, positions)

    def image_path(self, row: Row, positions: Sequence[int]) -> Path:
        """The file that a row names.

        Args:
            row: one of this dataset's.
            positions: what `columns_of` says.

        Raises:
            WhylightError: the row has not the header's number of cells, or the cell is empty.
        """
        cells = self.cells(row, positions)
        if len(cells) > 1:
            columns = f"'{self.columns[positions[0]].header}' to '{self.columns[positions[-1]].header}'"
            raise WhylightError(
                f"{self.source}: columns {columns} are a vector of {len(cells)}: expected one image column"
            )
        if not cells[0]:
            raise WhylightError(f"{self.place(row, positions[0])}: the cell is empty: expected an image file")
        return self.file(cells[0])

    def label(self, row: Row, positions: Sequence[int]) -> int:
        """The class index that a row names: a whole number, the place of the largest of a vector, or a file with one.

        Args:
            row: one of this dataset's.
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
        place = self.place(row, positions[0])
        if PurePath(cells[0]).suffix.lower() in _LABEL_FILES:
            try:
                values = read_values(self.file(cells[0]))
            except WhylightError as error:
                raise WhylightError(f"{place}: {error}") from error
            return class_index_in(values, place, _quoted(cells[0]))
        expected = "a whole number, a one-hot vector, or a file with one"
        raise WhylightError(f"{place}: {_quoted(cells[0])} is not a class index ({expected})")

    def cells(self, row: Row, positions: Sequence[int]) -> list[str]:
        """Cells of a row, without the blanks around them.

        Raises:
            WhylightError: the row has not the header's number of cells.
        """
        if len(row.cells) != len(self.columns):
            found, expected = len(row.cells), len(self.columns)
            cells = "1 cell" if found == 1 else f"{found} cells"
            raise WhylightError(f"{self.source}: {row.place} has {cells}, the header has {expected}")
        return [row.cells[position].strip() for position in positions]

    def is_empty(self, row: Row, positions: Sequence[int]) -> bool:
        """Whether nothing stands in these cells.

        Raises:
            WhylightError: the row has not the header's number of cells.
        """
        return not any(self.cells(row, positions))

    def row_error(self, row: Row, error: Exception) -> WhylightError:
        """``error``, saying which row it is about."""
        return WhylightError(f"{self.source}: {row.place}: {error}")

    def place(self, row: Row, position: int) -> str:
        """Where a cell is, for messages."""
        return f"{self.source}: {row.place}, column {_quoted(self.columns[position].header)}"

    def _vector_label(self, row: Row, cells: Sequence[str], positions: Sequence[int]) -> int:
        values = [_number(cell) for cell in cells]
        for cell, value, position in zip(cells, values, positions, strict=True):
            if value is None or not np.isfinite(value):
                raise WhylightError(f"{self.place(row, position)}: {_quoted(cell)} is not a number")
        index = _largest(np.array(values, np.float64))
        if index is None:
            last = self.columns[positions[-1]].header
            raise WhylightError(
                f"{self.place(row, positions[0])} to {_quoted(last)}: all values are {cells[0]}: "
                "expected a one-hot vector or probabilities"
            )
        return index


def column_named(header: str) -> Column:
    """Split a header's cell, ``NAME[__INDEX][:LABEL]``."""
    name, colon, label = header.partition(":")
    indexed = _INDEXED.fullmatch(name.strip())
    variable, index = (indexed[1], int(indexed[2])) if indexed else (name.strip(), None)
    return Column(header, variable, index, label if colon else None, header.startswith("#"))


def csv_cell(text: str) -> str:
    """A cell's text as a CSV needs it."""
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def class_index_in(values: NDArray[np.float64], place: str, name: str) -> int:
    """The class index that an array of real numbers holds: one index, or the place of the largest of a vector.

    Args:
        values: the array.
        place: where it stands, for messages.
        name: what messages call it.

    Raises:
        WhylightError: it names no class.
    """
    if max(values.shape, default=1) == values.size:
        if values.size == 1 and _is_index(values.item()):
            return int(values.item())
        index = _largest(values.reshape(-1)) if values.size > 1 and np.isfinite(values).all() else None
        if index is not None:
            return index
    expected = "one index (a whole number), or one vector (one-hot or probabilities)"
    raise WhylightError(f"{place}: {name}, of shape {values.shape}, names no class: expected {expected}")


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
