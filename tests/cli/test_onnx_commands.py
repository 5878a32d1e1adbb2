"""The commands on ONNX files: options, the cache, and what is shown of a file."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from onnx_samples import HEIGHT, WIDTH, cnn, vision_transformer
from reading.nnp.networks import function, network, variable, write_nnp
from whylight.cli import main
from whylight.reading.nnp import to_onnx
from whylight.reading.onnx_model.pixels import Pixels, pixels


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save("image.png")
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, float]:
    capsys.readouterr()
    assert main(["gradcam", "-m", "model.onnx", "--image", "image.png", "--json", *options]) == 0
    facts: dict[str, float] = json.loads(capsys.readouterr().out)
    return facts


def test_options_on_pixels_change_the_score_also_when_cached(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(), "model.onnx")
    plain = explained(capsys, "--input-range", "1")
    normalized = explained(capsys, "--input-range", "1", "--mean", "0.5", "--std", "0.2,0.3,0.4")
    assert plain["score"] != pytest.approx(normalized["score"])
    assert explained(capsys, "--input-range", "1")["score"] == plain["score"]


@pytest.mark.parametrize("options", [(), ("--pixels",)])
def test_a_compiled_explainer_explains_as_the_model_does(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    onnx.save(cnn(), "model.onnx")
    known = ("--input-range", "1", "--mean", "0.5", "--std", "0.2,0.3,0.4")
    expected = explained(capsys, *known, "--method", "layercam")
    overlay = Path("grad_cam.png").read_bytes()
    assert main(["compile", "model.onnx", "--method", "layercam", *known, *options]) == 0
    found = explained(capsys, "-m", "explainer.onnx")
    assert found["score"] == pytest.approx(expected["score"], rel=1e-5)
    assert str(found["method"]) == "layercam"
    assert Path("grad_cam.png").read_bytes() == overlay


def test_a_compiled_explainer_is_what_it_was_made_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(), "model.onnx")
    assert main(["compile", "model.onnx", "--input-range", "1"]) == 0
    for option in (["--method", "hirescam"], ["--layer", "conv"], ["--mean", "0.5"]):
        assert main(["gradcam", "-m", "explainer.onnx", "--image", "image.png", *option]) == 2
        said = capsys.readouterr().err
        assert "the explainer is made already, of method 'gradcam'" in said
        assert said.count("\n") == 1
    assert main(["compare", "explainer.onnx", "image.png"]) == 2
    assert "an explainer that 'whylight compile' wrote" in capsys.readouterr().err


def test_a_compiled_explainer_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(layout="NHWC"), "model.onnx")
    assert main(["compile", "model.onnx", "--input-range", "255", "--mean", "124,116,104", "--std", "58"]) == 0
    capsys.readouterr()
    assert main(["inspect", "explainer.onnx"]) == 0
    lines = capsys.readouterr().out.splitlines()
    image = f"input        image N x {HEIGHT} x {WIDTH} x 3, range 0 to 255, mean 124, 116, 104, std 58, 58, 58"
    assert image in lines
    assert "map          cam: gradcam at layer act, of the logit" in lines
    assert main(["inspect", "explainer.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["maps"][0]["method"] == "gradcam"


NAMES = ["tabby, tabby cat", "tiger cat", "dog", "鳥"]


@pytest.mark.parametrize(
    "metadata", [{"names": str(dict(enumerate(NAMES)))}, {"id2label": json.dumps(dict(enumerate(NAMES)))}]
)
def test_a_models_own_names_are_shown_taken_and_compiled(
    folder: Path, capsys: pytest.CaptureFixture[str], metadata: dict[str, str]
) -> None:
    model = cnn()
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, "model.onnx")
    known = ("--input-range", "1")
    assert main(["inspect", "model.onnx", *known]) == 0
    assert "classes      4: tabby, tabby cat; tiger cat; dog; 鳥" in capsys.readouterr().out
    found = explained(capsys, *known, "-c", "Tabby Cat")
    assert found["class_index"] == 0
    assert str(found["class_name"]) == "tabby, tabby cat"
    asked = [("-c", "鳥", "--against", "tiger cat"), ("-c", "3", "--against", "1")]
    scores = [explained(capsys, *known, *words)["score"] for words in asked]
    assert scores[0] == scores[1]
    assert scores[0] != explained(capsys, *known, "-c", "3")["score"]
    assert main(["compile", "model.onnx", *known]) == 0
    assert explained(capsys, "-m", "explainer.onnx", "-c", "dog")["class_index"] == 2
    assert main(["gradcam", "-m", "model.onnx", "--image", "image.png", *known, "--against", "lion"]) == 2
    assert "no class 'lion' to compare with; the nearest are" in capsys.readouterr().err


def test_names_beside_a_model_are_taken_and_seen_when_they_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Hugging Face leaves a model: config.json with id2label beside it."""
    onnx.save(cnn(), "model.onnx")
    for names in (NAMES, ["a", "b", "c", "d"]):
        Path("config.json").write_text(json.dumps({"id2label": dict(enumerate(names))}), "utf-8")
        assert str(explained(capsys, "--input-range", "1", "-c", "2")["class_name"]) == names[2]
    for text in (
        '{"id2label": {"0": "one"}}',
        "nothing",
        '{"names": ["a", "b", "c", "d"]}',
        '{"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2", "3": "LABEL_3"}}',
    ):
        Path("config.json").write_text(text)
        assert explained(capsys, "--input-range", "1", "-c", "2")["class_name"] is None


