"""Writing a dataset CSV again, with what was found out about its rows."""

import codecs
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from whylight.dataset.table import Dataset, Row, csv_cell
from whylight.files.writing import replacing


class ResultWriter:
    """Writes a dataset CSV again, with the overlays' paths as first column ``gradcam``.

    What the dataset holds is kept to the letter: quotes, line ends, byte order mark.
    """

    def __init__(self, file: BinaryIO, dataset: Dataset, columns: Sequence[str]) -> None:
        self._file = file
        self._dataset = dataset
        self._columns = columns
        self._size = self._crc = 0
        if dataset.has_byte_order_mark:
            self._put(codecs.BOM_UTF8)
        self._write("gradcam", dataset.header_text, columns)

    def write(self, row: Row, overlay: str, cells: Sequence[str] = ()) -> None:
        """Write a row.

        Args:
            row: one of the dataset's.
            overlay: the overlay's path, relative to the folder of the result; empty where there is none.
            cells: those of the columns added at the end.
        """
        missing = "," * (len(self._dataset.columns) - len(row.cells)) if self._columns else ""
        self._write(overlay, row.text + missing, cells)

    def _write(self, first: str, text: str, last: Sequence[str]) -> None:
        record = ",".join([csv_cell(first), text, *map(csv_cell, last)])
        self._put((record + self._dataset.line_end).encode(errors="surrogateescape"))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._size, self._crc = self._size + len(data), zlib.crc32(data, self._crc)

    @property
    def checksum(self) -> str:
        """What tells the file that is written so far from one that was changed."""
        return f"{self._size} {self._crc:08x}"


@contextmanager
def writing_result(dataset: Dataset, path: Path, columns: Sequence[str] = ()) -> Iterator[ResultWriter]:
    """A result CSV that is there, whole, when the block ends well, and not at all when it does not.

    Args:
        dataset: what the rows come from.
        path: the file to write.
        columns: the names of columns to add at the end.

    Raises:
        WhylightError: the file cannot be written.
    """
    with replacing(path) as file:
        yield ResultWriter(file, dataset, columns)
