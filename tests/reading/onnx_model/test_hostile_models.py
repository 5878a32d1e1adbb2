"""ONNX models of strangers: each ends in one line, in little time and memory, and no other file is opened."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

import whylight
from onnx_samples import HEAD, TAIL, small_cnn
from whylight.cli import main
from whylight.errors import WhylightError

OWN = '<domain: "own", opset_import: ["" : 18, "own" : 1]>'
CALLS = "".join(f"{OWN}\nf{n} (x) => (y) {{ a = own.f{n + 1}(x)  y = own.f{n + 1}(a) }}\n" for n in range(60))
LAST = OWN + "\nf60 (x) => (y) { y = Relu(x) }\n"
ITSELF = OWN + "\nf60 (x) => (y) { y = own.f60(x) }\n"
RANGE = """
    a = Constant<value_int = 0>() b = Constant<value_int = 9000000000>() c = Constant<value_int = 1>()
    r = Range(a, b, c) s = ReduceMax<keepdims = 0>(r) t = Cast<to = 1>(s) rectified = Add(maps, t)
"""
TILE = "n = Constant<value = int64[4] {1, 1, 100000, 100000}>() rectified = Tile(maps, n)"
PAD = "n = Constant<value = int64[8] {0, 0, 0, 0, 0, 0, 1000000, 100000}>() rectified = Pad(maps, n)"
EXPAND = """
    n = Constant<value = int64[6] {100000, 1000, 1, 1, 1, 1}>() e = Expand(maps, n)
    x = Constant<value = int64[2] {0, 1}>() rectified = ReduceMean<keepdims = 0>(e, x)
"""
CIRCLE = "a = Relu(b) b = Relu(a) rectified = Add(a, maps)"
LOOP = """
    turns = Constant<value_int = 4611686018427387904>()
    yes = Cast<to = 9>(turns)
    rectified = Loop (turns, yes, maps) <
        body = step (int64 turn, bool go, float[N,4,6,6] before) => (bool again, float[N,4,6,6] after) {
            again = Identity(go)
            after = Sigmoid(before)
        }
    >
