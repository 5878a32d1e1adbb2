"""Tables of every kind, opened."""

from pathlib import Path
from typing import Any

import pytest

from whylight.dataset.csv_table import CsvTable
from whylight.dataset.memory_table import MemoryTable
from whylight.dataset.opening import open_dataset
from whylight.errors import WhylightError


def test_a_path_is_text_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("x,y\na.png,1\n")
    tables = [open_dataset(path), open_dataset(str(path))]
    assert tables[0] == tables[1]
    assert isinstance(tables[0], CsvTable)
    assert open_dataset(tables[0]) is tables[0]


def test_a_url_is_opened(tmp_path: Path) -> None:
    pytest.importorskip("upath")
    from whylight.files.storage import location

    location("memory://opening/data.csv").write_text("x,y\na.png,1\n")
    table = open_dataset("memory://opening/data.csv")
    assert [row.cells for row in table.rows()] == [("a.png", "1")]


def test_rows_are_a_table() -> None:
    assert isinstance(open_dataset([("a.png", 1)]), MemoryTable)


@pytest.mark.parametrize("table", [None, 3, b"x,y\n"])
def test_all_else_is_refused(table: Any) -> None:
    with pytest.raises(WhylightError, match="in place of a table"):
        open_dataset(table)


@pytest.mark.parametrize("table", ["data.csv", []])
def test_a_header_without_rows_is_said(tmp_path: Path, table: Any) -> None:
    (tmp_path / "data.csv").write_text("x,y\n")
    with pytest.raises(
        WhylightError, match=r"(data\.csv|the table): a header and no rows: expected a row for each image"
    ):
        open_dataset(tmp_path / table if isinstance(table, str) else table)
