"""One batch: what it does when memory runs out."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from batch.datasets import dataset, explainer_with, files
from whylight.batch.run import explain_dataset
from whylight.errors import OutOfMemoryError, WhylightError
from whylight.images.pictures import Picture
from whylight.options import ClassIndex
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation


def with_room_for(monkeypatch: pytest.MonkeyPatch, room: int) -> list[int]:
    """Let memory be enough for ``room`` images at once; returns the list of the batches that are tried."""
    tried: list[int] = []
    explain = Explainer.explain

    def limited(self: Explainer, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex]) -> list[Explanation]:
        tried.append(len(pictures))
        if len(pictures) > room:
            raise OutOfMemoryError("no memory")
        return explain(self, pictures, class_indices)

    monkeypatch.setattr(Explainer, "explain", limited)
    return tried


def test_out_of_memory_halves_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dataset(tmp_path / "whole", rows=16)
    explain_dataset(explainer_with(batch_size=4), whole, whole.with_name("gradcam.csv"))
    tried = with_room_for(monkeypatch, 4)
    halved = dataset(tmp_path / "halved", rows=16)
    assert explain_dataset(explainer_with(batch_size=16), halved, halved.with_name("gradcam.csv")).explained == 16
    assert sorted(tried) == [4, 4, 4, 4, 8, 8, 16]
    assert files(tmp_path / "halved") == files(tmp_path / "whole")


def test_no_memory_for_one_image_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_room_for(monkeypatch, 0)
    table = dataset(tmp_path / "a", rows=2)
    with pytest.raises(WhylightError, match="no memory"):
        explain_dataset(explainer_with(), table, table.with_name("gradcam.csv"))