"""


def refused(path: Path, seconds: float = 20) -> str:
    """What is said of a model."""
    said = ""
    for call in (whylight.load, whylight.compile):
        start = time.monotonic()
        with pytest.raises(WhylightError) as caught:
            call(path)
        said = str(caught.value)
        assert time.monotonic() - start < seconds
        assert said.isprintable()
        assert len(said) < 4000
    return said


def filled(size: str) -> str:
    """A graph with a tensor of so many values, made of nothing."""
    return (
        HEAD + f"size = Constant<value = int64[1] {{{size}}}>()\n many = ConstantOfShape(size)\n"
        "sum = ReduceSum<keepdims = 0>(many)\n rectified = Add(maps, sum)" + TAIL
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (filled("3000000000"), "of memory"),
        (filled("-5"), ""),
        (HEAD + RANGE + TAIL, "of memory"),
        (HEAD + TILE + TAIL, "of memory"),
        (HEAD + PAD + TAIL, "of memory"),
        (HEAD + EXPAND + TAIL, "of memory"),
        (HEAD + "rectified = own.f0(maps)" + TAIL + CALLS + LAST, "operators that it has, once its functions"),
        (HEAD + "rectified = own.f60(maps)" + TAIL + ITSELF, "calls itself"),
        (HEAD + CIRCLE + TAIL, "computed after it, or from its own"),
        (HEAD + "rectified = Relu(nothing)" + TAIL, "reads 'nothing'"),
    ],
)
def test_graphs_that_ask_for_too_much(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(parser.parse_model(text).SerializeToString())
    assert said in refused(path)


def test_a_loop_without_end(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(parser.parse_model(HEAD + LOOP + TAIL).SerializeToString())
    assert "Loop 'rectified'" in refused(path)


def changed(change: Callable[[onnx.ModelProto], object], folder: Path) -> Path:
    """A model that was good, changed."""
    model = small_cnn((6, 8))
    change(model)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _dims(*dims: int) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    return change


def _input(*dims: int) -> Callable[[onnx.ModelProto], object]:
    def change(model: onnx.ModelProto) -> None:
        info = helper.make_tensor_value_info("image", TensorProto.FLOAT, dims)
        model.graph.input[0].CopyFrom(info)

    return change


def _nested(model: onnx.ModelProto) -> None:
    graph = helper.make_graph([helper.make_node("Identity", ["maps"], ["inner"])], "deepest", [], [])
    for _ in range(40):
        node = helper.make_node("If", ["yes"], ["inner"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([node], "deeper", [], [])
        if len(graph.SerializeToString()) > 10**7:
            break
    model.graph.node.append(graph.node[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_dims(-1, 3), "negative extent -1"),
        (_dims(2**40, 2**40), "hold"),
        (_dims(*[1] * 40), "40 axes"),
        (_dims(0, 3), "hold"),
        (_input(1, 2, 10**6, 10**6), "of memory"),
        (_input(10**7, 2, 6, 8), "of memory"),
        (_input(1, 2, *[1] * 40), "axes"),
        (lambda model: setattr(model.graph.initializer[0], "data_type", 99), "of type 99"),
        (lambda model: setattr(model.opset_import[0], "version", -1), "operator set"),
        (lambda model: setattr(model.graph.node[0], "op_type", "Sneeze\n\x1b[31m" * 1000), ""),
        (lambda model: model.graph.node.extend([model.graph.node[0]]), "tensors have the name"),
        (lambda model: model.graph.output[0].CopyFrom(model.graph.input[0]), ""),
        (_nested, ""),
    ],
)
def test_fields_that_no_exporter_writes(tmp_path: Path, change: Callable[[onnx.ModelProto], object], said: str) -> None:
    assert said in refused(changed(change, tmp_path))


def external(folder: Path, **entries: Any) -> Path:
    """A model whose first weights lie in a data file."""

    def change(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        (folder / "good.bin").write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=str(value))

    return changed(change, folder)


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "../secret.bin"},
        {"location": "/etc/passwd"},
        {"location": "link.bin"},
        {"location": "pipe"},
        {"location": "folder"},
        {"location": "a\0b"},
        {"location": "n" * 100_000},
        {"location": ""},
        {"location": "good.bin", "offset": "many"},
        {"location": "good.bin", "offset": -1},
        {"location": "good.bin", "offset": 10**30},
        {"location": "good.bin", "length": 10**15},
        {"location": "good.bin", "length": "\u0663"},
        {"location": "good.bin", "offset": 4},
        {},
    ],
)
def test_weights_in_other_files(tmp_path: Path, entries: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(10_000))
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    os.mkfifo(folder / "pipe")
    path = external(folder, **entries)
    opened: list[str] = []
    monkeypatch.setattr(Path, "open", _told(Path.open, opened))
    refused(path)
    assert {Path(name).parent for name in opened} <= {folder}


def _told(open_: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    def opening(path: Path, *arguments: Any, **options: Any) -> Any:
        names.append(str(path))
        return open_(path, *arguments, **options)

    return opening


def test_weights_beside_it_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "\u91cd\u307f \u3068 model"
    folder.mkdir()
    classifier = whylight.load(external(folder, location="good.bin"))
    kernel = next(each for each in classifier.model.graph.initializer if list(each.dims) == [4, 2, 3, 3])
    expected = small_cnn((6, 8)).graph.initializer[0]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(kernel), onnx.numpy_helper.to_array(expected))


@pytest.mark.parametrize("content", [b"\0" * 100, b"\xff" * 1000, b"\x0a" * 10_000, b":\x80\x80\x80\x80\x08"])
def test_bytes_that_are_no_model(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert "not an ONNX model" in refused(path)
    assert main(["inspect", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
