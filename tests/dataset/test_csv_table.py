"""CsvTable CSVs, written out byte by byte."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samples import SHARED, evaluation, needs_shared
from whylight.dataset.csv_table import CsvTable, open_csv
from whylight.dataset.result import writing_result
from whylight.dataset.table import Row, Shard
from whylight.errors import WhylightError

MakeTable = Callable[[str | bytes], CsvTable]


@pytest.fixture
def table(tmp_path: Path) -> MakeTable:
    """Writes text as a dataset CSV and opens it."""

    def make(text: str | bytes) -> CsvTable:
        path = tmp_path / "dataset.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return open_csv(path)

    return make


def only_row(dataset: CsvTable) -> Row:
    (row,) = dataset.rows()
    return row


def label(dataset: CsvTable, variable: str = "y") -> int:
    return dataset.label(only_row(dataset), dataset.columns_of(variable))


def image(dataset: CsvTable) -> Path:
    return dataset.image_path(only_row(dataset), dataset.columns_of("x"))


# ---- the header


def test_header_grammar(table: MakeTable) -> None:
    dataset = table("x:image,y__0:cat,y__1:a:b,y',y'__3,x__a,a__b__2,#note,#y__2:c,,z__\n")
    found = [(c.variable, c.index, c.label, c.is_comment) for c in dataset.columns]
    assert found == [
        ("x", None, "image", False),
        ("y", 0, "cat", False),
        ("y", 1, "a:b", False),
        ("y'", None, None, False),
        ("y'", 3, None, False),
        ("x__a", None, None, False),
        ("a__b", 2, None, False),
        ("#note", None, None, True),
        ("#y", 2, "c", True),
        ("", None, None, False),
        ("z__", None, None, False),
    ]
    assert [c.header for c in dataset.columns[:4]] == ["x:image", "y__0:cat", "y__1:a:b", "y'"]
    assert dataset.variables == ["x", "y", "y'", "x__a", "a__b", "z__"]
    assert dataset.columns_of("y") == (1, 2)


def test_vectors_are_sorted_by_index(table: MakeTable) -> None:
    names = [f"v__{index}" for index in (3, 11, 0, 10, 1, 2, 4, 9, 5, 8, 6, 7)]
    dataset = table(",".join(["x", *names]) + "\n")
    assert [dataset.columns[position].header for position in dataset.columns_of("v")] == [f"v__{i}" for i in range(12)]


def test_a_missing_variable_is_named_with_those_there_are(table: MakeTable) -> None:
    dataset = table("image,y,y'__0,y'__1,#x\n")
    with pytest.raises(WhylightError, match=r"dataset\.csv: no variable 'x'; it has: image, y, y'$"):
        dataset.columns_of("x")
    with pytest.raises(WhylightError, match="no variable '#x'"):
        dataset.columns_of("#x")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("x,y:a,y:b", "variable 'y' has 2 columns, 2 named 'y'"),
        ("x,y,y__0", "variable 'y' has 2 columns, 1 named 'y': expected one column, or 'y__0', 'y__1'"),
        ("x,y__0,y__2", "variable 'y' has 2 columns, 0 named 'y__1'"),
        ("x,y__1", "0 named 'y__0'"),
        ("x,y__0,y__1,y__1", "3 columns, 2 named 'y__1'"),
    ],
)
def test_columns_that_are_no_vector(table: MakeTable, header: str, message: str) -> None:
    dataset = table(header + "\n")
    assert dataset.columns_of("x") == (0,)
    with pytest.raises(WhylightError, match=message):
        dataset.columns_of("y")


# ---- rows


def test_rows_keep_their_text(table: MakeTable) -> None:
    records = ['"a, b.png",1', '"say ""hi""\r\nthere.png",2', "日本.png, 3", '"d.png","4"']
    dataset = table("\ufeff" + "\r\n".join(["x,y:label", "", *records[:2], "", "", *records[2:]]))
    assert (dataset.has_byte_order_mark, dataset.line_end, dataset.header_text) == (True, "\r\n", "x,y:label")
    rows = list(dataset.rows())
    assert [row.text for row in rows] == records
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.line for row in rows] == [3, 4, 8, 9]
    assert [row.cells[0] for row in rows] == ["a, b.png", 'say "hi"\r\nthere.png', "日本.png", "d.png"]
    assert [dataset.label(row, (1,)) for row in rows] == [1, 2, 3, 4]
    assert len(list(dataset.rows())) == 4


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(table: MakeTable, end: str) -> None:
    dataset = table(f"x,y{end}a.png,1{end}b.png,2{end}")
    assert dataset.line_end == end
    assert [row.text for row in dataset.rows()] == ["a.png,1", "b.png,2"]


def test_a_header_alone_has_no_rows(table: MakeTable) -> None:
    for text in ("x,y", "x,y\n", "\ufeffx,y\n\n"):
        dataset = table(text)
        assert (list(dataset.rows()), list(dataset.shards(2)), dataset.variables) == ([], [], ["x", "y"])


def test_rows_are_read_as_they_are_asked_for(table: MakeTable) -> None:
    dataset = table("x,y\na.png,1\n\0\n")
    rows = dataset.rows()
    assert next(rows).cells == ("a.png", "1")
    with pytest.raises(WhylightError, match="line 3: a NUL character"):
        next(rows)


def test_a_row_of_the_wrong_length_does_not_stop_the_rows_after_it(table: MakeTable) -> None:
    dataset = table("x,y,z\na.png,1,2\nb.png,1\nc.png,1,2,3\n\nd\ne.png,5,6\n")
    found: list[object] = []
    for row in dataset.rows():
        try:
            found.append((dataset.image_path(row, (0,)).name, dataset.label(row, (1,))))
        except WhylightError as error:
            found.append(str(error).removeprefix(f"{dataset.path}: "))
    assert found == [
        ("a.png", 1),
        "row 2 (line 3) has 2 cells, the header has 3",
        "row 3 (line 4) has 4 cells, the header has 3",
        "row 4 (line 6) has 1 cell, the header has 3",
        ("e.png", 5),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "is empty"),
        ("x,y:ラベル\na.png,1\n".encode("cp932"), "not UTF-8"),
        ("x,y\na.png,1\n".encode("utf-16"), "not UTF-8"),
        (b"x,y\0\n", "line 1: a NUL character"),
        (b'x,"y\na.png,1\n', "line 1: a quoted cell begins in this row and never ends"),
        (b'x,y\na.png,1\n"b.png,2\nc.png,3\n', "line 3: a quoted cell begins in this row and never ends"),
        (b"x,y\n" + b"a" * 200_000 + b",1\n", "line 2: not a CSV row: field larger"),
    ],
)
def test_files_that_are_no_dataset(table: MakeTable, content: bytes, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        list(table(content).rows())


def test_cells_that_are_not_utf8_name_files(tmp_path: Path) -> None:
    """Names of files are any bytes; where none has that name, the table was saved in another encoding."""
    name = os.fsdecode("日本.png".encode("cp932"))
    (tmp_path / "data.csv").write_bytes("x,y\n日本.png,1\nb.png,2\n".encode("cp932"))
    dataset = open_csv(tmp_path / "data.csv")
    rows = list(dataset.rows())
    with pytest.raises(WhylightError, match="no such file, and not UTF-8 text: save the table as UTF-8"):
        dataset.image_path(rows[0], (0,))
    (tmp_path / name).touch()
    assert dataset.image_path(rows[0], (0,)) == tmp_path / name
    (shard,) = dataset.shards(5)
    assert [row.text for row in dataset.rows(Shard(0, 2, 1, 3, shard.offset + len(os.fsencode(rows[0].text)) + 1))] == [
        "b.png,2"
    ]


@pytest.mark.parametrize("name", ["a\u2028b.png", "a\u0085b.png", "a\x1b[31mb.png", "a\nb.png", "a\rb.png", "é" * 100])
def test_names_with_line_ends_of_any_kind(table: MakeTable, name: str) -> None:
    """Only a CSV's own line ends end a row: str.splitlines knows others."""
    quoted = f'"{name}"' if "\n" in name or "\r" in name else name
    dataset = table(f"x,y\n{quoted},1\nb.png,2\n".encode())
    assert [dataset.image_path(row, (0,)).name for row in dataset.rows()] == [name, "b.png"]


