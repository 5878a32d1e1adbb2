"""Compiled explainers on disk: the same as without, fast, and never in the way."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest

import whylight
from reading.nnp.networks import function, one_convolution, small_classifier
from whylight import registry
from whylight.cli import main
from whylight.options import Execution
from whylight.running import cache
from whylight.running.explainer import Explainer


def overlay(*options: str) -> bytes:
    assert main(["gradcam", "--image", "image.png", *options]) == 0
    return Path("grad_cam.png").read_bytes()


def test_a_second_run_reads_no_model_and_gives_the_same(folder: Path, here: Path) -> None:
    first = overlay()
    (entry,) = folder.glob("*.explainer")
    code = (
        "import sys; from whylight.cli import main; main(['gradcam', '--image', 'image.png']);"
        "print({'onnx', 'h5py', 'google.protobuf', 'rich', 'pydicom', 'torch', 'onnx_ad'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "set()"
    assert Path("grad_cam.png").read_bytes() == first
    assert list(folder.glob("*.explainer")) == [entry]


def test_a_method_has_one_entry_however_it_is_written(folder: Path, here: Path) -> None:
    for name in ("gradcam", "GradCAM", "Grad-CAM"):
        overlay("--method", name)
    assert len(list(folder.glob("*.explainer"))) == 1


def test_what_is_opened_next_is_not_removed_to_make_room(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "LARGEST", 1)
    overlay()
    (first,) = folder.glob("*.explainer")
    overlay("--layer", "ReLU")
    (second,) = folder.glob("*.explainer")
    assert first != second


def test_another_model_or_option_is_another_entry(folder: Path, here: Path) -> None:
    first = overlay()
    overlay("--layer", "ReLU")
    overlay("--score", "output")
    overlay("--input_range", "255")
    assert len(list(folder.glob("*.explainer"))) == 4
    small_classifier(here / "results.nnp", classes=4)
    assert overlay() != first
    assert len(list(folder.glob("*.explainer"))) == 5


@pytest.mark.parametrize("name", ["graph.onnx", "weights.bin", "facts.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "junk", "missing"])
def test_a_damaged_entry_is_made_again(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    monkeypatch.setattr(cache, "_LARGE_GRAPH", 0)
    small_classifier(here / "results.nnp", classes=100)
    first = overlay()
    (entry,) = folder.glob("*.explainer")
    assert {path.name for path in entry.iterdir()} == {"graph.onnx", "weights.bin", "facts.json"}
    file = entry / name
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 255
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"truncate": whole[:-9], "flip": bytes(changed), "empty": b"", "junk": b"junk"}[damage])
    assert overlay() == first
    assert file.read_bytes() == whole
    assert [path.name for path in folder.iterdir()] == [entry.name]


def test_an_entry_of_another_onnx_runtime_is_made_again(folder: Path, here: Path) -> None:
    first = overlay()
    (facts,) = folder.glob("*.explainer/facts.json")
    whole = facts.read_text()
    facts.write_text(whole.replace(onnxruntime.__version__, "0.1"))
    assert overlay() == first
    assert facts.read_text() == whole


@pytest.mark.parametrize("large", [0, 2**40])
def test_weights_beside_the_graph_give_the_same(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    small_classifier(here / "results.nnp", classes=100)
    plain = whylight.load("results.nnp").explainer()
    monkeypatch.setattr(cache, "_LARGE_GRAPH", large)
    kept = cache.cached_explainer(Path("results.nnp"), None, {}, plain.content, Execution())
    again = Explainer(kept.content())
    for explainer in (kept, again):
        found, expected = explainer("image.png", 1), plain("image.png", 1)
        np.testing.assert_allclose(found.cam, expected.cam, atol=1e-5)
        assert found.score == pytest.approx(expected.score, rel=1e-5)


def test_without_a_folder_there_is_no_cache(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(here / "image.png" / "below"))
    overlay()


def test_two_runs_at_once(folder: Path, here: Path) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-m", "whylight", "gradcam", "--image", "image.png", "--output", f"{i}.png"])
        for i in range(4)
    ]
    assert [run.wait() for run in runs] == [0] * 4
    assert len({Path(f"{i}.png").read_bytes() for i in range(4)}) == 1
    assert len(list(folder.glob("*"))) == 1


def test_warnings_come_again(folder: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip = function("RandomFlip", ["x"], ["cut"], "random_flip_param { axes: 2 base_axis: 1 }", "flip_it")
    one_convolution(here / "results.nnp", flip, shape=(1, 8, 8), read="cut")
    for _ in range(2):
        overlay()
        assert capsys.readouterr().err.count("'flip_it': RandomFlip") == 1


def test_the_cache_is_shown_and_emptied(folder: Path, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overlay()
    (folder / "mine.txt").write_text("not of whylight")
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert f"{folder}: 1 compiled explainers kept" in said
    assert "MiB of 4 GiB, from where on those that were not used for longest are removed" in said
    assert main(["cache", "--clear"]) == 0
    assert cache.entries() == []
    assert (folder / "mine.txt").exists()


def test_an_entry_that_another_package_had_a_part_in_is_made_again_when_that_changes(
    folder: Path, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = tmp_path / "mine.py"
    outside.write_text("", "utf-8")
    module = ModuleType("mine")
    monkeypatch.setitem(sys.modules, "mine", module)
    monkeypatch.setattr(registry, "_OUTSIDE", {"mine"})
    made = []

    def make() -> bytes:
        made.append(1)
        return whylight.compile("results.nnp").SerializeToString()

    def explained() -> None:
        cache.cached_explainer(Path("results.nnp"), None, {}, make, Execution())

    explained()
    assert len(list(folder.glob("*"))) == 0, "it lies in no file: nothing is kept"
    module.__file__ = str(outside)
    for count in (2, 2):
        explained()
        assert len(made) == count
    os.utime(outside, ns=(0, 0))
    explained()
    assert len(made) == 3
    monkeypatch.setattr(registry, "_OUTSIDE", set())
    explained()
    assert len(made) == 3, "a command that has not loaded the package yet takes it"
    other = ModuleType("other")
    other.__file__ = str(here / "results.nnp")
    monkeypatch.setitem(sys.modules, "other", other)
    monkeypatch.setattr(registry, "_OUTSIDE", {"other"})
    explained()
    assert len(made) == 4, "another program may define the same name otherwise"


def test_what_else_is_kept_is_removed_with_it(folder: Path) -> None:
    (folder / "tables").mkdir(parents=True)
    index, mine = folder / "tables" / f"{'0a' * 16}.sqlite", folder / "tables" / "mine.sqlite"
    for path in (index, mine, folder / "onnxruntime-web-1.30.0.tgz", folder / "notes.txt"):
        path.write_text("kept")
    assert main(["cache", "--clear"]) == 0
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["mine.sqlite", "notes.txt"]
