"""The files that a report consists of: the page's data and links, the thumbnails, and what is left after a failure."""

import base64
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import whylight
from report.tables import write_image, write_table
from whylight.errors import Cancelled, WhylightError, WhylightWarning
from whylight.report.options import ReportOptions
from whylight.report.page import write_report
from whylight.report.results import Entry
from whylight.report.thumbnails import with_thumbnails

HOSTILE = '</script><img src=x onerror="alert(1)">'


class Parsed(HTMLParser):
    """A page as a browser takes it apart: its elements, and the text of its scripts."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))
        self.rows: list[Any] = json.loads(self.scripts[0])
        self.facts: dict[str, Any] = json.loads(self.scripts[1])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Note a script's text."""
        if self.cdata_elem == "script":
            self.scripts[-1] += data


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png", 300, 200, seed=1)
    return write_table(tmp_path, "gradcam,x,y,y'", [["b.png", "a.png", 1, 0.75], ["", "lost.png", 0, 0.75]])


# ---- the page


def test_the_page_holds_rows_and_counts(table: Path, tmp_path: Path) -> None:
    write_report(table, tmp_path / "report.html", ReportOptions(labels=["four", "nine"]))
    page = Parsed(tmp_path / "report.html")
    assert page.rows == [["a.png", "b.png", 3, 1, 1, None, 0.75, ""], ["lost.png", None, 0, 0, 1, None, 0.75, ""]]
    assert page.facts == {
        "files": "report_files",
        "names": ["four", "nine"],
        "by": None,
        "explained": 1,
        "errors": 0,
        "confusions": [[1, 1, 1], [0, 1, 1]],
    }


def test_a_csv_without_rows(tmp_path: Path) -> None:
    assert write_report(write_table(tmp_path, "gradcam,x,y", []), tmp_path / "report.html").rows == 0
    assert Parsed(tmp_path / "report.html").rows == []


def test_links_lead_from_the_page_to_the_files(tmp_path: Path) -> None:
    names = ["100% #1?.png", "犬 & 猫.png", "javascript:alert(1).png", "a b/c.png"]
    for name in names:
        write_image(tmp_path / "data" / name)
    table = write_table(tmp_path / "data", "gradcam,x,y", [[name, f"./{name}", 0] for name in names])
    write_report(table, tmp_path / "pages" / "report.html")
    for name, (image, overlay, *_) in zip(names, Parsed(tmp_path / "pages" / "report.html").rows, strict=True):
        assert image == overlay
        assert image.startswith("../data/")
        assert not set(image) & set(" #?:&")
        assert (tmp_path / "pages" / unquote(image)).samefile(tmp_path / "data" / name)
    write_report(table, tmp_path / "data" / "report.html")
    assert Parsed(tmp_path / "data" / "report.html").rows[2][0] == "javascript%3Aalert%281%29.png"


def test_no_text_breaks_out_of_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x>"
    folder.mkdir()
    table = write_table(folder, "gradcam,x,y,error", [["", HOSTILE, 0, f"{HOSTILE} <!-- <script>"]])
    table = table.rename(folder / "<b>&.csv")
    write_report(table, folder / "report.html", ReportOptions(labels=[HOSTILE]))
    page = Parsed(folder / "report.html")
    assert page.tags.count("script") == 3
    assert "img" not in page.tags
    assert "b" not in page.tags
    assert page.rows[0][-1] == f"{HOSTILE} <!-- <script>"
    assert page.facts["names"] == [HOSTILE]


