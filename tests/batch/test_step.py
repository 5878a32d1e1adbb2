"""One batch: what it does when memory runs out."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from batch.datasets import dataset, explainer_with, files
from whylight.batch.options import BatchOptions
from whylight.batch.run import explain_dataset
from whylight.contract import Origin
from whylight.errors import OutOfMemoryError, WhylightError
from whylight.images.pictures import Picture
from whylight.options import ClassIndex
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation


def with_room_for(monkeypatch: pytest.MonkeyPatch, room: int) -> list[int]:
    """Let memory be enough for ``room`` images at once; returns the list of the batches that are tried."""
    tried: list[int] = []
    explain = Explainer.explain

    def limited(
        self: Explainer, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex], origin: Origin
    ) -> list[Explanation]:
        tried.append(len(pictures))
        if len(pictures) > room:
            raise OutOfMemoryError("no memory")
        return explain(self, pictures, class_indices, origin)

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


def description(path: Path) -> str:
    with Image.open(path) as image:
        image.load()
        return str(image.info["Description"])


def test_every_overlay_says_which_class_it_explains_and_whose_it_is(tmp_path: Path) -> None:
    table = dataset(tmp_path / "a", rows=2)
    header, first, second = table.read_text("utf-8").splitlines()
    cells = second.split(",")
    assert cells[1] == "3", "the second digit"
    wrong = ",".join([cells[0], "8", *cells[2:]])
    table.write_text("\n".join([header, first, wrong]) + "\n", encoding="utf-8")
    explain_dataset(explainer_with(), table, tmp_path / "by_label.csv")
    assert description(tmp_path / "by_label" / "0000" / "0.png").startswith(
        "class 9, the label and predicted; probability"
    )
    assert description(tmp_path / "by_label" / "0000" / "1.png").startswith("class 8, the label; predicted: class 3; ")
    explain_dataset(explainer_with(), table, tmp_path / "seen.csv", BatchOptions(predicted=True))
    said = description(tmp_path / "seen" / "0000" / "1.png")
    assert said.startswith("class 3, predicted; probability 100.0%, score ")
    assert "; gradcam, layer @MainRuntime/Convolution_1, results.nnp; whylight " in said


def test_of_large_images_few_are_held_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = explainer_with(batch_size=16)
    whole = dataset(tmp_path / "whole", rows=16)
    explain_dataset(explainer, whole, whole.with_name("gradcam.csv"))
    tried = with_room_for(monkeypatch, 16)
    monkeypatch.setattr("whylight.batch.step._MOST_PIXELS", 6 * 28 * 28)
    parts = dataset(tmp_path / "parts", rows=16)
    text = parts.read_text("utf-8").splitlines()
    text[7] = text[7].replace(".png", "-missing.png", 1)
    parts.write_text("\n".join(text) + "\n", encoding="utf-8")
    summary = explain_dataset(explainer, parts, parts.with_name("gradcam.csv"), BatchOptions(on_error="skip"))
    assert summary.explained == 15
    assert tried == [6, 6, 3]
    expected = files(tmp_path / "whole")
    del expected["gradcam/0000/6.png"]
    pictures = [name for name in expected if name.endswith(".png")]
    found = files(tmp_path / "parts")
    assert found.keys() == expected.keys()
    assert {name: found[name] for name in pictures} == {name: expected[name] for name in pictures}
