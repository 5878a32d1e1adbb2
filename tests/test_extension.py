"""A package of one's own that adds a function, a rule, a method, a metric and a reader: every command finds them."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import whylight
from batch.datasets import dataset, files
from installing import install_project
from onnx_samples import Array, cnn
from reading.nnp.networks import small_classifier
from samples import BUNDLED, DATA, evaluation

MNIST = BUNDLED / "mnist"
SOURCE = Path(whylight.__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install_project(folder, DATA / "extension")
    return folder


class Program:
    """The command line in a process of its own, with or without the package."""

    def __init__(self, folder: Path, packages: list[Path]) -> None:
        """In a folder, with further folders of packages."""
        self._folder = folder
        path = os.pathsep.join(map(str, packages))
        self._environment = {**os.environ, "PYTHONPATH": path, "WHYLIGHT_CACHE": str(folder / "cache")}

    def run(self, *arguments: object, code: int = 0) -> str:
        """What it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "whylight", *map(str, arguments)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def program(tmp_path: Path, installed: Path) -> Program:
    return Program(tmp_path, [installed, SOURCE])


def test_without_the_package_nothing_is_there(tmp_path: Path) -> None:
    program = Program(tmp_path, [SOURCE])
    model, image = MNIST / "results.nnp", next((MNIST / "images").glob("*.png"))
    assert "channel-mean" not in program.run("methods")
    assert "no method 'channel-mean'" in program.run(
        "gradcam", "-m", model, "--image", image, "--method", "channel-mean", code=2
    )
    (tmp_path / "m.onnxz").write_bytes(b"a model")
    assert "expected a model file: .nnp" in program.run("inspect", "m.onnxz", code=2)


def test_a_method_is_listed_after_the_others_and_explains(program: Program, tmp_path: Path) -> None:
    names = [line.split()[0] for line in program.run("methods").splitlines()[::2]]
    assert (names[0], names[-1]) == ("gradcam", "channel-mean")
    model, image = MNIST / "results.nnp", next((MNIST / "images").glob("*.png"))
    for _ in ("compiled", "from the cache"):
        command = ["gradcam", "-m", model, "--image", image, "--method", "channel-mean", "--json"]
        said = json.loads(program.run(*command, "--size", "input", "--alpha", "1", "--colormap", "gray"))
        assert said["method"] == "channel-mean"
    drawn = np.asarray(Image.open(tmp_path / "grad_cam.png").convert("L"), np.float32)
    classifier = whylight.load(model)
    layer = classifier.default_layer.tensor
    expected = _tensor(classifier.model, layer, np.asarray(Image.open(image), np.float32)[None, None] / 255)[0].mean(0)
    assert np.corrcoef(expected.ravel(), _shrunk(drawn, expected.shape).ravel())[0, 1] > 0.9


