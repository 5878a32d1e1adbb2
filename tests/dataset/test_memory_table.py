"""Tables that a program holds."""

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.dataset.memory_table import MemoryTable, memory_table
from whylight.dataset.result import writing_result
from whylight.errors import WhylightError

PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Frame:
    """What pandas shows of a DataFrame."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns = list(columns)
        self._values = list(columns.values())

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterable[tuple[Any, ...]]:
        """The rows, as plain tuples where no name is asked for."""
        assert not index
        assert name is None
        return zip(*self._values, strict=True)


def found(table: MemoryTable, label: str = "y") -> list[Any]:
    images, labels = table.columns_of("x"), table.columns_of(label)
    return [(table.image(row, images), table.class_index(row, labels)) for row in table.rows()]


def test_pairs_mappings_and_frames_are_the_same_table() -> None:
    image = Image.fromarray(PIXELS)
    pairs = [("a.png", 3), (image, np.int64(4)), (PIXELS, "5")]
    tables = [
        memory_table(pairs),
        memory_table(iter(pairs)),
        memory_table({"x": one, "y": label} for one, label in pairs),
        memory_table(Frame(x=[one for one, _ in pairs], y=[label for _, label in pairs])),
    ]
    for table in tables:
        assert table.variables == ["x", "y"]
        (first, *rest) = found(table)
        assert first == (Path("a.png"), 3)
        assert [label for _, label in rest] == [4, 5]
        assert rest[0][0] is image
        assert rest[1][0] is PIXELS
    assert len({table.digest() for table in tables}) == 1


def test_labels_are_what_they_are_in_a_csv_and_more(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.array([0, 0, 1]))
    labels = [2, 2.0, np.float32(2), " 2 ", [0.1, 0.2, 0.7], np.eye(3)[2], (0, 0, 1), str(tmp_path / "one.npy")]
    assert [label for _, label in found(memory_table([("a.png", label) for label in labels]))] == [2] * len(labels)
    assert [label for _, label in found(memory_table([("a", None), ("b", "predicted")]))] == ["predicted"] * 2
    vectors = memory_table([{"x": "a.png", "y__0:cat": 0.2, "y__1:dog": 0.8}])
    assert found(vectors)[0][1] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, 1), "the table: row 1, column 'x': the cell is empty: expected an image file"),
        ((float("nan"), 1), "the table: row 1, column 'x': the cell is empty: expected an image file"),
        ((5, 1), "the table: row 1, column 'x': int is no image: expected a path, a Pillow image or an array"),
        (
            ("a.png", -1),
            "the table: row 1, column 'y': '-1' is not a class index (a whole number, a one-hot vector, or",
        ),
        (("a.png", float("nan")), "the table: row 1, column 'y': '' is not a class index"),
        (("a.png", np.zeros((2, 2))), "the table: row 1, column 'y': ndarray, of shape (2, 2), names no class"),
        (("a.png", object()), "the table: row 1, column 'y': object is no class index"),
    ],
)
def test_bad_cells_name_the_row(row: tuple[Any, Any], message: str) -> None:
    with pytest.raises(WhylightError) as error:
        found(memory_table([row]))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (5, "found int in place of a table: expected the path or URL of a CSV, a pandas DataFrame, or rows"),
        ({"x": ["a.png"]}, "found dict in place of a table"),
        (PIXELS, "found ndarray in place of a table"),
        (["a.png"], "the table: row 1: found str: expected an image and a class index"),
        ([("a.png", 1), ("a.png", 1, 2)], "the table: row 2: found 3 values"),
        ([{"x": 1, "y": 2}, {"x": 1}], "the table: row 2: found x: expected the columns of row 1: x, y"),
        ([{"x": 1}, (1, 2)], "the table: row 2: found tuple: expected the columns of row 1: x"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(table: Any, message: str) -> None:
    with pytest.raises(WhylightError) as error:
        memory_table(table)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_shards_and_rows(tmp_path: Path) -> None:
    table = memory_table([(f"{i}.png", i) for i in range(7)])
    seen: list[int] = []
    shards = list(table.shards(3, lambda row: seen.append(row.number)))
    assert [(shard.index, shard.first, shard.count) for shard in shards] == [(0, 1, 3), (1, 4, 3), (2, 7, 1)]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert [row.cells for row in table.rows(shards[1])] == [("3.png", "3"), ("4.png", "4"), ("5.png", "5")]
    assert list(memory_table([]).shards(3)) == []


def test_it_is_written_with_images_as_empty_cells(tmp_path: Path) -> None:
    table = memory_table([{"x": PIXELS, "y": 1, "note": "a, b"}, {"x": Path("c.png"), "y": None, "note": 0.5}])
    with writing_result(table, tmp_path / "out.csv") as writer:
        for row in table.rows():
            writer.write(row, "0.png")
    assert (tmp_path / "out.csv").read_text() == 'gradcam,x,y,note\n0.png,,1,"a, b"\n0.png,c.png,,0.5\n'


def test_it_can_be_sent_to_other_processes_and_its_digest_tells_contents_apart() -> None:
    rows = [(PIXELS, 1), (Image.fromarray(PIXELS), 2), ("a.png", 3)]
    table = memory_table(rows)
    assert pickle.loads(pickle.dumps(table)).digest() == table.digest()
    changed = PIXELS.copy()
    changed[0, 0] += 1
    others = [[(changed, 1), *rows[1:]], [(PIXELS, 2), *rows[1:]], [rows[0], (Image.fromarray(changed), 2), rows[2]]]
    assert len({memory_table(other).digest() for other in [rows, *others]}) == 4
