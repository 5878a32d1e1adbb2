"""Opening a table: a CSV's path or URL, or what a program holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from whylight.dataset.csv_table import open_csv
from whylight.dataset.memory_table import memory_table
from whylight.dataset.table import Dataset
from whylight.files.storage import location


class DataFrame(Protocol):
    """What is used of a pandas DataFrame."""

    @property
    def columns(self) -> Any:
        """The columns' names."""

    def itertuples(self, index: bool = ..., name: str | None = ...) -> Iterable[tuple[Any, ...]]:
        """The rows."""


Table = str | Path | Dataset | DataFrame | Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]]
"""A dataset CSV (its path, or a URL such as ``s3://bucket/data.csv``), a pandas DataFrame, or rows: mappings from
columns to values, or pairs of an image and a class index, whose columns are called ``x`` and ``y``."""


def open_dataset(table: Table) -> Dataset:
    """Open a dataset. Rows that a program holds are kept in memory; a CSV's are read when they are asked for.

    Raises:
        WhylightError: it is no table; or a CSV that is missing, empty, not UTF-8 text or no CSV.
    """
    if isinstance(table, Dataset):
        return table
    if isinstance(table, str):
        return open_csv(location(table))
    if isinstance(table, Path) or hasattr(table, "fs"):  # a path of universal_pathlib is no Path
        return open_csv(cast(Path, table))
    return memory_table(table)
