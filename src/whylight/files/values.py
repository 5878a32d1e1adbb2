"""Numbers from .npy and .csv files."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.files.budget import check_whole_file
from whylight.files.checks import one_line, reading

Array = NDArray[Any]
FloatArray = NDArray[np.float32]

LONGEST_LINE = 1 << 24
"""Characters of a line of numbers that are read at a time."""


def read_values(path: Path) -> Array:
    """The numbers of a .npy array or a .csv matrix.

    Returns:
        An array of real numbers; one from .npy is still in the file, and memory is only taken by what uses it.

    Raises:
        WhylightError: the file is missing or corrupt, or holds something else.
    """
    check_whole_file(path)
    source = one_line(path)
    with reading(path, "an array of numbers"):
        values = _read_matrix(path) if path.suffix.lower() == ".csv" else open_memmap(path, "r")
    if values.dtype.kind not in "buif":
        raise WhylightError(f"{source}: an array of {values.dtype}: expected real numbers")
    return values


def _read_matrix(path: Path) -> Array:
    """The numbers of a CSV, turned into numbers row by row: as text they take ten times the memory."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = iter(partial(file.readline, LONGEST_LINE), "")
        rows = [np.array(row, np.float64) for row in csv.reader(lines) if row]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows of different lengths")
    return np.array(rows, np.float64)


def finite(values: FloatArray, source: str) -> FloatArray:
    """The values, if they are numbers.

    Raises:
        WhylightError: NaN or infinite ones are among them.
    """
    if not np.isfinite(values).all():
        raise WhylightError(f"{source}: holds NaN or infinite values")
    return values