def test_lines_without_end_are_not_read_whole(table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.dataset.csv_table._LONGEST_LINE", 1000)
    for content in (b"x" * 2000, b"x,y\n" + b"a,1" * 500, b"," * 5000 + b"\n"):
        with pytest.raises(WhylightError, match="a line of more than"):
            list(table(content).rows())


def test_very_many_columns(table: MakeTable) -> None:
    header = ",".join(f"v{index}" for index in range(10**5))
    dataset = table(f"x,y,{header}\na.png,1,{'0,' * 10**5}\n".encode())
    assert dataset.columns_of("v99999") == (10**5 + 1,)
    with pytest.raises(WhylightError, match=r"no variable 'z'; it has: x, y, v0, .*, \.\.\.$"):
        dataset.columns_of("z")
    assert [len(row.cells) for row in dataset.rows()] == [10**5 + 3]


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"none\.csv: no such file"):
        open_csv(tmp_path / "none.csv")
    with pytest.raises(WhylightError, match="is a folder"):
        open_csv(tmp_path)


# ---- image cells


@pytest.mark.parametrize(
    "cell", ["./images/a.png", "images/a.png", r"images\a.png", r".\images\a.png", " images/a.png "]
)
def test_paths_are_relative_to_the_table(table: MakeTable, tmp_path: Path, cell: str) -> None:
    assert image(table(f"x,y\n{cell},1\n")) == tmp_path / "images" / "a.png"


