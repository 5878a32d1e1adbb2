"""A run that was stopped anywhere goes on, and its result is that of a run that was not."""

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch.datasets import dataset, explainer_with, files
from whylight.batch.journal import Journal
from whylight.batch.options import BatchOptions
from whylight.batch.plan import Plan
from whylight.batch.run import BatchSummary, explain_dataset
from whylight.errors import WhylightError
from whylight.files import writing
from whylight.running.explainer import Explainer


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return explainer_with(batch_size=16, threads=2)


def run(explainer: Explainer, table: Path, said: list[str] | None = None, **options: Any) -> BatchSummary:
    say = (said if said is not None else []).append
    return explain_dataset(explainer, table, table.with_name("gradcam.csv"), BatchOptions(**options), say=say)


def stop_after(
    explainer: Explainer, table: Path, overlays: int, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> None:
    """A run that stops as if the power failed when it has written so many overlays."""
    written = 0
    save = writing.save_bytes

    def failing(data: bytes, path: Path) -> None:
        nonlocal written
        written += str(path).endswith(".png")
        if written > overlays:
            raise KeyboardInterrupt
        save(data, path)

    with monkeypatch.context() as patched:
        patched.setattr("whylight.batch.step.save_bytes", failing)
        with pytest.raises(KeyboardInterrupt):
            run(explainer, table, **options)


@pytest.fixture
def whole(explainer: Explainer, tmp_path: Path) -> dict[str, bytes]:
    """What an uninterrupted run writes."""
    folder = tmp_path / "whole"
    run(explainer, dataset(folder))
    return files(folder)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return dataset(tmp_path / "stopped")


def test_a_run_goes_on_where_it_stopped(
    explainer: Explainer, table: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(explainer, table, 100, monkeypatch)
    assert not table.with_name("gradcam.csv").exists(), "the result appears when all is done"
    said: list[str] = []
    summary = run(explainer, table, said)
    assert 0 < summary.continued <= 100
    assert "going on after" in said[0]
    assert files(table.parent) == whole
    assert not list(table.parent.glob(".gradcam*")), "the journal goes when the run is over"


def test_files_that_a_killed_run_was_writing_are_removed(
    explainer: Explainer, table: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(explainer, table, 100, monkeypatch)
    table.with_name(".gradcam.csv.k1lled.whylight.part").write_text("x:image")
    (table.parent / "gradcam" / "0000" / ".99.png.1-1.whylight.part").write_bytes(b"PNG")
    own = [table.parent / name for name in ("gradcam/.x.part", "gradcam/0000/.0.png.1-1.part", ".gradcam.csv.x.part")]
    for path in own:
        path.write_text("mine")
    run(explainer, table)
    assert sorted(table.parent.rglob("*.part")) == sorted(own)
    for path in own:
        assert path.read_text() == "mine"
        path.unlink()
    assert files(table.parent) == whole


@pytest.mark.parametrize("damage", ["remove", "truncate", "zero"])
def test_what_the_disk_lost_is_made_again(
    explainer: Explainer, table: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    stop_after(explainer, table, 150, monkeypatch)
    overlay = table.parent / "gradcam" / "0000" / "20.png"
    if damage == "remove":
        overlay.unlink()
    else:
        content = overlay.read_bytes()
        overlay.write_bytes(content[:50] if damage == "truncate" else bytes(len(content)))
    journal = next((table.parent / ".gradcam.csv.run").glob("*.jsonl"))
    journal.write_bytes(journal.read_bytes()[:-7])
    run(explainer, table)
    assert files(table.parent) == whole


def test_changed_options_start_over_and_say_so(
    explainer: Explainer, table: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(explainer, table, 100, monkeypatch, columns=("score",))
    said: list[str] = []
    assert run(explainer, table, said).continued == 0
    assert "starting over" in said[0]
    assert files(table.parent) == whole


def test_a_changed_input_starts_over(explainer: Explainer, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(explainer, table, 100, monkeypatch)
    lines = table.read_text("utf-8").splitlines()
    table.write_text("\n".join(lines[:50]) + "\n", encoding="utf-8")
    said: list[str] = []
    assert run(explainer, table, said).rows == 49
    assert "starting over" in said[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("maps", [None, "npz", "npy"])
def test_whoever_runs_it_the_bytes_are_the_same(
    explainer: Explainer, tmp_path: Path, workers: int, maps: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if workers == 1 and maps is None:
        pytest.skip("that is what the others are compared with")
    results = []
    for name, count in (("one", 1), ("other", workers)):
        table = dataset(tmp_path / name)
        if name == "other":
            stop_after(explainer, table, 300, monkeypatch, columns="score,rank", save_cam=maps)
        options = BatchOptions(columns=("score", "rank"), save_cam=maps, workers=count)
        explain_dataset(explainer_with(batch_size=16), table, table.with_name("gradcam.csv"), options)
        results.append(files(tmp_path / name))
    assert results[0] == results[1]


def test_a_second_run_on_the_same_output_is_refused(explainer: Explainer, table: Path) -> None:
    output = table.with_name("gradcam.csv")
    with Journal(Plan(table, output)).locked(), pytest.raises(WhylightError, match="another run is writing it"):
        explain_dataset(explainer, table, output)


def test_a_full_disk_stops_the_run_also_where_bad_rows_are_skipped(
    explainer: Explainer, table: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, room = writing._write, 100

    def full(data: bytes, path: str) -> None:
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(data, path)

    with monkeypatch.context() as patched:
        patched.setattr(writing, "_write", full)
        with pytest.raises(WhylightError, match="No space left"):
            run(explainer, table)
    assert run(explainer, table).continued > 0
    assert files(table.parent) == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_file_system_fills_and_the_run_goes_on_when_it_has_grown(
    explainer: Explainer, table: Path, whole: dict[str, bytes], small_disk: Path
) -> None:
    output = small_disk / "gradcam.csv"
    with pytest.raises(WhylightError, match="No space left"):
        explain_dataset(explainer, table, output)
    assert not output.exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert explain_dataset(explainer, table, output).continued > 0
    assert files(small_disk) == whole


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("way", [["--workers", "1", "--threads", "2"], ["--workers", "2"]])
def test_killed_at_twenty_random_moments(way: list[str], tmp_path: Path) -> None:
    options = ["--batch_size", "16", "--columns", "score", *way]
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        dataset(folder, rows=8000)
    command = [sys.executable, "-m", "whylight", "gradcam-batch", *options]
    subprocess.run(command, cwd=folders[0], check=True, capture_output=True)
    moments = random.Random(0)
    kills = 0
    for _ in range(60):
        process = subprocess.Popen(command, cwd=folders[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        overlays = sum(1 for _ in folders[1].glob("gradcam/**/*.png"))
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if sum(1 for _ in folders[1].glob("gradcam/**/*.png")) > overlays:
                break  # it has begun to write
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.05))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        if kills == 20:
            break
    assert kills == 20
    finished = subprocess.run(command, cwd=folders[1], check=True, capture_output=True, text=True)
    assert "going on after" in finished.stderr
    leftovers = [path for path in folders[1].rglob("*") if path.name.endswith(".part")]
    assert not leftovers
    assert files(folders[0]) == files(folders[1])
