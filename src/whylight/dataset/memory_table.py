"""Tables that a program holds: a pandas DataFrame, or any rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image

from whylight.dataset.table import Dataset, Row, Shard, class_index_in, column_named, csv_cell
from whylight.errors import WhylightError
from whylight.files.storage import location
from whylight.images.inputs import is_image
from whylight.options import ClassIndex

if TYPE_CHECKING:
    from whylight.images.inputs import ImageLike

_PAIR = ("x", "y")
"""The columns of rows without names: an image, and its class index."""


@dataclass(frozen=True)
class MemoryTable(Dataset):
    """A table in memory. It can be sent to other processes, with the images that it holds.

    An image cell holds a path (relative to the current folder), a URL, a Pillow image or an array; a label cell a
    whole number, text as in a CSV, a vector, or None or ``"predicted"`` for the class that the model predicts.

    Attributes:
        values: the rows' cells.
    """

    values: tuple[tuple[Any, ...], ...] = field(repr=False)

    @property
    def source(self) -> str:
        """A table in memory has no name."""
        return "the table"

    def rows(self, shard: Shard | None = None) -> Iterator[Row]:
        """See `Dataset.rows`. What is neither text nor a number is an empty cell."""
        first, end = (shard.first, shard.first + shard.count) if shard else (1, len(self.values) + 1)
        for number in range(first, end):
            cells = tuple(map(_text, self.values[number - 1]))
            yield Row(number, None, cells, ",".join(map(csv_cell, cells)))

    def shards(self, size: int, check: Callable[[Row], object] | None = None) -> Iterator[Shard]:
        """See `Dataset.shards`."""
        for index, start in enumerate(range(0, len(self.values), size)):
            shard = Shard(index, start + 1, min(size, len(self.values) - start))
            for row in self.rows(shard) if check else ():
                check(row)  # type: ignore[misc]  # there is one
            yield shard

    def image(self, row: Row, positions: Sequence[int]) -> ImageLike:
        """See `Dataset.image`.

        Raises:
            WhylightError: the cell is empty, or holds no image.
        """
        value = self.values[row.number - 1][positions[0]]
        if len(positions) > 1 or isinstance(value, str) or _is_missing(value):
            return self.image_path(row, positions)
        if not isinstance(value, os.PathLike) and not is_image(value):
            raise WhylightError(
                f"{self.place(row, positions[0])}: {type(value).__name__} is no image: expected a path, a Pillow image "
                "or an array"
            )
        return cast("ImageLike", value)

    def class_index(self, row: Row, positions: Sequence[int]) -> ClassIndex:
        """See `Dataset.class_index`; None and ``"predicted"`` stand for the predicted class.

        Raises:
            WhylightError: the cell names no class.
        """
        value = self.values[row.number - 1][positions[0]]
        if len(positions) == 1 and (value is None or (isinstance(value, str) and value.strip() == "predicted")):
            return "predicted"
        if len(positions) > 1 or isinstance(value, str | Number):
            return self.label(row, positions)
        place = self.place(row, positions[0])
        try:
            values = np.asarray(value, np.float64)
        except (ValueError, TypeError):
            raise WhylightError(f"{place}: {type(value).__name__} is no class index") from None
        return class_index_in(values, place, type(value).__name__)

    def is_empty(self, row: Row, positions: Sequence[int]) -> bool:
        """See `Dataset.is_empty`."""
        values = [self.values[row.number - 1][position] for position in positions]
        return all(_is_missing(value) or (isinstance(value, str) and not value.strip()) for value in values)

    def digest(self) -> str:
        """That of the columns and all cells; files that are named count by their names."""
        digest = hashlib.blake2b(self.header_text.encode())
        for value in (value for values in self.values for value in values):
            digest.update(_content(value))
        return digest.hexdigest()

    def file(self, cell: str) -> Path:
        """Relative to the current folder; or a URL."""
        return location(cell)


def memory_table(table: Any) -> MemoryTable:
    """A table of what a program holds.

    Args:
        table: a pandas DataFrame, or rows: mappings from columns to values, all with the same columns, or pairs
            (image, class index), whose columns are called ``x`` and ``y``.

    Raises:
        WhylightError: it is none of these.
    """
    if hasattr(table, "columns") and hasattr(table, "itertuples"):
        return _table([str(name) for name in table.columns], table.itertuples(index=False, name=None))
    if isinstance(table, Mapping | bytes | np.ndarray | Image.Image) or not isinstance(table, Iterable):
        raise WhylightError(
            f"found {type(table).__name__} in place of a table: expected the path or URL of a CSV, a pandas DataFrame, "
            "or rows: mappings, or pairs of an image and a class index"
        )
    rows = list(table)
    if rows and isinstance(rows[0], Mapping):
        names = list(rows[0])
        return _table([str(name) for name in names], (_values(row, names, i) for i, row in enumerate(rows, 1)))
    return _table(_PAIR, (_pair(row, i) for i, row in enumerate(rows, 1)))


def _table(names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> MemoryTable:
    header = ",".join(map(csv_cell, names))
    return MemoryTable(tuple(map(column_named, names)), header, False, "\n", tuple(rows))


def _values(row: Any, names: Sequence[Any], number: int) -> tuple[Any, ...]:
    if not isinstance(row, Mapping) or set(row) != set(names):
        found = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
        raise WhylightError(
            f"the table: row {number}: found {found}: expected the columns of row 1: {', '.join(map(str, names))}"
        )
    return tuple(row[name] for name in names)


def _pair(row: Any, number: int) -> tuple[Any, ...]:
    if isinstance(row, str | bytes) or not isinstance(row, Sequence) or len(row) != len(_PAIR):
        found = f"{len(row)} values" if isinstance(row, tuple | list) else type(row).__name__
        raise WhylightError(
            f"the table: row {number}: found {found}: expected an image and a class index, or a mapping from columns "
            "to values"
        )
    return tuple(row)


# ---- cells


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, Number) and value != value)  # NaN, which pandas puts where nothing is


def _text(value: Any) -> str:
    """A cell as a CSV holds it: empty for what is neither text nor a number."""
    return str(value) if isinstance(value, str | os.PathLike | Number) and not _is_missing(value) else ""


def _content(value: Any) -> bytes:
    """What a cell is, and what tells it from others."""
    name = type(value).__name__
    if isinstance(value, Image.Image):
        return repr((name, value.mode, value.size)).encode() + value.tobytes()
    if isinstance(value, bytes):
        return repr((name, len(value))).encode() + value
    if hasattr(value, "__array__") and not isinstance(value, Number):
        array = np.asarray(value)
        return repr((name, array.dtype.str, array.shape)).encode() + array.tobytes()
    return repr((name, str(value))).encode()
