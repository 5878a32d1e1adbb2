"""What a run believes of an earlier one that was stopped: nothing that is damaged, and nothing that has changed."""

import json
import os
import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batch.datasets import dataset, explainer_with, files
from whylight.batch.journal import Journal
from whylight.batch.options import BatchOptions
from whylight.batch.plan import Plan
from whylight.batch.run import BatchSummary, explain_dataset
from whylight.errors import Cancelled, WhylightError
from whylight.running.explainer import Explainer

ROWS = 64


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return explainer_with(batch_size=8, threads=1)


def run(explainer: Explainer, table: Path, stop_after: int | None = None, **options: Any) -> BatchSummary:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if stop_after is not None and done >= stop_after:
            raise Cancelled("enough")

    output = table.with_name("gradcam.csv")
    return explain_dataset(explainer, table, output, BatchOptions(columns=("score",), **options), advance=advance)


def stopped(explainer: Explainer, table: Path, rows: int = 48, **options: Any) -> Path:
    """The folder of a run that was stopped after so many rows."""
    with pytest.raises(Cancelled):
        run(explainer, table, rows, **options)
    return table.with_name(".gradcam.csv.run")


@pytest.fixture(scope="module")
def whole(explainer: Explainer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    folder = tmp_path_factory.mktemp("whole") / "a"
    run(explainer, dataset(folder, ROWS))
    return files(folder)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return dataset(tmp_path / "stopped", ROWS)


# ---- the journal


def test_a_flipped_bit_anywhere_in_the_journal_changes_no_result(
    explainer: Explainer, table: Path, whole: dict[str, bytes]
) -> None:
    folder = stopped(explainer, table)
    kept = table.parent.with_name("kept")
    shutil.copytree(table.parent, kept)
    (journal,) = folder.glob("*.jsonl")
    content = journal.read_bytes()
    moments = random.Random(1)
    for trial in range(24):
        shutil.rmtree(table.parent)
        shutil.copytree(kept, table.parent)
        place = moments.randrange(len(content)) if trial else content.index(b"\n")
        damaged = bytearray(content)
        damaged[place] ^= 1 << moments.randrange(8)
        journal.write_bytes(damaged)
        assert run(explainer, table).continued <= 48
        assert files(table.parent) == whole, f"bit flipped in byte {place}"


def line_of(rows: Any) -> bytes:
    """A line with a good checksum, whatever it says."""
    text = json.dumps(rows).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def deep(_: list[Any]) -> bytes:
    text = b"[" * 100_000 + b"]" * 100_000
    return b"%08x %b\n" % (zlib.crc32(text), text)


def with_cell(value: Any) -> Callable[[list[Any]], bytes]:
    return lambda rows: line_of([[rows[0][0], [value], *rows[0][2:]], *rows[1:]])


@pytest.mark.parametrize(
    "damage",
    [
        *(with_cell(1.5), with_cell(None), with_cell(["1"]), with_cell({}), deep),
        lambda rows: line_of([["text", *row[1:]] for row in rows]),
        lambda rows: line_of([[*row[:2], 7, row[3]] for row in rows]),
        lambda rows: line_of([row[:3] for row in rows]),
        lambda rows: line_of({"rows": rows}),
        lambda rows: line_of(rows * 100),
        lambda _: line_of(None),
        lambda _: b"\xff\xfe\n",
        lambda rows: json.dumps(rows).encode() + b"\n",
    ],
)
def test_a_line_that_says_something_else_counts_as_not_done(
    explainer: Explainer, table: Path, whole: dict[str, bytes], damage: Callable[[list[Any]], bytes]
) -> None:
    (journal,) = stopped(explainer, table).glob("*.jsonl")
    first, second, *others = journal.read_bytes().splitlines(keepends=True)
    rows = json.loads(second[second.index(b"[") :])
    journal.write_bytes(b"".join([first, damage(rows), *others]))
    assert run(explainer, table).continued == 8
    assert files(table.parent) == whole


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
@pytest.mark.parametrize("name", ["run.json", "000000.jsonl"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_something_else_in_the_place_of_a_journals_file_is_one_line_or_no_matter(
    explainer: Explainer, table: Path, whole: dict[str, bytes], name: str, make: Callable[[Path], None]
) -> None:
    path = stopped(explainer, table) / name
    path.unlink()
    make(path)
    if path.is_dir():
        with pytest.raises(WhylightError, match=rf"{name}: cannot be written: Is a directory"):
            run(explainer, table)
    else:
        run(explainer, table)
        assert files(table.parent) == whole


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"fingerprint": {}}'])
def test_a_damaged_fingerprint_starts_over(
    explainer: Explainer, table: Path, whole: dict[str, bytes], content: bytes
) -> None:
    (stopped(explainer, table) / "run.json").write_bytes(content)
    assert run(explainer, table).continued == 0
    assert files(table.parent) == whole


def test_a_journal_that_is_damaged_while_the_run_is_at_work_is_said(explainer: Explainer, table: Path) -> None:
    folder = table.with_name(".gradcam.csv.run")

    def damage(_: int) -> None:
        for path in folder.glob("*.jsonl"):
            path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(WhylightError, match=r"\.gradcam\.csv\.run: damaged while the run was at work: run the same"):
        explain_dataset(explainer, table, table.with_name("gradcam.csv"), advance=damage)
    assert not table.with_name("gradcam.csv").exists()


def test_what_others_keep_in_the_journals_folder_stays(explainer: Explainer, table: Path) -> None:
    folder = table.with_name(".gradcam.csv.run")
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    run(explainer, table)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


# ---- images that change


def invert(path: Path, keep_time: bool = False) -> None:
    """Another image of the same size in bytes and pixels."""
    facts = path.stat()
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    with path.open("ab") as file:
        file.write(bytes(max(0, facts.st_size - path.stat().st_size)))
    if keep_time:
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize(("verify", "keep_time"), [(False, False), (True, True)])
def test_an_image_that_changed_is_explained_again(
    explainer: Explainer, table: Path, verify: bool, keep_time: bool
) -> None:
    asked = {"verify": True} if verify else {}
    stopped(explainer, table, **asked)
    first = table.parent / table.read_text("utf-8").splitlines()[10].split(",")[0]
    before = (table.parent / "gradcam" / "0000" / "9.png").read_bytes()
    invert(first, keep_time)
    assert run(explainer, table, **asked).continued == 8, "the batch before that of row 10"
    assert (table.parent / "gradcam" / "0000" / "9.png").read_bytes() != before
    again = dataset(table.parent.with_name("again"), ROWS)
    shutil.copy2(first, again.parent / "images" / first.name)
    run(explainer, again, **asked)
    assert files(table.parent) == files(again.parent)


def test_an_image_that_was_missing_is_explained_when_it_is_there(explainer: Explainer, table: Path) -> None:
    lines = table.read_text("utf-8").splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "images/late.png")
    table.write_text("\n".join(lines) + "\n", "utf-8")
    stopped(explainer, table, on_error="skip")
    shutil.copy(next((table.parent / "images").glob("*.png")), table.parent / "images" / "late.png")
    assert run(explainer, table, on_error="skip").explained == ROWS


def test_a_label_in_a_file_that_changed_is_explained_again(explainer: Explainer, table: Path) -> None:
    lines = [",".join(line.split(",")[:2]) for line in table.read_text("utf-8").splitlines()]
    lines[3] = f"{lines[3].split(',')[0]},label.csv"
    table.write_text("\n".join(lines) + "\n", "utf-8")
    (table.parent / "label.csv").write_text("3\n")
    stopped(explainer, table)
    before = (table.parent / "gradcam" / "0000" / "2.png").read_bytes()
    (table.parent / "label.csv").write_text("4\n")
    assert run(explainer, table).continued == 0
    assert (table.parent / "gradcam" / "0000" / "2.png").read_bytes() != before


def test_nothing_changed_is_gone_on_with_by_content_too(
    explainer: Explainer, table: Path, whole: dict[str, bytes]
) -> None:
    stopped(explainer, table, verify=True)
    for path in (table.parent / "images").iterdir():
        os.utime(path)
    assert run(explainer, table, verify=True).continued == 48
    assert files(table.parent) == whole


# ---- the end, and other runs


@pytest.mark.parametrize("maps", [None, "npy", "npz"])
def test_overlays_that_are_gone_at_the_end_are_said(
    explainer: Explainer, table: Path, whole: dict[str, bytes], maps: str | None
) -> None:
    output, done = table.with_name("gradcam.csv"), 0
    options = BatchOptions(columns=("score",), save_cam=maps)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done == ROWS:
            for path in table.parent.glob(f"gradcam/cam/**/*.{maps}" if maps else "gradcam/0000/?.png"):
                path.unlink()

    with pytest.raises(
        WhylightError, match=r"of the run's files are gone: gradcam/\S+, gradcam/\S+, .* run the same command again"
    ):
        explain_dataset(explainer, table, output, options, advance=advance)
    assert not output.exists()
    assert explain_dataset(explainer, table, output, options).explained == ROWS
    overlays = {name for name in whole if name.endswith(".png")}
    assert overlays <= files(table.parent).keys()


def test_two_outputs_that_share_their_overlays_are_refused_while_one_runs(explainer: Explainer, table: Path) -> None:
    plan = Plan(table, table.with_name("r.csv"))
    with Journal(plan).locked(), pytest.raises(WhylightError, match=r"r\.tsv: another run is writing it, or its overl"):
        explain_dataset(explainer, table, table.with_name("r.tsv"))
    assert not list(table.parent.glob("*r.*sv*"))
    assert not list(table.parent.glob(".r*")), "the lock goes too"


def test_a_stopped_run_keeps_its_overlays_from_another_of_its_name(explainer: Explainer, table: Path) -> None:
    folder = stopped(explainer, table)
    with pytest.raises(WhylightError, match=r"gradcam: the overlays of gradcam\.csv are there"):
        explain_dataset(explainer, table, table.with_name("gradcam.tsv"))
    assert folder.is_dir()
    assert run(explainer, table).continued == 48


def test_what_a_stopped_run_made_goes_when_another_begins_in_its_place(explainer: Explainer, table: Path) -> None:
    stopped(explainer, table)
    lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join(lines[:9]) + "\n", encoding="utf-8")
    run(explainer, table)
    assert len(list(table.parent.glob("gradcam/0000/*"))) == 8


