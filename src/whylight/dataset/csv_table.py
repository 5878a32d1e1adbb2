"""Dataset CSVs of Neural Network Console, read without holding more than a row.

The header's cells are names of columns (see `whylight.dataset.table`). Paths are relative to the CSV's own folder.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count, islice
from pathlib import Path, PurePosixPath

from whylight.dataset.table import Dataset, Row, Shard, column_named
from whylight.errors import WhylightError
from whylight.files.checks import check_file, reading
from whylight.files.confining import Confined
from whylight.files.storage import is_remote, location

_LONGEST_LINE = 1 << 26
"""Characters: of a million columns, or one cell that never ends."""


@dataclass(frozen=True)
class CsvTable(Dataset):
    """A dataset CSV, opened: its header is read.

    Attributes:
        path: the file.
        within: the folder outside of which no file is read that a cell names; None for any file.
    """

    path: Path
    within: Path | None = None

    @property
    def source(self) -> str:
        """The path."""
        return str(self.path)

    def rows(self, shard: Shard | None = None) -> Iterator[Row]:
        """See `Dataset.rows`."""
        records = _records(self.path, shard.line, shard.offset) if shard else islice(_records(self.path), 1, None)
        first, number_of_rows = (shard.first, shard.count) if shard else (1, None)
        for number, (line, cells, text, _) in enumerate(islice(records, number_of_rows), first):
            yield Row(number, line, cells, text.rstrip("\r\n"))

    def shards(self, size: int, check: Callable[[Row], object] | None = None) -> Iterator[Shard]:
        """See `Dataset.shards`."""
        records = enumerate(islice(_records(self.path), 1, None), 1)
        for index in count():
            starts: list[tuple[int, int]] = []
            for number, (line, cells, text, offset) in islice(records, size):
                starts.append((line, offset))
                if check:
                    check(Row(number, line, cells, text.rstrip("\r\n")))
            if not starts:
                return
            line, offset = starts[0]
            yield Shard(index, index * size + 1, len(starts), line, offset)

    def digest(self) -> str:
        """That of the file's bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()

    def file(self, cell: str) -> Path:
        """Relative to the CSV's own folder; or a URL."""
        if self._confined is not None:
            return self._confined.file(str(self.path.parent), cell.replace("\\", "/"))
        if "://" in cell:
            return location(cell)
        if not _is_unicode(cell) and not os.path.lexists(os.path.join(self.path.parent, cell)):  # noqa: PTH118
            raise WhylightError(f"{self.path}: {cell!r}: no such file, and not UTF-8 text: save the table as UTF-8")
        name = cell.replace("\\", "/")
        if self._folder is None:
            return self.path.parent / str(PurePosixPath(name))  # stores know no "./"
        return Path(os.path.join(self._folder, name))  # noqa: PTH118  # a row each: half of what pathlib takes

    @cached_property
    def _confined(self) -> Confined | None:
        """What finds the files that cells name, where only some may be read."""
        return None if self.within is None else Confined(self.within)

    @cached_property
    def _folder(self) -> str | None:
        """Where this machine has the files that cells name."""
        return None if is_remote(self.path) else str(self.path.parent)


def open_csv(path: Path) -> CsvTable:
    """Open a dataset CSV.

    Raises:
        WhylightError: it is missing, empty, not UTF-8 text, or no CSV.
    """
    check_file(path)
    for _, cells, text, _ in _records(path):
        if not _is_unicode(text):
            raise WhylightError(f"{path}: not UTF-8 text: save it as UTF-8")
        header = text.rstrip("\r\n")
        columns = tuple(column_named(cell) for cell in cells)
        return CsvTable(columns, header, _has_byte_order_mark(path), text[len(header) :] or "\n", path)
    raise WhylightError(f"{path} is empty: expected a dataset CSV with a header")


# ---- reading text


def lines_of(path: Path, offset: int = 0) -> Iterator[str]:
    """The lines of a UTF-8 text from a byte on, each with its line end, without the byte order mark.

    Bytes that are no UTF-8 are kept as Python keeps them in names of files (``surrogateescape``).

    Raises:
        WhylightError: it cannot be read, or a line is longer than any table's.
    """
    with reading(path), path.open("rb") as file:
        file.seek(offset)
        encoding = "utf-8" if offset else "utf-8-sig"
        with io.TextIOWrapper(file, encoding, "surrogateescape", newline="") as text:
            for line in iter(partial(text.readline, _LONGEST_LINE), ""):
                if len(line) == _LONGEST_LINE:
                    raise WhylightError(f"{path}: a line of more than {_LONGEST_LINE >> 20} Mi characters: no table")
                yield line


def _records(path: Path, line: int = 1, offset: int = 0) -> Iterator[tuple[int, tuple[str, ...], str, int]]:
    """The records of a CSV that are not blank, from a place on at which one begins.

    Yields:
        The line each starts on, its cells, its text with the line end, and the byte of the file it starts at.
    """
    lines: list[str] = []
    first_line, position = line, offset or (len(codecs.BOM_UTF8) if _has_byte_order_mark(path) else 0)

    def consumed() -> Iterator[str]:
        for line in lines_of(path, offset):
            if "\0" in line and not _is_unicode(line):  # UTF-16 has both
                raise WhylightError(f"{path}: not UTF-8 text: save it as UTF-8")
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
            position += len(text.encode(errors="surrogateescape"))
    except csv.Error as error:
        raise WhylightError(f"{path}: line {start}: not a CSV row: {error}") from error


def _is_unicode(text: str) -> bool:
    """Whether no bytes of it were something else than UTF-8."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_byte_order_mark(path: Path) -> bool:
    with reading(path), path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