def test_the_page_names_no_other_place(table: Path, tmp_path: Path) -> None:
    write_report(table, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""://|["'(]//""", text)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


# ---- one file


def copy_in(url: str) -> Image.Image:
    """The picture in a ``data:`` URL."""
    head, data = url.split(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_single_page_has_the_pictures_inside(table: Path, tmp_path: Path) -> None:
    Image.radial_gradient("L").resize((900, 600)).convert("RGB").save(tmp_path / "b.png")
    whylight.write_report(table, tmp_path / "out" / "report.html", single=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
    page = Parsed(tmp_path / "out" / "report.html")
    assert page.facts["files"] is None
    (*first, (image, overlay)), (*second, nothing) = page.rows
    assert first[:3] == ["a.png", "b.png", 3], "names, no links"
    assert (second[:3], nothing) == (["lost.png", None, 0], [None, None])
    np.testing.assert_array_equal(np.asarray(copy_in(image)), np.asarray(Image.open(tmp_path / "a.png")))
    assert copy_in(overlay).size == (384, 256)
    smaller = np.asarray(Image.open(tmp_path / "b.png").resize((384, 256), Image.Resampling.BICUBIC), int)
    assert np.abs(np.asarray(copy_in(overlay), int) - smaller).mean() < 3


def test_a_single_page_is_no_larger_than_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "a.png", 90, 90)
    table = write_table(tmp_path, "gradcam,x,y", [["a.png", "a.png", row % 2] for row in range(20)])
    monkeypatch.setattr("whylight.report.page._MOST_INSIDE", 200_000)
    with pytest.warns(WhylightWarning, match=r"the pictures of the last (\d+) of 20 rows are left out") as caught:
        summary = whylight.write_report(table, tmp_path / "report.html", single=True)
    assert summary.rows == 20
    assert 150_000 < (tmp_path / "report.html").stat().st_size < 300_000
    rows = Parsed(tmp_path / "report.html").rows
    there = [row[-1] != [None, None] for row in rows]
    assert there == sorted(there, reverse=True), "the first ones are there"
    assert f"the last {there.count(False)} of 20" in str(caught[0].message)
    assert {row[2] for row in rows} == {3}, "all have pictures"


# ---- thumbnails


def test_thumbnails_are_small_and_never_enlarged(table: Path, tmp_path: Path) -> None:
    write_report(table, tmp_path / "report.html")
    folder = tmp_path / "report_files" / "0000"
    assert sorted(path.name for path in folder.iterdir()) == ["0.webp", "0_overlay.webp"]
    image, overlay = Image.open(folder / "0.webp"), Image.open(folder / "0_overlay.webp")
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), np.asarray(Image.open(tmp_path / "a.png")))
    assert overlay.size == (96, 64)


def test_every_kind_of_image_has_one(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 100, dtype=np.float32).reshape(10, 10)
    np.save(tmp_path / "unit.npy", ramp[np.newaxis])
    np.save(tmp_path / "bytes.npy", 255 * ramp)
    np.save(tmp_path / "color.npy", np.stack([ramp] * 3))
    Image.fromarray((65535 * ramp).astype(np.uint16)).save(tmp_path / "deep.png")
    names = ["unit.npy", "bytes.npy", "color.npy", "deep.png"]
    write_report(write_table(tmp_path, "gradcam,x,y", [["", name, 0] for name in names]), tmp_path / "report.html")
    for index in range(len(names)):
        thumbnail = Image.open(tmp_path / "report_files" / "0000" / f"{index}.webp").convert("L")
        np.testing.assert_allclose(np.asarray(thumbnail), 255 * ramp, atol=2)


def test_a_thousand_rows_a_folder_and_few_at_a_time(tmp_path: Path) -> None:
    read = 0

    def entries() -> Iterator[Entry]:
        nonlocal read
        image = write_image(tmp_path / "a.png", 2, 2)
        for _ in range(1101):
            read += 1
            yield Entry(image=image)

    (tmp_path / "files").mkdir()
    thumbnails = with_thumbnails(entries(), tmp_path / "files")
    assert next(thumbnails) == (Entry(image=tmp_path / "a.png"), (True, False))
    assert read < 100
    assert sum(1 for _ in thumbnails) == 1100
    assert {folder.name: len(list(folder.iterdir())) for folder in (tmp_path / "files").iterdir()} == {
        "0000": 1000,
        "0001": 101,
    }


# ---- writing