@pytest.mark.skipif(os.name == "nt", reason="there are no FIFOs")
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.write_text("mine")])
def test_something_else_in_the_place_of_the_lock_is_said(
    explainer: Explainer, table: Path, make: Callable[[Path], None]
) -> None:
    lock = table.with_name(".gradcam.whylight.lock")
    make(lock)
    with pytest.raises(WhylightError, match=r"\.gradcam\.whylight\.lock: in the place of a lock"):
        run(explainer, table)
    assert lock.exists()


@pytest.mark.parametrize(("form", "longest"), [("webp", 16383), ("jpg", 65500)])
def test_a_picture_that_a_format_cannot_hold_is_its_rows_error(
    explainer: Explainer, tmp_path: Path, form: str, longest: int
) -> None:
    table = dataset(tmp_path / "a", 4)
    Image.new("L", (longest + 1, 2)).save(table.parent / "long.png")
    lines = table.read_text("utf-8").splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[0], "long.png")
    table.write_text("\n".join(lines) + "\n", "utf-8")
    message = rf"row 2 \(line 3\): a picture of {longest + 1} x 2 pixels: a \w+ file holds {longest} along an edge"
    with pytest.raises(WhylightError, match=message):
        run(explainer, table, format=form)
    summary = run(explainer, table, format=form, on_error="skip")
    assert summary.explained == 3
    assert [path.stem for path in sorted(table.parent.glob(f"gradcam/0000/*.{form}"))] == ["0", "2", "3"]
