"""Runs over tables in memory, what a run says of itself, and how it is stopped from outside."""

import csv
import json
import threading
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from batch.datasets import dataset, explainer_with, files
from samples import evaluation
from whylight.batch.options import BatchOptions
from whylight.batch.run import explain_dataset
from whylight.errors import Cancelled, WhylightError
from whylight.options import Rendering
from whylight.running import opened_graph, session
from whylight.running.explainer import Explainer


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return explainer_with(batch_size=16, threads=2)


def stopping_after(rows: int) -> Callable[[int], None]:
    """An ``advance`` that stops the run when so many rows are done."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done >= rows:
            raise Cancelled("enough")

    return advance


# ---- stopping


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"save_cam": "npz"}, {"save_cam": "npz", "workers": 2}])
def test_stopped_between_batches_it_goes_on_with_the_same_bytes(
    explainer: Explainer, tmp_path: Path, options: dict[str, Any]
) -> None:
    whole, stopped = dataset(tmp_path / "whole", rows=1200), dataset(tmp_path / "stopped", rows=1200)
    chosen = BatchOptions(columns=("score",), **options)
    explain_dataset(explainer, whole, whole.with_name("gradcam.csv"), chosen)
    output = stopped.with_name("gradcam.csv")
    threads = threading.active_count()
    with pytest.raises(Cancelled):
        explain_dataset(explainer, stopped, output, chosen, advance=stopping_after(300))
    assert (threading.active_count() <= threads, active_children()) == (True, []), "nothing works on"
    assert not output.exists()
    said: list[str] = []
    told: list[int] = []
    summary = explain_dataset(explainer, stopped, output, chosen, say=said.append, advance=told.append)
    assert 0 < summary.continued < 1200
    assert told[0] == summary.continued
    assert sum(told) == 1200
    assert "going on after" in said[0]
    assert files(stopped.parent) == files(whole.parent)
    assert not list(stopped.parent.glob(".gradcam*"))


def test_stopped_on_a_cluster_it_goes_on_with_the_same_bytes(explainer: Explainer, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    whole, stopped = dataset(tmp_path / "whole", rows=1200), dataset(tmp_path / "stopped", rows=1200)
    explain_dataset(explainer, whole, whole.with_name("gradcam.csv"))
    output = stopped.with_name("gradcam.csv")
    ray.init(num_cpus=2, log_to_driver=False, logging_level="error", include_dashboard=False)
    try:
        with pytest.raises(Cancelled):
            explain_dataset(explainer, stopped, output, BatchOptions(engine="ray"), advance=stopping_after(300))
        assert ray.is_initialized(), "one's own cluster is left as it is"
        assert explain_dataset(explainer, stopped, output, BatchOptions(engine="ray")).continued > 0
    finally:
        ray.shutdown()
    assert files(stopped.parent) == files(whole.parent)


def test_processes_know_names_that_were_given_to_the_explainer(explainer: Explainer, tmp_path: Path) -> None:
    named = explainer.with_class_names([f"digit {index}" for index in range(10)])
    for workers in (1, 2):
        table = dataset(tmp_path / str(workers), rows=40)
        explain_dataset(named, table, table.with_name("gradcam.csv"), BatchOptions(workers=workers))
    assert files(tmp_path / "1") == files(tmp_path / "2")
    with Image.open(tmp_path / "2" / "gradcam" / "0000" / "0.png") as overlay:
        overlay.load()
        assert overlay.info["Description"].startswith("digit 9 (9), the label")


# ---- tables in memory


def test_images_in_memory_give_the_overlays_of_files(explainer: Explainer, tmp_path: Path) -> None:
    table = dataset(tmp_path / "files", rows=40)
    explain_dataset(explainer, table, str(table.with_name("gradcam.csv")), BatchOptions(columns=("score",)))
    images, labels, _ = evaluation(table)
    held = [Image.open(path).convert("L") for path in images]
    rows: list[dict[str, Any]] = [
        {"x": np.asarray(one) if i % 2 else one, "y": label, "note": i}
        for i, (one, label) in enumerate(zip(held, labels, strict=True))
    ]
    for name, workers in (("one", None), ("two", 2)):
        output = tmp_path / name / "gradcam.csv"
        summary = explain_dataset(explainer, rows, output, BatchOptions(columns=("score",), workers=workers))
        assert summary.explained == 40
        for i in range(40):
            overlay = f"gradcam/0000/{i}.png"
            assert (output.parent / overlay).read_bytes() == (table.parent / overlay).read_bytes()
        with output.open(newline="") as found, table.with_name("gradcam.csv").open(newline="") as expected:
            for i, (one, other) in enumerate(zip(csv.DictReader(found), csv.DictReader(expected), strict=True)):
                assert one == {
                    "gradcam": f"gradcam/0000/{i}.png", "x": "", "y": str(labels[i]), "note": str(i),
                    "score": other["score"],
                }  # fmt: skip


def test_a_changed_table_in_memory_starts_over(explainer: Explainer, tmp_path: Path) -> None:
    images, labels, _ = evaluation(dataset(tmp_path / "files", rows=64))
    rows = list(zip(images, labels, strict=True))
    output = tmp_path / "gradcam.csv"
    said: list[str] = []
    for table in (rows, rows, [*rows[:-1], (images[-1], "predicted")]):
        with pytest.raises(Cancelled):
            explain_dataset(explainer, table, output, say=said.append, advance=stopping_after(32))
    assert ["going on" in said[0], "starting over" in said[1]] == [True, True]


def test_bad_rows_in_memory_are_found_first_or_skipped(explainer: Explainer, tmp_path: Path) -> None:
    images, labels, _ = evaluation(dataset(tmp_path / "files", rows=20))
    rows: list[Any] = list(zip(images, labels, strict=True))
    rows[7] = (images[7], 99)
    rows[9] = (np.zeros((2, 2, 2, 2)), 1)
    output = tmp_path / "gradcam.csv"
    with pytest.raises(WhylightError, match=r"^the table: row 8: class index 99 is out of range"):
        explain_dataset(explainer, rows, output)
    assert not list(tmp_path.glob("*gradcam*")), "no work was begun"
    summary = explain_dataset(explainer, rows, output, BatchOptions(on_error="skip"))
    assert summary.explained == 18
    assert any(reason.startswith("class index 99 is out of range") for reason in summary.skipped)


def test_a_wrong_place_to_write_is_refused(explainer: Explainer) -> None:
    with pytest.raises(WhylightError, match="found int in place of a path"):
        explain_dataset(explainer, [("a.png", 1)], 5)  # type: ignore[arg-type]


# ---- what a run says and takes


def test_the_summary_is_ready_for_json(explainer: Explainer, tmp_path: Path) -> None:
    table = dataset(tmp_path / "a", rows=20)
    expected: list[int] = []
    summary = explain_dataset(explainer, table, table.with_name("gradcam.csv"), expect=expected.append)
    found = json.loads(json.dumps(summary.to_dict()))
    assert (found.pop("seconds"), found.pop("rate")) == (summary.seconds, 20 / summary.seconds)
    assert found == {
        "rows": 20, "explained": 20, "skipped": {}, "continued": 0, "device": "cpu",
        "output": str(table.with_name("gradcam.csv")),
    }  # fmt: skip
    assert expected == [20]


def test_the_network_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    open_session = session.open_session

    def counted(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return open_session(*arguments, **options)

    monkeypatch.setattr(opened_graph, "open_session", counted)
    table = dataset(tmp_path / "a", rows=20)
    explain_dataset(explainer_with(), table, table.with_name("gradcam.csv"))
    assert len(opened) == 1


def test_rendering_and_format(explainer: Explainer, tmp_path: Path) -> None:
    table = dataset(tmp_path / "a", rows=2)
    look = Rendering(alpha=0, size="input")
    explain_dataset(explainer, table, table.with_name("gradcam.csv"), BatchOptions(format="webp"), look)
    assert Image.open(table.parent / "gradcam" / "0000" / "1.webp").size == (28, 28)