def test_absolute_paths(table: MakeTable, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / "a.png"
    assert image(table(f"x,y\n{elsewhere},1\n")) == elsewhere
    assert image(table(f"x,y\n{str(elsewhere).replace('/', chr(92))},1\n")) == elsewhere


def test_image_cells_that_name_no_file(table: MakeTable) -> None:
    with pytest.raises(WhylightError, match=r"row 1 \(line 2\), column 'x:image': the cell is empty"):
        image(table("x:image,y\n ,1\n"))
    with pytest.raises(WhylightError, match="columns 'x__0' to 'x__1' are a vector of 2: expected one image column"):
        image(table("x__0,x__1\na.png,b.png\n"))


# ---- labels


@pytest.mark.parametrize(("cell", "index"), [("7", 7), ("7.0", 7), (" 7 ", 7), ("0", 0), ("1e2", 100), ('"3"', 3)])
def test_index_labels(table: MakeTable, cell: str, index: int) -> None:
    assert label(table(f"x,y:label\na.png,{cell}\n")) == index
    assert label(table(f"x,y__0:cat\na.png,{cell}\n")) == index


@pytest.mark.parametrize("cell", ["cat", "", "-1", "2.5", "nan", "inf", "1e999", "1 2", "a.png"])
def test_cells_that_are_no_index(table: MakeTable, cell: str) -> None:
    dataset = table(f"x,y:label\na.png,1\nb.png,2\n\nc.png,{cell}\n")
    *_, row = dataset.rows()
    with pytest.raises(WhylightError) as error:
        dataset.label(row, dataset.columns_of("y"))
    assert str(error.value) == (
        f"{dataset.path}: row 3 (line 5), column 'y:label': '{cell}' is not a class index "
        "(a whole number, a one-hot vector, or a file with one)"
    )


def test_a_cell_is_quoted_in_one_short_line(table: MakeTable) -> None:
    with pytest.raises(WhylightError) as error:
        label(table(f'x,y\na.png,"two\nlines{"x" * 500}"\n'))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("cells", "index"), [("0,1,0", 0), ("0,0,1", 2), ("0.2,0.3,0.5", 2), ("-3,-1,-2", 0), ("1e-3,1e-4, 1e-2 ", 2)]
)
def test_vector_labels(table: MakeTable, cells: str, index: int) -> None:
    assert label(table(f"x,y__1,y__0,y__2\na.png,{cells}\n")) == index


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("0,0,0", r"row 1 \(line 2\), column 'y__0:a' to 'y__2:c': all values are 0"),
        ("0,cat,1", r"row 1 \(line 2\), column 'y__1:b': 'cat' is not a number"),
        ("0,,1", r"column 'y__1:b': '' is not a number"),
        ("0,1,nan", r"column 'y__2:c': 'nan' is not a number"),
        ("inf,1,0", r"column 'y__0:a': 'inf' is not a number"),
    ],
)
def test_vectors_that_name_no_class(table: MakeTable, cells: str, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        label(table(f"x,y__0:a,y__1:b,y__2:c\na.png,{cells}\n"))


LABELS: list[tuple[Any, int]] = [(7, 7), ([7.0], 7), ([[7]], 7), ([0, 0, 1, 0], 2), ([[0.1], [0.9]], 1)]


@pytest.mark.parametrize(("values", "index"), LABELS)
def test_labels_in_files(table: MakeTable, tmp_path: Path, values: Any, index: int) -> None:
    (tmp_path / "labels").mkdir()
    np.save(tmp_path / "labels" / "a.npy", np.array(values))
    np.savetxt(tmp_path / "labels" / "a.CSV", np.atleast_2d(values), delimiter=",")
    assert label(table("x,y\na.png,labels/a.npy\n")) == index
    assert label(table("x,y\na.png,.\\labels\\a.CSV\n")) == index


@pytest.mark.parametrize("values", [[0.5], [-1], [0, 0], [[0, 1], [1, 0]], [0, np.nan], []])
def test_files_that_name_no_class(table: MakeTable, tmp_path: Path, values: Any) -> None:
    np.save(tmp_path / "a.npy", np.array(values, float))
    with pytest.raises(WhylightError, match=r"row 1 \(line 2\), column 'y': .*a\.npy"):
        label(table("x,y\nb.png,a.npy\n"))


def test_a_label_file_that_cannot_be_read(table: MakeTable) -> None:
    with pytest.raises(WhylightError, match=r"row 1 \(line 2\), column 'y': .*none\.npy: no such file"):
        label(table("x,y\nb.png,none.npy\n"))


@needs_shared
@pytest.mark.parametrize("sample", ["mnist", "four_or_nine", "cluttered_digits"])
def test_evaluation_tables(sample: str) -> None:
    path = SHARED / "samples" / sample / "output_result.csv"
    images, labels, outputs = evaluation(path)
    dataset = open_csv(path)
    positions = {variable: dataset.columns_of(variable) for variable in ("x", "y", "y'")}
    rows = list(dataset.rows())
    assert [dataset.image_path(row, positions["x"]) for row in rows] == images
    assert [dataset.label(row, positions["y"]) for row in rows] == list(labels)
    if outputs.shape[1] > 1:
        assert [dataset.label(row, positions["y'"]) for row in rows] == list(outputs.argmax(1))


# ---- writing


def test_results_keep_the_table_to_the_letter(table: MakeTable, tmp_path: Path) -> None:
    source = '\ufeff"x:image",y,#note\r\n\r\n"a, b.png",  1,"say ""hi"""\r\n日本.png,2.0,"two\r\nlines"'
    dataset = table(source)
    result = tmp_path / "out" / "gradcam.csv"
    with writing_result(dataset, result) as writer:
        for row, name in zip(dataset.rows(), ("gradcam/0000/0.png", 'g,"0/1.png'), strict=True):
            writer.write(row, name)
    assert result.read_bytes().decode() == (
        '\ufeffgradcam,"x:image",y,#note\r\n'
        'gradcam/0000/0.png,"a, b.png",  1,"say ""hi"""\r\n'
        '"g,""0/1.png",日本.png,2.0,"two\r\nlines"\r\n'
    )
    again = open_csv(result)
    assert again.variables == ["gradcam", "x", "y"]
    assert [again.label(row, again.columns_of("y")) for row in again.rows()] == [1, 2]


def test_results_with_errors(table: MakeTable, tmp_path: Path) -> None:
    dataset = table("x,y,z\na.png,1,2\nb.png,1\n")
    with writing_result(dataset, tmp_path / "gradcam.csv", columns=["error"]) as writer:
        good, short = dataset.rows()
        writer.write(good, "0.png", [""])
        writer.write(short, "", ['row 2: "short", really'])
    assert (tmp_path / "gradcam.csv").read_text() == (
        'gradcam,x,y,z,error\n0.png,a.png,1,2,\n,b.png,1,,"row 2: ""short"", really"\n'
    )


def test_a_failed_result_leaves_what_was_there(table: MakeTable, tmp_path: Path) -> None:
    dataset = table("x\na.png\n")
    result = tmp_path / "gradcam.csv"
    result.write_text("old")

    def fail() -> None:
        with writing_result(dataset, result) as writer:
            writer.write(only_row(dataset), "0.png")
            assert result.read_text() == "old"
            raise WhylightError("stop")

    with pytest.raises(WhylightError, match="stop"):
        fail()
    assert result.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.csv", "gradcam.csv"]


def test_a_table_can_be_replaced_by_its_own_result(table: MakeTable) -> None:
    dataset = table("x\na.png\nb.png\n")
    with writing_result(dataset, dataset.path) as writer:
        for row in dataset.rows():
            writer.write(row, "0.png")
    assert dataset.path.read_text() == "gradcam,x\n0.png,a.png\n0.png,b.png\n"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_shards_are_the_rows_again(table: MakeTable, size: int) -> None:
    dataset = table('\ufeffx,y\r\n日本.png,1\r\n\r\n"two\r\nlines.png",2\r\nc.png,3\r\n"d ""é"".png",4\r\ne.png,5')
    shards = list(dataset.shards(size))
    assert [row for shard in shards for row in dataset.rows(shard)] == list(dataset.rows())
    assert [shard.index for shard in shards] == list(range(len(shards)))
    assert sum(shard.count for shard in shards) == 5
    assert list(dataset.rows(shards[-1]))[-1].cells == ("e.png", "5")
