"""Every command, with its defaults, with wrong input, and what it leaves behind."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import whylight
from reading.nnp.networks import function, network, small_classifier, variable, write_nnp
from samples import BUNDLED, DATA, evaluation, pixels
from whylight.cli import main

MNIST = BUNDLED / "mnist"


def same_pixels(one: Path, other: Path) -> bool:
    """Whether two pictures are the same, whatever their files say of them."""
    return np.array_equal(np.asarray(Image.open(one)), np.asarray(Image.open(other)))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small model and an image, as the Console leaves them, to run in."""
    small_classifier(tmp_path / "results.nnp")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 12), np.uint8)).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_dataset(folder: Path, rows: int = 4, labels: str = "0120") -> Path:
    random = np.random.default_rng(0)
    (folder / "images").mkdir(exist_ok=True)
    lines = ["x:image,y:label,#note"]
    for row in range(rows):
        Image.fromarray(random.integers(0, 255, (8, 8), np.uint8)).save(folder / "images" / f"{row}.png")
        lines.append(f'images/{row}.png,{labels[row]},"a, ""b"""')
    path = folder / "output_result.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command with bad input says."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    return captured.err


# ---- one image


def test_gradcam_with_its_defaults(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam", "--image", "image.png"]) == 0
    assert Image.open(here / "grad_cam.png").size == (12, 16)
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "class        0"
    assert "layer        ReLU" in said


def test_gradcam_takes_the_plugins_flags_and_hyphens(here: Path) -> None:
    assert (
        main(
            ["gradcam", "-m", "results.nnp", "-i", "a.csv", "-image", "image.png", "-ov", "y", "-c", "2", "-o", "a.png"]
        )
        == 0
    )
    assert main(["gradcam", "--image", "image.png", "--class-index=2", "--output", "b.png", "--input-range", "1"]) == 0
    assert (here / "a.png").read_bytes() == (here / "b.png").read_bytes()


def test_gradcam_as_json_with_names_for_the_predicted_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "names.txt").write_text("犬\n猫\n鳥\n", encoding="utf-8")
    assert (
        main(["gradcam", "--image", "image.png", "--class_index", "predicted", "--labels", "names.txt", "--json"]) == 0
    )
    facts = json.loads(capsys.readouterr().out)
    assert facts["class_name"] == "犬猫鳥"[facts["class_index"]]
    assert [one["class_name"] for one in facts["top"]] == ["犬猫鳥"[one["class_index"]] for one in facts["top"]]
    assert facts["class_index"] == facts["predicted"]
    assert facts["probability"] > 1 / 3
    assert facts["output"] == "grad_cam.png"


@pytest.mark.parametrize("size", [6, 16, 100])
def test_gradcam_with_a_longest_edge(here: Path, size: int) -> None:
    assert main(["gradcam", "--image", "image.png", "--size", str(size)]) == 0
    assert Image.open(here / "grad_cam.png").size == (round(12 * size / 16), size)


def test_gradcam_in_the_models_own_size(here: Path) -> None:
    assert main(["gradcam", "--image", "image.png", "--size", "input", "--alpha", "1", "--colormap", "viridis"]) == 0
    assert Image.open(here / "grad_cam.png").size == (8, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "none.png"], "none.png"),
        (["--image", "results.nnp"], "results.nnp"),
        (["--image", "image.png", "--model", "none.nnp"], "none.nnp: no such file"),
        (["--image", "image.png", "--class_index", "3"], "class index 3 is out of range: the model has classes 0 to 2"),
        (["--image", "image.png", "--class_index", "-1"], "class index -1 is out of range"),
        (["--image", "image.png", "--class_index", "cat"], "no class 'cat': the model's classes have no names"),
        (["--image", "image.png", "--class_index", "1,,2"], "class index '': expected a whole number, a class's name"),
        (["--image", "image.png", "--layer", "Convolution9"], "the nearest are 'Convolution'"),
        (["--image", "image.png", "--method", "lime"], "no method 'lime'"),
        (["--image", "image.png", "--alpha", "2"], "alpha 2: expected a number from 0 to 1"),
        (["--image", "image.png", "--colormap", "rainbow"], "invalid choice: 'rainbow'"),
        (["--image", "image.png", "--output", "image.png/a.png"], "cannot be written"),
        (["--image", "image.png", "--output", "a.txt"], "no image format for '.txt'"),
        (["--image", "image.png", "--labels", "none.txt"], "none.txt"),
        (["--image", "image.png", "-ov", "z"], "no output variable 'z'; it has y"),
    ],
)
def test_gradcam_says_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = sorted(here.iterdir())
    assert message in failure(capsys, "gradcam", *arguments)
    assert sorted(here.iterdir()) == before, "nothing is left behind"