def test_a_new_report_replaces_an_old_one(table: Path, tmp_path: Path) -> None:
    write_report(table, tmp_path / "report.html")
    write_table(tmp_path, "gradcam,x,y", [["", "b.png", 0]])
    write_report(table, tmp_path / "report.html")
    assert len(Parsed(tmp_path / "report.html").rows) == 1
    assert [path.name for path in (tmp_path / "report_files" / "0000").iterdir()] == ["0.webp"]


def test_a_failure_leaves_the_old_report_as_it_was(table: Path, tmp_path: Path) -> None:
    write_report(table, tmp_path / "report.html")
    with table.open("a", encoding="utf-8") as file:
        file.write('a.png,a.png,"1')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(WhylightError, match="never ends"):
        write_report(table, tmp_path / "report.html")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("a.png", "b.png", "gradcam.csv", "report.html", "report_files"),
    ]


def test_stopped_from_outside_the_old_report_stays(table: Path, tmp_path: Path) -> None:
    done: list[int] = []
    write_report(str(table), str(tmp_path / "report.html"), advance=done.append)
    assert done == [1, 1]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_table(tmp_path, "gradcam,x,y", [["", "a.png", 0]] * 200)
    before[table] = table.read_bytes()

    def advance(count: int) -> None:
        done.append(count)
        if len(done) == 20:
            raise Cancelled("enough")

    threads = threading.active_count()
    with pytest.raises(Cancelled):
        write_report(table, tmp_path / "report.html", advance=advance)
    assert threading.active_count() <= threads
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_summary_is_ready_for_json(table: Path, tmp_path: Path) -> None:
    summary = write_report(table, tmp_path / "report.html")
    assert json.loads(json.dumps(summary.to_dict())) == {
        "rows": 2, "explained": 1, "errors": 0, "right": 1, "wrong": 1, "accuracy": 0.5,
        "output": str(tmp_path / "report.html"),
    }  # fmt: skip
    with pytest.raises(AttributeError):
        summary.rows = 3  # type: ignore[misc]


def test_names_are_in_a_file_or_a_list_and_all_else_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("four\nnine\n")
    for labels in ("names.txt", tmp_path / "names.txt", ["four", "nine"]):
        named = tmp_path / labels if isinstance(labels, str) else labels
        write_report(table, tmp_path / "report.html", ReportOptions(labels=named))
        assert Parsed(tmp_path / "report.html").facts["names"] == ["four", "nine"]
    with pytest.raises(WhylightError, match=r"expected a file with one class name a line, .imagenet., or the names"):
        ReportOptions(labels=[1, 2])  # type: ignore[list-item]
    with pytest.raises(WhylightError, match="found list in place of a path: expected text or a Path"):
        write_report([("a.png", 1)], tmp_path / "report.html")  # type: ignore[arg-type]


def test_files_of_others_are_kept(table: Path, tmp_path: Path) -> None:
    mine = tmp_path / "report_files" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(WhylightError, match="not the thumbnails of a report"):
        write_report(table, tmp_path / "report.html")
    assert mine.read_text() == "mine"
    assert not (tmp_path / "report.html").exists()


def test_outputs_that_cannot_be_written(table: Path, tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="the result CSV itself"):
        write_report(table, table)
    with pytest.raises(WhylightError, match="a folder: expected an HTML file"):
        write_report(table, tmp_path)
    with pytest.raises(WhylightError, match="cannot be written"):
        write_report(table, table / "report.html")


@pytest.mark.parametrize("name", ["v{0}", "v{1}__{2}", "v__{0}"])  # the second took a minute, the others never
def test_the_time_is_linear_in_the_columns(tmp_path: Path, name: str) -> None:
    """40 000 columns: of each its own variable, of pairs, of one vector. Found again and again they take minutes."""
    columns = [name.format(index, index // 2, index % 2) for index in range(40_000)]
    table = write_table(tmp_path, ",".join(["gradcam", "x", "y", *columns]), [["", "", 1, *[0.3] * len(columns)]] * 3)
    started = time.process_time()
    assert write_report(table, tmp_path / "report.html").rows == 3
    assert time.process_time() - started < 20
