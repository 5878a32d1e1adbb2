"""A command writes over nothing that whylight did not make, and says so before the work begins."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from files.videos import clip
from onnx_samples import cnn
from reading.nnp.networks import small_classifier
from samples import BUNDLED
from whylight.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, photographs, a table, and files of somebody's own."""
    small_classifier(tmp_path / "results.nnp")
    onnx.save(cnn(), tmp_path / "model.onnx")
    photograph(tmp_path / "cat.png")
    for place in ("val", "photos"):
        for index in range(4):
            photograph(tmp_path / place / "0000" / f"{index}.png", index)
    rows = "".join(f"val/0000/{index}.png,{index % 3}\n" for index in range(4))
    (tmp_path / "data.csv").write_text(f"x,y\n{rows}")
    (tmp_path / "notes.csv").write_text("mine\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photograph(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8)).save(path)
    return path


def content(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command says that changes no file."""
    before = content(Path())
    capsys.readouterr()
    assert main([*words, "-q"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert content(Path()) == before
    return said


BATCH = ("gradcam-batch", "-i", "data.csv")
SINGLE = ("gradcam", "--image", "cat.png")


# ---- datasets


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_photographs_in_the_place_of_overlays_stay(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    said = refused(capsys, *BATCH, "-o", "val.csv", *more)
    assert "val/0000/0.png: the run would write over it" in said
    assert "would write over it, and no earlier run made it" in refused(capsys, *BATCH, "-o", "photos.csv", *more)
    (here / "link").symlink_to(here / "photos")
    assert "no earlier run made it" in refused(capsys, *BATCH, "-o", "link.csv", *more)


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_dataset_is_not_written_over_its_table_or_what_is_there(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert "data.csv: the run would write over it" in refused(capsys, *BATCH, "-o", "data.csv", *more)
    os.link("data.csv", "hard.csv")
    Path("soft.csv").symlink_to("data.csv")
    Path("nothing.csv").symlink_to("none")
    assert "data.csv: would be written over" in refused(capsys, *BATCH, "-o", "hard.csv", *more)
    assert "data.csv: the run would write over it" in refused(capsys, *BATCH, "-o", "soft.csv", *more)
    for name in ("notes.csv", "results.nnp", "nothing.csv"):
        assert f"{name}: a file that whylight did not make" in refused(capsys, *BATCH, "-o", name, *more)


def test_other_files_in_the_folder_of_the_overlays_stay(here: Path) -> None:
    own = [Path("out/mine.txt"), Path("out/.x.part"), Path("out/0000/.0.png.1-1.part"), Path("out/0000/9.png")]
    for path in (*own, Path(".out.csv.x.part")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    assert main([*BATCH, "-o", "out.csv"]) == 0
    assert main([*BATCH, "-o", "out.csv", "--overwrite"]) == 0
    assert {path.read_text() for path in (*own, Path(".out.csv.x.part"))} == {"mine"}
    assert len(list(here.glob("out/0000/?.png"))) == 5


def test_a_result_is_replaced_when_that_is_asked_for_and_nothing_of_it_stays(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*BATCH, "-o", "out.csv", "--save_cam", "npy", "--format", "jpg"]) == 0
    assert "out.csv: the result of an earlier run: the option 'overwrite' replaces it" in refused(
        capsys, *BATCH, "-o", "out.csv"
    )
    table = Path("data.csv").read_text().splitlines()
    Path("data.csv").write_text("\n".join(table[:3]) + "\n")
    assert main([*BATCH, "-o", "out.csv", "--overwrite"]) == 0
    assert sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*")) == [
        *("0000", "0000/0.png", "0000/1.png", "explained.json"),
    ]
    assert len(Path("out.csv").read_text().splitlines()) == 3
    assert not list(here.glob(".*"))


def test_an_empty_file_is_nothing_that_could_be_lost(here: Path) -> None:
    for name in ("out.csv", "grad_cam.png"):
        Path(name).touch()
    assert main([*BATCH, "-o", "out.csv"]) == 0
    assert main(list(SINGLE)) == 0


def test_overlays_whose_table_is_gone_are_no_result_any_more(here: Path) -> None:
    assert main([*BATCH, "-o", "out.csv"]) == 0
    Path("out.csv").unlink()
    assert main([*BATCH, "-o", "out.csv", "--format", "jpg"]) == 0
    assert {path.suffix for path in Path("out/0000").iterdir()} == {".jpg"}


def test_a_result_that_was_changed_since_is_somebody_s_own(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BATCH, "-o", "out.csv"]) == 0
    Path("out.csv").write_text(Path("out.csv").read_text() + "seen by me\n")
    assert "has changed since" in refused(capsys, *BATCH, "-o", "out.csv", "--overwrite")


def test_results_do_not_share_a_folder_of_overlays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BATCH, "-o", "r.csv"]) == 0
    for more in ([], ["--overwrite"]):
        assert "r: the overlays of r.csv are there" in refused(capsys, *BATCH, "-o", "r.tsv", *more)


def test_overlays_that_are_explained_are_not_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BATCH, "-o", "out.csv"]) == 0
    Path("again.csv").symlink_to("out.csv")
    Path("seen.png").symlink_to("out/0000/1.png")
    Path("data.csv").write_text("x,y\nseen.png,0\n")
    for more in ([], ["--overwrite"]):
        assert "would write over it" in refused(capsys, *BATCH, "-o", "out.csv", *more)
    Path("data.csv").write_text("x,y\nout/0000/1.png,0\n")
    assert "would write over it" in refused(capsys, *BATCH, "-o", "out.csv", "--overwrite")
    said = refused(capsys, "gradcam-batch", "-i", "out.csv", "-v1", "gradcam", "-o", "out.csv", "--overwrite")
    assert "would write over it" in said


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("val", "expected a CSV to write"),
        ("folder.csv", "expected a CSV to write"),
        ("no-suffix", "expected a CSV to write"),
        ("cat.png/out.csv", "cannot be written"),
        ("file.csv", "file: a file, where the overlays would lie"),
        ("inside.csv", "inside/0000: cannot be"),
        (f"{'n' * 260}.csv", "cannot be written"),
    ],
)
def test_what_a_run_cannot_write_is_found_before_it(
    here: Path, capsys: pytest.CaptureFixture[str], output: str, message: str
) -> None:
    Path("folder.csv").mkdir()
    Path("file").write_text("mine")
    Path("inside").mkdir()
    Path("inside/0000").write_text("mine")
    assert message in refused(capsys, *BATCH, "-o", output)


# ---- one image


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_photograph_is_not_replaced_by_its_overlay_however_it_is_called(
    here: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    os.link("cat.png", "hard.png")
    Path("soft.png").symlink_to("cat.png")
    for name in ("cat.png", "./val/../cat.png", "hard.png", "soft.png"):
        assert "cat.png: would be written over" in refused(capsys, *SINGLE, "-o", name, *more)
    assert "a file that whylight did not make" in refused(capsys, *SINGLE, "-o", "val/0000/0.png", *more)
    shutil.copy("val/0000/0.png", "grad_cam.png")
    assert "grad_cam.png: a file that whylight did not make" in refused(capsys, *SINGLE, *more)


def test_an_overlay_is_replaced_by_the_next_one(here: Path) -> None:
    for ending in ("png", "jpg", "webp", "bmp", "svg"):
        for index in "01":
            assert main([*SINGLE, "-c", index, "-o", f"out.{ending}"]) == 0
            assert main([*SINGLE, "-c", index, "-o", f"figure.{ending}", "--title"]) == 0


def test_an_overlay_that_is_explained_is_not_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(SINGLE)) == 0
    assert "would be written over" in refused(capsys, "gradcam", "grad_cam.png", "-o", "grad_cam.png")
    assert "would be written over" in refused(capsys, "gradcam", "grad_cam.png")


def test_overlays_of_several_classes_are_looked_at_one_by_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photograph(here / "grad_cam_2.png")
    for classes in ("1,2", "1,c"):
        words = ("--labels", "names.txt", "-c", classes)
        assert "grad_cam_2.png: a file that whylight did not make" in refused(capsys, *SINGLE, *words)


@pytest.mark.parametrize(
    "words",
    [
        ["gradcam", "cat.png", "-o", "OUT"],
        ["gradcam", "cat.png", "--title", "-o", "OUT"],
        ["compare", "results.nnp", "cat.png", "--methods", "gradcam", "-o", "OUT"],
    ],
)
def test_outputs_that_cannot_be_written_are_found_before_the_model_is_read(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whylight.api.explainer", None)
    monkeypatch.setattr("whylight.api.compare", None)
    Path("folder.png").mkdir()
    for output, message in (
        ("folder.png", "folder.png: a folder: expected a file to write"),
        ("no-suffix", "no image format for ''"),
        ("notes.txt", "no image format for '.txt'"),
        ("cat.png/out.png", "cannot be written"),
        (f"{'n' * 260}.png", "cannot be written"),
    ):
        assert message in refused(capsys, *(output if word == "OUT" else word for word in words))


# ---- the other commands


def test_comparisons_overlays_and_charts_replace_each_other_only_when_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare = ("compare", "results.nnp", "cat.png", "--methods", "gradcam", "-o")
    for ending in ("png", "svg", "jpg"):
        for _ in range(2):
            assert main([*compare, f"out.{ending}"]) == 0
        said = refused(capsys, *SINGLE, "-o", f"out.{ending}")
        assert "an earlier result, of another kind (comparison): the option 'overwrite' replaces it" in said
        assert main([*SINGLE, "-o", f"out.{ending}", "--overwrite"]) == 0
    assert "did not make" in refused(capsys, *compare, "val/0000/0.png", "--overwrite")


def test_models_are_not_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("folder.onnx").mkdir()
    for command in ("convert", "compile"):
        for model in ("results.nnp", "model.onnx"):
            for _ in range(2):
                assert main([command, model, "-o", f"{command}.onnx"]) == 0
            onnx.checker.check_model(onnx.load(f"{command}.onnx"))
        for more in ([], ["--overwrite"]):
            assert "would be written over" in refused(capsys, command, "model.onnx", "-o", "./model.onnx", *more)
            assert "did not make" in refused(capsys, command, "results.nnp", "-o", "model.onnx", *more)
        assert "expected an ONNX file to write" in refused(capsys, command, "results.nnp", "-o", "no-suffix")
        assert "a folder" in refused(capsys, command, "results.nnp", "-o", "folder.onnx")
    assert "would be written over" in refused(capsys, "convert", "convert.onnx", "-o", "convert.onnx")


def test_evaluations_are_not_written_over_tables_and_pictures(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", "-i", "data.csv", "--methods", "gradcam", "--metrics", "sparsity"]
    for _ in range(2):
        assert main([*words, "--per_image", "each.csv"]) == 0
    for more in ([], ["--overwrite"]):
        assert "data.csv: would be written over" in refused(capsys, *words, "-o", "data.csv", *more)
        assert "cat.png: a file that whylight did not make" in refused(capsys, *words, "-o", "cat.csv", *more)
        assert "notes.csv: a file that whylight did not make" in refused(capsys, *words, "-o", "notes.csv", *more)
        assert "notes.csv: a file" in refused(capsys, *words, "-o", "e.csv", "--per_image", "notes.csv", *more)
    assert "expected a CSV to write" in refused(capsys, *words, "-o", "no-suffix")
    sanity = ["sanity", "results.nnp", "--image", "cat.png"]
    for _ in range(2):
        assert main(sanity) in (0, 1)
    assert "cat.png: would be written over" in refused(capsys, *sanity, "-o", "cat.csv")
    assert "of another kind (evaluation)" in refused(capsys, *sanity, "-o", "evaluation.csv")


def test_reports_are_not_written_over_pages_and_folders(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BATCH, "-o", "out.csv"]) == 0
    for _ in range(2):
        assert main(["report", "out.csv"]) == 0
        assert main(["report", "out.csv", "-o", "single.html", "--single"]) == 0
    Path("page.html").write_text("<title>mine</title>")
    photograph(here / "album_files" / "0000" / "0.webp")
    for more in ([], ["--overwrite"]):
        assert "page.html: a file that whylight did not make" in refused(
            capsys, "report", "out.csv", "-o", "page.html", *more
        )
        assert "album_files: not the thumbnails of a report" in refused(
            capsys, "report", "out.csv", "-o", "album.html", *more
        )
    photograph(here / "report_files" / "0000" / "mine.png")
    assert "report_files: not the thumbnails" in refused(capsys, "report", "out.csv")
    assert "expected an HTML file" in refused(capsys, "report", "out.csv", "-o", "no-suffix")


def test_videos_are_not_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("imageio_ffmpeg")
    clip(here / "a.mp4", count=3, size=(32, 48))
    clip(here / "b.mp4", count=3, size=(32, 48))
    for ending in ("mp4", "webm", "mkv", "mov"):
        for _ in range(2):
            assert main(["gradcam", "a.mp4", "-o", f"out.{ending}"]) == 0
    for more in ([], ["--overwrite"]):
        assert "would be written over" in refused(capsys, "gradcam", "a.mp4", "-o", "a.mp4", *more)
        assert "b.mp4: a file that whylight did not make" in refused(capsys, "gradcam", "a.mp4", "-o", "b.mp4", *more)


def test_the_demo_replaces_itself_and_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["demo", "shown"]) == 0
    (here / "mine" / "mnist").mkdir(parents=True)
    (here / "mine" / "mnist" / "results.nnp").write_text("mine")
    assert "results.nnp: a file that whylight did not make" in refused(capsys, "demo", "mine")
    photograph(here / "other" / "mnist.png")
    assert "mnist.png: a file that whylight did not make" in refused(capsys, "demo", "other")


def test_options_say_it_in_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SINGLE, "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["options"]["overwrite"] is True
    assert (BUNDLED / "mnist" / "results.nnp").is_file()