def test_two_data_inputs_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = network(
        variable("x", (-1, 3)),
        variable("z", (-1, 3)),
        variable("y", (-1, 3)),
        function("Add2", ["x", "z"], ["y"]),
        data=("x", "z"),
    )
    write_nnp(here / "two.nnp", text)
    assert "has 2 data inputs (x, z), expected one" in failure(
        capsys, "gradcam", "--model", "two.nnp", "--image", "image.png"
    )


def test_a_network_without_convolution_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable("y", (-1, 3)),
        variable("w", (64, 3), "Parameter"),
        function("Affine", ["x", "w"], ["y"], "affine_param { base_axis: 1 }"),
    )
    write_nnp(here / "m.nnp", text, {"w": np.ones((64, 3))})
    said = failure(capsys, "gradcam", "--model", "m.nnp", "--image", "image.png")
    assert "no convolution" in said
    assert "methods that need none: " in said
    assert "occlusion" in said
    for method in ("occlusion", "gradient"):
        assert main(["gradcam", "--model", "m.nnp", "--image", "image.png", "--method", method]) == 0


def test_nan_weights_are_a_warning(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = network(
        variable("x", (-1, 1, 8, 8)),
        variable("a", (-1, 1, 8, 8)),
        variable("w", (1, 1, 1, 1), "Parameter"),
        variable("y", (-1, 1)),
        function("Convolution", ["x", "w"], ["a"], "convolution_param { base_axis: 1 group: 1 }"),
        function("Mean", ["a"], ["y"], "mean_param { axes: 2 axes: 3 }"),
    )
    write_nnp(here / "m.nnp", text, {"w": np.full((1, 1, 1, 1), np.nan)})
    assert main(["gradcam", "--model", "m.nnp", "--image", "image.png"]) == 0
    assert "warning: m.nnp: parameter 'w' holds NaN" in capsys.readouterr().err


# ---- a dataset


def test_gradcam_batch_with_its_defaults(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_dataset(here)
    assert main(["gradcam-batch"]) == 0
    assert "4 of 4 images explained" in capsys.readouterr().out
    before = table.read_text("utf-8").splitlines()
    after = (here / "gradcam.csv").read_text("utf-8").splitlines()
    assert after == [f"gradcam,{before[0]}"] + [f"gradcam/0000/{i}.png,{line}" for i, line in enumerate(before[1:])]
    for index, label in enumerate("0120"):
        assert main(["gradcam", "--image", f"images/{index}.png", "--class_index", label]) == 0
        assert same_pixels(here / "grad_cam.png", here / "gradcam" / "0000" / f"{index}.png")


def test_gradcam_batch_of_the_predicted_class(here: Path) -> None:
    write_dataset(here, labels="9999")
    assert main(["gradcam-batch", "--predicted"]) == 0
    assert main(["gradcam", "--image", "images/0.png", "--class_index", "predicted"]) == 0
    assert same_pixels(here / "grad_cam.png", here / "gradcam" / "0000" / "0.png")


# ---- folders, patterns and several images


def photographs(folder: Path) -> list[Path]:
    """Images with Japanese letters and blanks in their paths, one of them damaged, and a file that is none."""
    paths = [folder / "写真 photos" / name for name in ("a b.png", "犬/c.png", "猫/d.png", "猫/e.png")]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 255, (8, 8), np.uint8)).save(path)
    (folder / "写真 photos" / "note.txt").write_text("no image")
    return paths


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    "words", [["写真 photos"], ["--image", "写真 photos/"], ["写真 photos/**/*.png"], ["gradcam-batch"]]
)
def test_a_folder_is_explained_each_image_for_what_is_predicted(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    paths = photographs(here)
    command = ["gradcam-batch", "-i", "写真 photos"] if words == ["gradcam-batch"] else ["gradcam", *words]
    for again in ([], ["--overwrite"]):  # its own result is no image
        assert main([*command, "-o", "写真 photos/gradcam.csv", *again]) == 0
        assert "4 of 4 images explained" in capsys.readouterr().out
    rows = rows_of(here / "写真 photos" / "gradcam.csv")
    assert [row["x"] for row in rows] == ["a b.png", "犬/c.png", "猫/d.png", "猫/e.png"]
    assert {row["rank"] for row in rows} == {"1"}
    for row, path in zip(rows, paths, strict=True):
        assert main(["gradcam", "--image", str(path), "-c", "predicted", "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert row["predicted"] == str(facts["class_index"])
        assert float(row["score"]) == pytest.approx(facts["score"])
        assert same_pixels(here / "写真 photos" / row["gradcam"], here / "grad_cam.png")


def test_several_images_for_several_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = map(str, photographs(here))
    assert main(["gradcam", first, second, "-c", "2,predicted"]) == 0
    assert "4 of 4 images explained" in capsys.readouterr().out
    rows = rows_of(here / "gradcam.csv")
    assert [(row["x"], row["class"]) for row in rows] == [
        (name, label) for name in ("写真 photos/a b.png", "写真 photos/犬/c.png") for label in ("2", "predicted")
    ]
    assert main(["gradcam", second, "-c", "2"]) == 0
    assert same_pixels(here / rows[2]["gradcam"], here / "grad_cam.png")


def test_a_damaged_image_of_a_folder_is_left_out_and_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(here)
    (here / "写真 photos" / "broken.jpg").write_bytes(b"nothing")
    assert main(["gradcam", "写真 photos"]) == 1
    said = capsys.readouterr()
    assert "4 of 5 images explained" in said.out
    assert "1 skipped: not an image" in said.err
    assert [row["gradcam"] for row in rows_of(here / "gradcam.csv") if row["error"]] == [""]


def test_folders_say_the_classes_of_their_images(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(here)[0].unlink()
    (here / "names.txt").write_text("鳥\n猫, cat\n犬, dog\n", encoding="utf-8")
    words = ["-i", "写真 photos", "--labels_from", "folders"]
    assert main(["gradcam-batch", *words, "--labels", "names.txt"]) == 0
    rows = rows_of(here / "gradcam.csv")
    assert [row["y"] for row in rows] == ["2", "1", "1"]
    assert main(["gradcam", "写真 photos/犬/c.png", "-c", "dog", "--labels", "names.txt"]) == 0
    assert same_pixels(here / rows[0]["gradcam"], here / "grad_cam.png")
    capsys.readouterr()
    assert "2 folders, but the model has 3 classes, which have no names" in failure(capsys, "gradcam-batch", *words)
    assert main(["evaluate", *words, "--labels", "names.txt", "--metrics", "insertion"]) == 0
    assert "3 images" in capsys.readouterr().out


def test_evaluate_and_sanity_take_folders(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photographs(here)
    assert main(["evaluate", "-i", "写真 photos", "--metrics", "insertion", "--methods", "gradcam"]) == 0
    assert "4 images" in capsys.readouterr().out
    assert main(["sanity", "results.nnp", "--image", "写真 photos"]) in (0, 1)


def test_nothing_is_written_over_its_source(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = photographs(here)
    before = {path: path.read_bytes() for path in (*paths, here / "image.png")}
    assert "would be written over" in failure(capsys, "gradcam", "image.png", "-o", "./image.png")
    assert "would be written over" in failure(capsys, "compare", "results.nnp", "image.png", "-o", "image.png")
    table = write_dataset(here)
    assert "the run would write over it" in failure(capsys, "gradcam-batch", "-o", str(table))
    assert main(["gradcam", "写真 photos"]) == 0
    capsys.readouterr()
    for words in (["gradcam/0000"], ["gradcam/0000/0.png", "gradcam/0000/1.png"]):
        said = failure(capsys, "gradcam", *words)
        assert "0.png: the run would write over it: choose another output than gradcam.csv" in said
    said = failure(capsys, "gradcam", "写真 photos", "-o", "写真 photos.csv")
    assert (
        "the overlays would lie among the images, in '写真 photos': choose another output than 写真 photos.csv" in said
    )
    (here / "link").symlink_to(here)
    assert "among the images" in failure(capsys, "gradcam", "写真 photos", "-o", "link/写真 photos.csv")
    assert not list((here / "写真 photos").glob("*.json"))
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gradcam"], "no image is named: expected an image, several, or a folder"),
        (
            ["gradcam", "写真 photos", "-o", "a.png"],
            "there are several images: expected a CSV to write, such as gradcam.csv",
        ),
        (["gradcam", "photos"], "photos: no such file"),
        (["gradcam", "photos/*.png"], "no image files there"),
        (
            ["gradcam-batch", "-i", "写真 photos/犬", "-o", "results"],
            "expected a CSV to write, such as results/gradcam.csv",
        ),
        (
            ["gradcam-batch", "-i", "写真 photos", "--labels_from", "folders"],
            "a b.png: lies in no folder of '写真 photos'",
        ),
        (["gradcam-batch", "--labels_from", "folders"], "labels from folders: expected a folder of images"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    photographs(here)
    write_dataset(here)
    assert message in failure(capsys, *words)


def test_overlay_paths_are_relative_to_the_output(here: Path) -> None:
    write_dataset(here)
    assert main(["gradcam-batch", "--output", "deep/down/out.csv", "--batch-size", "3"]) == 0
    with (here / "deep" / "down" / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["gradcam"] for row in rows] == [f"out/0000/{i}.png" for i in range(4)]
    assert all((here / "deep" / "down" / row["gradcam"]).is_file() for row in rows)


def spoil(folder: Path) -> None:
    """Three bad rows in six: a label, an image, and a row that is too short."""
    table = write_dataset(folder, rows=6, labels="012012")
    lines = table.read_text("utf-8").splitlines()
    lines[2] = "images/1.png,7,"
    lines[4] = "images/none.png,0,"
    lines[6] = "images/5.png"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_bad_row_stops_by_default_and_leaves_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(here)
    before = sorted(here.rglob("*"))
    assert "row 2 (line 3)" in failure(capsys, "gradcam-batch")
    assert sorted(here.rglob("*")) == before


def test_bad_rows_can_be_skipped(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(here)
    assert main(["gradcam-batch", "--on_error", "skip"]) == 1
    captured = capsys.readouterr()
    assert "3 of 6 images explained" in captured.out
    for reason in ("class index 7 is out of range", "no such file", "has 1 cell, the header has 3"):
        assert f"1 skipped: {reason}" in captured.err
    with (here / "gradcam.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["gradcam", "x:image", "y:label", "#note", "error"]
    assert [row[0] for row in rows] == ["gradcam/0000/0.png", "", "gradcam/0000/2.png", "", "gradcam/0000/4.png", ""]
    assert [bool(row[-1]) for row in rows] == [False, True, False, True, False, True]
    assert "classes 0 to 2" in rows[1][-1]
    assert "none.png" in rows[3][-1]
    assert "has 1 cell, the header has 3" in rows[5][-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.csv"], "none.csv"),
        (["--input_variable", "z"], "z"),
        (["--label_variable", "z"], "z"),
        (["--batch_size", "0"], "batch size 0"),
        (["--output", "image.png/gradcam.csv"], "cannot be written"),
    ],
)
def test_gradcam_batch_says_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    write_dataset(here)
    assert message in failure(capsys, "gradcam-batch", *arguments)


# ---- the other commands


def test_inspect(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "results.nnp"]) == 0
    said = capsys.readouterr().out
    for part in (
        "x N x 1 x 8 x 8, range 0 to 1",
        "classes      3",
        "* ReLU         ReLU         N x 4 x 8 x 8",
        "Affine (1)",
    ):
        assert part in said
    assert main(["inspect", "results.nnp", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["default_layers"] == ["ReLU"]
    assert [layer["name"] for layer in facts["layers"]] == ["Convolution", "ReLU"]
    assert facts["unsupported"] == []
    assert facts["problem"] is None


def test_inspect_shows_what_is_unsupported(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = network(variable("x", (-1, 3)), variable("y", (-1, 3)), function("Zebra", ["x"], ["y"]))
    write_nnp(here / "m.nnp", text)
    assert main(["inspect", "m.nnp", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["unsupported"] == ["Zebra"]
    assert "Zebra" in facts["problem"]


def test_convert(here: Path) -> None:
    assert (
        main(
            ["convert", str(DATA / "variants" / "net.nntxt"), "--parameters", str(DATA / "variants" / "parameters.h5")]
        )
        == 0
    )
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    images, _, expected = evaluation(MNIST / "output_result.csv")
    actual = session.run(None, {"Input": np.stack([pixels(image) for image in images])})[0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_compiled_explainer_explains_alone(here: Path) -> None:
    from whylight.running.explainer import Explainer

    assert main(["compile", "results.nnp", "--output", "e.onnx"]) == 0
    assert main(["gradcam", "--image", "image.png", "--class_index", "1"]) == 0
    overlay = Explainer(here / "e.onnx")(here / "image.png", 1).overlay()
    assert np.array_equal(np.asarray(overlay), np.asarray(Image.open(here / "grad_cam.png")))


def test_compare_says_at_once_that_it_cannot_write_the_format(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    for name, said in (("a.tex", "no image format for '.tex'"), ("a.pdf", "PDF needs fpdf2: pip install")):
        assert said in failure(capsys, "compare", "results.nnp", "no such image.png", "-o", name)


def test_demo(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "shown"]) == 0
    assert "Look at" in capsys.readouterr().out
    for name in ("mnist", "cluttered_digits"):
        assert len(list((here / "shown" / name / "gradcam").rglob("*.png"))) == 36
        assert Image.open(here / "shown" / f"{name}.png").size == (8 * (112 + 12) + 12, 296)


@pytest.mark.parametrize("command", ["gradcam", "gradcam-batch", "report", "inspect", "convert", "compile", "demo"])
def test_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "-h"])
    assert exit_.value.code == 0
    assert "usage: whylight" in capsys.readouterr().out


def test_it_runs_as_a_module_without_a_training_framework() -> None:
    code = "import sys, whylight.cli; print({'torch', 'nnabla', 'ray', 'fastapi', 'onnx', 'numpy'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"
    version = subprocess.run(
        [sys.executable, "-m", "whylight", "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("whylight 0.")


def test_gradcam_says_what_the_model_sees_where_it_explains_another_class(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Class 0 is the plugins' default; the five most probable classes are those of the model's own output."""
    assert main(["gradcam", "--image", "image.png", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    explainer = whylight.explainer("results.nnp", cache=False)
    output = explainer.probabilities(explainer.inputs([explainer.picture("image.png")]))[0]
    assert [each["class_index"] for each in facts["top"]] == sorted(range(3), key=lambda k: -output[k])
    assert [each["probability"] for each in facts["top"]] == pytest.approx(sorted(output)[::-1])
    for index in range(3):
        assert main(["gradcam", "--image", "image.png", "--class_index", str(index)]) == 0
        said = capsys.readouterr().out
        note = f"the model sees class {facts['predicted']}: --class_index predicted explains it"
        assert (note in said) is (index != facts["predicted"])
        assert f"most likely  {facts['predicted']} {max(output):.1%}, " in said


@pytest.mark.parametrize(
    "words", [("-c", "1", "-c", "2"), ("--class_index", "1,2"), ("-c", "dog", "-c", "the bird, dog")]
)
def test_several_classes_get_an_overlay_each(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (here / "names.txt").write_text("cat\ndog, hound\nthe bird\n", encoding="utf-8")
    assert main(["gradcam", "--image", "image.png", "--labels", "names.txt", *words, "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["explanations"]
    assert [one["output"] for one in answers] == ["grad_cam_1.png", "grad_cam_2.png"]
    assert [one["class_name"] for one in answers] == ["dog, hound", "the bird"]
    for index in (1, 2):
        assert main(["gradcam", "--image", "image.png", "-c", str(index), "-o", "one.png"]) == 0
        assert same_pixels(here / f"grad_cam_{index}.png", here / "one.png")
    assert not (here / "grad_cam.png").exists()


def test_a_class_that_is_asked_for_twice_is_explained_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam", "--image", "image.png", "-c", "0,1,2,predicted"]) == 0
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("class ")] == [f"class        {i}" for i in range(3)]
    assert "note" not in said


def test_a_class_that_is_not_there_is_said_with_the_nearest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "names.json").write_text('{"0": "cat", "1": "dog", "2": "bird"}', encoding="utf-8")
    said = failure(capsys, "gradcam", "--image", "image.png", "--labels", "names.json", "-c", "dogg")
    assert "no class 'dogg'; the nearest are 'dog'" in said
    said = failure(capsys, "gradcam", "--image", "image.png", "--labels", "imagenet")
    assert "labels 'imagenet': 1000 names, but the model has 3 classes" in said
    said = failure(capsys, "compare", "results.nnp", "image.png", "-c", "1", "-c", "2")
    assert "given 2 times: this command explains one class" in said


def test_labels_that_change_are_seen_also_when_cached(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names in ("cat\ndog\nbird\n", "猫\n犬\n鳥\n"):
        (here / "names.txt").write_text(names, encoding="utf-8")
        assert main(["gradcam", "--image", "image.png", "--labels", "names.txt", "-c", "1"]) == 0
        assert f"class        1 ({names.split()[1]})" in capsys.readouterr().out


def test_help_names_the_default_of_a_switch_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["gradcam", "-h"])
    text = " ".join(capsys.readouterr().out.split())
    assert "EXIF orientation says (default)" in text
    assert "the contrary of --exif_orientation --" in text
    assert "True" not in text


def test_whylight_alone_prints_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("usage: whylight")
    assert "explain every image of a dataset CSV" in said.out
    assert said.err == ""


def test_too_little_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: object) -> int:
        raise MemoryError

    monkeypatch.setattr("whylight.cli._run", full)
    assert main(["methods"]) == 2
    assert capsys.readouterr().err == "whylight: there is not enough memory for it\n"