def test_a_compiled_explainer_takes_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(), "model.onnx")
    assert main(["compile", "model.onnx", "--input-range", "1"]) == 0
    Path("names.txt").write_text("\n".join(NAMES), "utf-8")
    assert explained(capsys, "-m", "explainer.onnx", "--labels", "names.txt", "-c", "dog")["class_index"] == 2


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--mean", "0.5,x", "'0.5,x': expected numbers with commas between them"),
        ("--input_size", "100,x", "'100,x': expected whole numbers above 0 with commas between them"),
        ("--input_size", "0,4", "'0,4': expected whole numbers above 0"),
    ],
)
def test_options_that_are_no_numbers(capsys: pytest.CaptureFixture[str], option: str, value: str, message: str) -> None:
    assert main(["gradcam", "--image", "image.png", option, value]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("white", [1, 255])
def test_a_converted_model_says_its_range(folder: Path, white: int) -> None:
    extra = "no_image_normalization: true" if white == 255 else ""
    variables = variable("x", (-1, 1, 6, 9)), variable("y", (-1, 2, 4, 7)), variable("w", (2, 1, 3, 3), "Parameter")
    convolution = function("Convolution", ["x", "w"], ["y"], "convolution_param { base_axis: 1 group: 1 }")
    write_nnp(folder / "a.nnp", network(*variables, convolution, extra=extra), {"w": np.ones((2, 1, 3, 3), np.float32)})
    model = to_onnx(folder / "a.nnp")
    assert pixels(Path("a.onnx"), model, "x", 1, "picture", "auto", None, None) == Pixels(maximum=white)


def test_the_cache_knows_the_weights_beside_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(cnn(), "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    before = explained(capsys, "--input-range", "1")["score"]
    weights = np.frombuffer(Path("weights.bin").read_bytes()[: 4 * 135], np.float32) * 2
    Path("weights.bin").write_bytes(weights.tobytes() + Path("weights.bin").read_bytes()[4 * 135 :])
    assert explained(capsys, "--input-range", "1")["score"] != pytest.approx(before)


def test_inspect_shows_what_was_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(vision_transformer(), "model.onnx")
    assert main(["inspect", "model.onnx", "--mean", "0.5", "--std", "0.25"]) == 0
    text = capsys.readouterr().out
    assert "image batch x 3 x 6 x 9, range 0 to 1, mean 0.5, 0.5, 0.5, std 0.25, 0.25, 0.25" in text
    assert "* embed " in text
    assert "before the last attention" in text
    assert "batch        any" in text


def test_inspect_says_why_a_file_cannot_be_explained(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = cnn()
    content.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.BOOL
    onnx.save(content, "model.onnx")
    assert main(["inspect", "model.onnx", "--json"]) == 0
    assert "no input is an image" in json.loads(capsys.readouterr().out)["problem"]


def test_an_explainer_is_compiled(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(vision_transformer(), "model.onnx")
    assert main(["compile", "model.onnx", "--std", "0.5", "--layer", "embed"]) == 0
    assert "at layer embed" in capsys.readouterr().out
    assert main(["gradcam", "-m", "model.onnx", "--image", "image.png", "--layer", "none"]) == 2
    assert "no layer 'none'" in capsys.readouterr().err
