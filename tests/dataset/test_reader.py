"""Rows as a model takes them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whylight.dataset.csv_table import open_csv
from whylight.dataset.memory_table import memory_table
from whylight.dataset.options import RowOptions
from whylight.dataset.reader import RowReader
from whylight.dataset.table import Dataset
from whylight.errors import WhylightError
from whylight.images.pictures import Picture, picture_of, read_picture
from whylight.options import Rendering


class Gray:
    """A model of gray pictures and three classes."""

    def picture(self, image: Any, rendering: Rendering) -> Picture:
        """Decode it."""
        assert rendering == Rendering(size="input")
        return read_picture(image, 1) if isinstance(image, Path) else picture_of(image, 1)

    def checked_index(self, class_index: Any) -> int:
        """See that there is such a class."""
        if class_index != "predicted" and class_index > 2:
            raise WhylightError(f"class index {class_index} is out of range")
        return -1 if class_index == "predicted" else int(class_index)


def read(dataset: Dataset, **options: Any) -> list[tuple[tuple[int, ...], Any]]:
    reader = RowReader(dataset, RowOptions(**options), Gray(), Rendering(size="input"))
    return [(picture.pixels.shape, index) for picture, index in map(reader.read, dataset.rows())]


def test_files_and_arrays_are_decoded_with_their_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4)))
    (tmp_path / "data.csv").write_text("x,y,z\na.npy,1,2\n")
    table = open_csv(tmp_path / "data.csv")
    assert read(table) == [((3, 4, 1), 1)]
    assert read(table, label_variable="z") == [((3, 4, 1), 2)]
    assert read(table, predicted=True, label_variable="none") == [((3, 4, 1), "predicted")]
    assert read(memory_table([(np.zeros((5, 6), np.uint8), 2)])) == [((5, 6, 1), 2)]


def test_errors_name_the_row_once(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for row, message in (
        ("a.npy,3", f"{path}: row 1 (line 2): class index 3 is out of range"),
        ("a.npy,cat", f"{path}: row 1 (line 2), column 'y': 'cat' is not a class index "
         "(a whole number, a one-hot vector, or a file with one)"),
        ("a.npy,1", f"{path}: row 1 (line 2): {tmp_path / 'a.npy'}: no such file"),
        (",1", f"{path}: row 1 (line 2), column 'x': the cell is empty: expected an image file"),
        ("a.npy", f"{path}: row 1 (line 2) has 1 cell, the header has 2"),
    ):  # fmt: skip
        path.write_text(f"x,y\n{row}\n")
        with pytest.raises(WhylightError) as error:
            read(open_csv(path))
        assert str(error.value) == message
    with pytest.raises(WhylightError) as error:
        read(memory_table([(np.zeros((5, 6, 7, 8)), 2)]))
    assert str(error.value).startswith("the table: row 1: the array")
    with pytest.raises(WhylightError, match="no variable 'z'; it has: x, y"):
        read(open_csv(path), input_variable="z")