def _tensor(model: onnx.ModelProto, name: str, images: Array) -> Array:
    """A tensor of a graph, by ONNX Runtime."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run([name], {session.get_inputs()[0].name: images})
    return np.asarray(result)


def _shrunk(image: Array, shape: tuple[int, ...]) -> Array:
    height, width = shape
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


def _batch(program: Program, table: Path, *options: str) -> dict[str, bytes]:
    output = table.parent / "gradcam.csv"
    arguments = [
        "-m",
        MNIST / "results.nnp",
        "-i",
        table,
        "-o",
        output,
        "--method",
        "channel-mean",
        "--batch_size",
        "16",
    ]
    program.run("gradcam-batch", *arguments, *options)
    return files(table.parent)


def test_worker_processes_find_the_method(program: Program, tmp_path: Path) -> None:
    one = _batch(program, dataset(tmp_path / "one"), "--workers", "1")
    assert len(one) == 362, "the table, an overlay a row, and what is true of all of them"
    assert _batch(program, dataset(tmp_path / "two"), "--workers", "2") == one


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
def test_tasks_on_ray_find_the_method(program: Program, tmp_path: Path) -> None:
    one = _batch(program, dataset(tmp_path / "one", 60), "--workers", "1")
    assert _batch(program, dataset(tmp_path / "ray", 60), "--engine", "ray") == one


def test_a_metric_measures(program: Program, tmp_path: Path) -> None:
    arguments = ["-m", MNIST / "results.nnp", "-i", MNIST / "output_result.csv", "--limit", "3"]
    program.run("evaluate", *arguments, "--methods", "gradcam,channel-mean", "--metrics", "confidence,sparsity")
    with (tmp_path / "evaluation.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["gradcam", "channel-mean"]
    _, labels, outputs = evaluation(MNIST / "output_result.csv")
    expected = float(np.mean([outputs[i, labels[i]] for i in range(3)]))
    assert [float(row["confidence"]) for row in rows] == [pytest.approx(expected, abs=1e-5)] * 2


def test_a_function_and_its_rule_convert_and_explain(program: Program, tmp_path: Path) -> None:
    plain = small_classifier(tmp_path / "plain.nnp")
    own = _with_determinant(plain, tmp_path / "own.nnp")
    inspected = json.loads(program.run("inspect", own, "--json"))
    assert (inspected["unsupported"], inspected["problem"]) == ([], None)
    assert inspected["functions"]["Determinant"] == 1
    program.run("convert", own)
    assert "Det" in [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    image = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    overlays = []
    for model in (plain, own):  # the function gives back what it takes
        program.run("gradcam", "-m", model, "--image", "image.png", "--layer", "Convolution")
        overlays.append(np.asarray(Image.open(tmp_path / "grad_cam.png")))
    np.testing.assert_array_equal(overlays[0], overlays[1])


def _with_determinant(plain: Path, path: Path) -> Path:
    """The same network with the package's function between the ReLU and what reads it."""
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(path, "w") as written:
        for name in archive.namelist():
            text = archive.read(name)
            if name == "network.nntxt":
                text = text.replace(b'input: "active"', b'input: "determined"')
                text = text.replace(b'variable { name: "pooled"', _DETERMINED + b'variable { name: "pooled"')
                text = text.replace(
                    b'function { name: "GlobalAveragePooling"',
                    _DETERMINANT + b'function { name: "GlobalAveragePooling"',
                )
            written.writestr(name, text)
    return path


_SHAPE = b"shape { dim: -1 dim: 4 dim: 8 dim: 8 }"
_DETERMINED = b'variable { name: "determined" type: "Buffer" ' + _SHAPE + b" }\n"
_DETERMINANT = b'function { name: "Determinant" type: "Determinant" input: "active" output: "determined" }\n'


def test_a_reader_reads(program: Program, tmp_path: Path) -> None:
    (tmp_path / "m.onnxz").write_bytes(zlib.compress(cnn().SerializeToString()))
    onnx.save(cnn(), tmp_path / "m.onnx")
    held = json.loads(program.run("inspect", "m.onnxz", "--json", "--input_range", "1"))
    assert held["format"] == "compressed ONNX, operator set 17"
    assert (held["classes"], held["problem"]) == (4, None)
    shutil.copy(next((BUNDLED / "cluttered_digits" / "images").glob("*.png")), tmp_path / "image.png")
    overlays = []
    for model in ("m.onnx", "m.onnxz"):
        program.run("gradcam", "-m", model, "--image", "image.png", "--input_range", "1")
        overlays.append(np.asarray(Image.open(tmp_path / "grad_cam.png")))
    np.testing.assert_array_equal(overlays[0], overlays[1])
    program.run("convert", "m.onnxz", "-o", "converted.onnx")
    assert len(onnx.load(tmp_path / "converted.onnx").graph.node) == len(cnn().graph.node)
    (tmp_path / "bad.onnxz").write_bytes(b"nothing")
    assert "bad.onnxz: not compressed" in program.run("inspect", "bad.onnxz", code=2)
