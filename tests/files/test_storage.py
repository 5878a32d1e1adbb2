"""Datasets, images and results behind URLs."""

from pathlib import Path

import pytest

from batch.datasets import dataset, explainer_with, files
from whylight.batch.run import explain_dataset
from whylight.errors import WhylightError
from whylight.files.storage import location
from whylight.options import Output

pytest.importorskip("upath")


def test_a_dataset_behind_a_url_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    explainer = explainer_with(batch_size=16)
    table = dataset(tmp_path / "local", rows=100)
    explain_dataset(explainer, table, table.with_name("gradcam.csv"))
    store = location("memory://bucket/run")
    for path in [table, *table.parent.glob("images/*")]:
        copy = store / path.relative_to(table.parent).as_posix()
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    explain_dataset(explainer, "memory://bucket/run/output_result.csv", store / "gradcam.csv")
    for name, content in files(table.parent).items():
        assert (store / name).read_bytes() == content, name


def test_a_result_of_local_images_goes_to_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    table, store = dataset(tmp_path / "local", rows=3), location("memory://bucket/other")
    explain_dataset(explainer_with(), table, store / "gradcam.csv")
    with pytest.raises(WhylightError, match="the result of an earlier run: the option 'overwrite' replaces it"):
        explain_dataset(explainer_with(), table, store / "gradcam.csv")
    for source in (table, table.parent / "images"):
        explain_dataset(explainer_with(), source, store / "gradcam.csv", replacing=Output(overwrite=True))
        assert (store / "gradcam" / "0000" / "2.png").read_bytes()


def test_an_unknown_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="nosuch"):
        location("nosuch://bucket/data.csv")
