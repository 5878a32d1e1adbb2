"""Opening a table: a CSV's path or URL, or what a program holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol, cast

from whylight.dataset.csv_table import open_csv
from whylight.dataset.image_files import ImageFiles, are_images, image_files
from whylight.dataset.memory_table import memory_table
from whylight.dataset.table import Dataset
from whylight.errors import WhylightError
from whylight.files.finding import is_video
from whylight.files.storage import is_path, location


class DataFrame(Protocol):
    """What is used of a pandas DataFrame."""

    @property
    def columns(self) -> Any:
        """The columns' names."""

    def itertuples(self, index: bool = ..., name: str | None = ...) -> Iterable[tuple[Any, ...]]:
        """The rows."""


Table = str | Path | Sequence[str | Path] | Dataset | DataFrame | Iterable[Mapping[str, Any]] | Iterable[Sequence[Any]]
"""A dataset CSV (its path, or a URL such as ``s3://bucket/data.csv``), a pandas DataFrame, or rows: mappings from
columns to values, or pairs of an image and a class index, whose columns are called ``x`` and ``y``. Or images: a
folder, a pattern such as ``photos/*.jpg``, an image file, or a list of these."""


def open_dataset(table: Table, labels_from: str | None = None) -> Dataset:
    """Open a dataset. Rows that a program holds are kept in memory; a CSV's are read when they are asked for.

    Args:
        table: any.
        labels_from: see `whylight.dataset.image_files.image_files`.

    Raises:
        WhylightError: it is no table, or one without rows; or a CSV that is missing, empty, not UTF-8 text or no CSV;
            or a folder without images.
    """
    dataset = _opened(table, labels_from)
    if next(dataset.rows(), None) is None:
        raise WhylightError(f"{dataset.source}: a header and no rows: expected a row for each image")
    return dataset


def _opened(table: Table, labels_from: str | None) -> Dataset:
    places = [table] if isinstance(table, str | Path) else table
    if isinstance(places, list | tuple) and places and all(isinstance(each, str | Path) for each in places):
        if len(places) > 1 or are_images(places[0]) or is_video(places[0]):
            if tables := [each for each in places if PurePath(each).suffix.lower() == ".csv"]:
                raise WhylightError(f"{tables[0]}: a table among images: expected one table, or images alone")
            return image_files(places, labels_from)
        table = places[0]
    if labels_from and not isinstance(table, ImageFiles):
        raise WhylightError("labels from folders: expected a folder of images, found a table")
    if isinstance(table, Dataset):
        return table
    if isinstance(table, str):
        return open_csv(location(table))
    if is_path(table):
        return open_csv(cast(Path, table))
    return memory_table(table)
