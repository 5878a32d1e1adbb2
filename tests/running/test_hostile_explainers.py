"""Compiled explainers of strangers: what they say of themselves is checked, and against their graph."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import whylight
from onnx_samples import small_cnn
from whylight.cli import main
from whylight.contract import METADATA_KEY
from whylight.errors import OutOfMemoryError, WhylightError
from whylight.running import explainer_graph
from whylight.running.explainer import Explainer

PIXELS = np.random.default_rng(0).random((2, 6, 8), np.float32)
Facts = dict[str, Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(small_cnn((6, 8)), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return whylight.compile(path)


def with_facts(good: onnx.ModelProto, change: Callable[[Facts], object]) -> bytes:
    """The explainer with other facts: those that ``change`` has changed, or gives."""
    model = onnx.ModelProto()
    model.CopyFrom(good)
    entry = next(each for each in model.metadata_props if each.key == METADATA_KEY)
    facts = json.loads(entry.value)
    changed = change(facts)
    entry.value = changed if isinstance(changed, str) else json.dumps(facts)
    return model.SerializeToString()


def test_the_sample_is_good(good: onnx.ModelProto) -> None:
    Explainer(with_facts(good, lambda _: None))(PIXELS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda facts: "[" * 100_000, "no JSON"),
        (lambda facts: "{", "no JSON"),
        (lambda facts: "[]", "a mapping of maps"),
        (lambda facts: facts.__delitem__("output"), "a mapping of maps"),
        (lambda facts: facts.update(extra=1), "a mapping of maps"),
        (lambda facts: facts.update(maps=[]), "maps is a list of 0"),
        (lambda facts: facts.update(maps=[[]]), r"maps\[0\] is a list of 0"),
        (lambda facts: facts["maps"][0].update(crop=[0, 0, 1]), r"maps\[0\].crop has 3 values, expected 4"),
        (lambda facts: facts["maps"][0].update(crop=[0, 0, float("nan"), 1]), r"crop\[2\] is nan"),
        (lambda facts: facts["maps"][0].update(crop=[0.5, 0, 0.5, 1]), "crop"),
        (lambda facts: facts["maps"][0].update(crop=[0, 0, 1, 0.001]), "crop"),
        (lambda facts: facts["maps"][0].update(output=7), r"maps\[0\].output is 7, expected text"),
        (lambda facts: facts["maps"][0].update(output="score"), "several outputs have one name"),
        (lambda facts: facts["maps"][0].update(layer="n" * 10**6), r"maps\[0\].layer"),
        (lambda facts: facts.update(score="half"), "score is 'half', expected one of logit, output"),
        (lambda facts: facts["input"].update(name=None), "input.name is None"),
        (lambda facts: facts["input"].update(channels=0), "input.channels is 0"),
        (lambda facts: facts["input"].update(channels=True), "input.channels is True"),
        (lambda facts: facts["input"].update(channels=10**400), "input.channels is a huge number"),
        (lambda facts: facts["input"].update(height=-6), "input.height is -6"),
        (lambda facts: facts["input"].update(height=10**6, width=10**6), "an image would take .* of memory"),
        (lambda facts: facts["input"].update(size=[6, 8]), "input is a mapping"),
        (lambda facts: facts["input"].update(layout="WHC"), "input.layout is 'WHC'"),
        (lambda facts: facts["input"].update(layout="CL"), "input.size has 2 values, expected 1"),
        (lambda facts: facts["input"].update(maximum=0), "input.maximum is 0"),
        (lambda facts: facts["input"].update(mean=[1, 2, 3]), "input.mean has 3 values, expected 0 or 2"),
        (lambda facts: facts["input"].update(std=[1, 0]), r"input.std\[1\] is 0"),
        (lambda facts: facts["input"].update(std=[1, float("inf")]), r"input.std\[1\] is inf"),
        (lambda facts: facts["input"].update(channel_order="GBR"), "input.channel_order"),
        (lambda facts: facts["input"].update(exif_orientation=1), "exif_orientation is 1, expected true or false"),
        (lambda facts: facts.update(final_activation="Relu"), "final_activation is 'Relu'"),
        (lambda facts: facts.update(final_activation=["Softmax"]), "final_activation is a list"),
        (lambda facts: facts.update(class_count=0), "class_count is 0"),
        (lambda facts: facts.update(class_count=4.0), "class_count is 4.0"),
        (lambda facts: facts.update(activation_bytes=-1), "activation_bytes is -1"),
        (lambda facts: facts.update(baseline=[0.0]), "baseline has 1 values, expected 0 or 2"),
        (lambda facts: facts.update(against="nobody"), "against is 'nobody'"),
        (lambda facts: facts.update(class_names=["a"]), "class_names has 1 values, expected 0 or 4"),
        (lambda facts: facts.update(notes="text"), "notes is 'text'"),
        (lambda facts: facts.update(model="a\nb\x1b[31m" * 10**5), "model is"),
    ],
)
def test_facts_that_no_explainer_has(good: onnx.ModelProto, change: Callable[[Facts], object], said: str) -> None:
    with pytest.raises(WhylightError, match=said) as caught:
        Explainer(with_facts(good, change))
    assert "this version of 'whylight compile'" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("change", [lambda facts: facts["input"].update(layout=3), lambda facts: facts.update(maps=1)])
def test_every_command_says_it_in_one_line(
    good: onnx.ModelProto, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Facts], object]
) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(with_facts(good, change))
    (tmp_path / "table.csv").write_text("x:image,y\na.png,0\n")
    np.save(tmp_path / "a.npy", PIXELS)
    for words in (
        ["inspect", str(path)],
        ["gradcam", "--model", str(path), "--image", str(tmp_path / "a.npy"), "-o", str(tmp_path / "o.png")],
        ["gradcam-batch", "--model", str(path), "-i", str(tmp_path / "table.csv"), "-o", str(tmp_path / "o.csv")],
        ["compile", str(path), "-o", str(tmp_path / "o.onnx")],
    ):
        assert main(words) == 2
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1, said
        assert str(path) in said[0]


def altered(good: onnx.ModelProto, change: Callable[[onnx.GraphProto], object]) -> Explainer:
    model = onnx.ModelProto()
    model.CopyFrom(good)
    change(model.graph)
    return Explainer(model.SerializeToString(), device="cpu", threads=1)


def _as_double(graph: onnx.GraphProto) -> None:
    graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    graph.node.insert(0, helper.make_node("Cast", ["image"], ["image/float"], to=TensorProto.FLOAT))
    for node in graph.node[1:]:
        node.input[:] = ["image/float" if name == "image" else name for name in node.input]


def _with_huge_input(graph: onnx.GraphProto) -> None:
    graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [2**20, 2**20]))
    graph.node.append(helper.make_node("Identity", ["more"], ["less"]))


def _with_two_maps_an_image(graph: onnx.GraphProto) -> None:
    node = next(node for node in graph.node if "cam" in node.output)
    node.output[list(node.output).index("cam")] = "cam/once"
    graph.node.append(helper.make_node("Concat", ["cam/once", "cam/once"], ["cam"], axis=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda graph: setattr(graph.output[0], "name", "rectified"), "it has no 'probabilities'"),
        (lambda graph: graph.output.pop(), "it has no 'cam'"),
        (lambda graph: setattr(graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 12), "of shape"),
        (lambda graph: setattr(graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 10**9), "images at a time"),
        (_as_double, r"'image' is tensor\(double\)"),
        (_with_huge_input, "an input that is not used would take .* of memory"),
        (_with_two_maps_an_image, "for 1 images it gives"),
    ],
)
@pytest.mark.filterwarnings("ignore::whylight.WhylightWarning")
def test_a_graph_that_is_not_what_its_facts_say(
    good: onnx.ModelProto, change: Callable[[onnx.GraphProto], object], said: str
) -> None:
    with pytest.raises(WhylightError, match=said):
        altered(good, change)(PIXELS)


def test_an_input_left_out_that_would_end_the_process(good: onnx.ModelProto) -> None:
    def change(graph: onnx.GraphProto) -> None:
        graph.node.append(helper.make_node("Max", ["image", ""], ["largest"]))
        graph.output.append(helper.make_tensor_value_info("largest", TensorProto.FLOAT, None))

    with pytest.raises(WhylightError, match="a Max leaves an input out"):
        altered(good, change)(PIXELS)


@pytest.mark.parametrize("place", ["../secret.bin", "link.bin", "/etc/passwd", "", "n" * 5000, "a\0b", "pipe", "."])
def test_weights_outside_its_folder_are_not_opened(good: onnx.ModelProto, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 6 * 4 * 3 * 3))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    model = onnx.ModelProto()
    model.CopyFrom(good)
    tensor = next(each for each in model.graph.initializer if each.name == "kernel2")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WhylightError, match=r"expected a file in its own folder|cannot load it") as caught:
        Explainer(folder / "model.onnx", device="cpu")(PIXELS)
    assert str(caught.value).isprintable()


def test_weights_beside_it_are_read(good: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "\u8aac\u660e \u5668.onnx"
    model = onnx.ModelProto()
    model.CopyFrom(good)
    onnx.save(model, path, save_as_external_data=True, location="\u91cd\u307f.bin", size_threshold=300)
    expected = Explainer(good.SerializeToString(), device="cpu")(PIXELS).cam
    np.testing.assert_array_equal(Explainer(path, device="cpu")(PIXELS).cam, expected)


def test_a_loop_without_end_is_stopped(good: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(graph: onnx.GraphProto) -> None:
        body = onnx.parser.parse_graph(
            """step (int64 turn, bool go, float before) => (bool again, float after) {
                again = Identity(go)
                after = Sigmoid(before)
            }"""
        )
        graph.node.append(helper.make_node("Constant", [], ["turns"], value_int=2**62))
        graph.node.append(helper.make_node("ReduceMax", ["image"], ["first"], keepdims=0))
        graph.node.append(helper.make_node("Loop", ["turns", "", "first"], ["last"], body=body))
        score = next(node for node in graph.node if "score" in node.output)
        score.output[list(score.output).index("score")] = "score/itself"
        graph.node.append(helper.make_node("Add", ["score/itself", "last"], ["score"]))

    monkeypatch.setattr(explainer_graph, "SECONDS", 1)
    with pytest.raises(WhylightError, match="ONNX Runtime stopped"):
        altered(good, change)(PIXELS)


def in_the_score(graph: onnx.GraphProto, text: str) -> None:
    """Add nodes, in ONNX's text, of which the last gives a number ``more``, and add that to the score."""
    graph.node.extend(onnx.parser.parse_graph(f"g (float x) => (float more) {{ {text} }}").node)
    score = next(node for node in graph.node if "score" in node.output)
    score.output[list(score.output).index("score")] = "score/itself"
    graph.node.append(helper.make_node("Add", ["score/itself", "more"], ["score"]))


LARGE = {
    "ConstantOfShape": "size = Constant<value_ints = [40, 1000, 1000]>() large = ConstantOfShape(size)",
    "Expand": """one = Constant<value_float = 1.0>() size = Constant<value_ints = [40, 1000, 1000]>()
        large = Expand(one, size)""",
    "Tile": """one = Constant<value_floats = [1.0, 2.0]>() times = Constant<value_ints = [20000000]>()
        large = Tile(one, times)""",
    "Pad": """one = Constant<value_floats = [1.0, 2.0]>() much = Constant<value_ints = [0, 40000000]>()
        large = Pad(one, much)""",
    "Range": """first = Constant<value_float = 0.0>() last = Constant<value_float = 40000000.0>()
        step = Constant<value_float = 1.0>() large = Range(first, last, step)""",
    "of the image": """first = ReduceMax<keepdims = 0>(image) shape = Constant<value_ints = [1]>()
        row = Reshape(first, shape) times = Constant<value_ints = [40000000]>() large = Tile(row, times)""",
    "an outer product": """few = Constant<value_ints = [7000, 1]>() others = Constant<value_ints = [1, 7000]>()
        ones = ConstantOfShape(few) row = ConstantOfShape(others) large = Add(ones, row)""",
    "in a loop": """turns = Constant<value_int = 40>() begun = Constant<value_floats = [1.0, 2.0]>()
        large = Loop (turns, , begun) <body = twice (int64 turn, bool go, float[K] before)
            => (bool again, float[M] after) { again = Identity(go) after = Concat<axis = 0>(before, before) }>""",
}


@pytest.mark.parametrize("what", LARGE)
@pytest.mark.filterwarnings("ignore::whylight.WhylightWarning")
def test_a_graph_gets_the_memory_that_its_file_may_take(
    good: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """160 MB, and of the loop 8 TB, where 32 MB are to be had; more where somebody raises the budget."""
    text = f"{LARGE[what]} more = ReduceMax<keepdims = 0>(large)"
    monkeypatch.setenv("WHYLIGHT_MEMORY", "32M")
    with pytest.raises(OutOfMemoryError, match="ONNX Runtime stopped"):
        altered(good, lambda graph: in_the_score(graph, text))(PIXELS)
    if what != "in a loop":
        monkeypatch.setenv("WHYLIGHT_MEMORY", "2G")
        altered(good, lambda graph: in_the_score(graph, text))(PIXELS)


def test_functions_of_its_own_are_refused(good: onnx.ModelProto) -> None:
    """Each of thirty calls the next one twice: a thousand million nodes, once they are written out."""
    model = onnx.ModelProto()
    model.CopyFrom(good)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    for level in range(30):
        inner = [("Relu", "") if level == 29 else (f"f{level + 1}", "own")] * 2
        nodes = [
            helper.make_node(name, [source], [target], domain=domain)
            for (name, domain), source, target in zip(inner, ("x", "h"), ("h", "y"), strict=True)
        ]
        model.functions.append(helper.make_function("own", f"f{level}", ["x"], ["y"], nodes, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    with pytest.raises(WhylightError, match="functions of its own"):
        Explainer(model.SerializeToString())(PIXELS)


def test_sparse_weights_are_refused(good: onnx.ModelProto) -> None:
    def change(graph: onnx.GraphProto) -> None:
        values = helper.make_tensor("huge", TensorProto.FLOAT, [1], [1.0])
        places = helper.make_tensor("", TensorProto.INT64, [1], [5])
        graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2**20, 2**20]))

    with pytest.raises(WhylightError, match="sparse weights"):
        altered(good, change)(PIXELS)


def test_facts_that_are_stated_twice_are_refused(good: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(good)
    model.metadata_props.append(model.metadata_props[0])
    with pytest.raises(WhylightError, match="not an explainer graph"):
        Explainer(model.SerializeToString())


def test_a_file_of_many_small_fields_ends(good: onnx.ModelProto) -> None:
    with pytest.raises(WhylightError, match="not an explainer graph"):
        Explainer(b"\x08\x01" * 2**21 + good.SerializeToString())


def test_too_little_memory_for_images_is_one_line(good: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = Explainer(good.SerializeToString(), device="cpu")

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(explainer, "inputs", full)
    with pytest.raises(OutOfMemoryError, match="not enough memory for 1 images"):
        explainer(PIXELS)


def test_a_method_of_several_passes_needs_a_baseline(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small_cnn((6, 8)), path)
    compiled = whylight.compile(path, "scorecam", input_range=1)
    with pytest.raises(WhylightError, match=r"the explainer: .*'score-cam' needs a baseline"):
        Explainer(with_facts(compiled, lambda facts: facts.update(baseline=[])), device="cpu")(PIXELS)


def test_names_that_are_no_text(good: onnx.ModelProto) -> None:
    content = good.SerializeToString()
    (name,) = {info.type.tensor_type.shape.dim[0].dim_param for info in good.graph.input}
    axis = b"\x12" + bytes([len(name)]) + name.encode()  # onnx.proto: Dimension.dim_param
    assert axis in content
    damaged = content.replace(axis, axis[:-1] + b"\xce")
    with pytest.raises(WhylightError, match="the explainer: not UTF-8 text"):
        Explainer(damaged)(PIXELS)


def test_what_passes_make_of_an_activation_has_memory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(small_cnn((400, 400)), tmp_path / "model.onnx")
    content = whylight.compile(tmp_path / "model.onnx", "score-cam", input_range=1).SerializeToString()
    pixels = np.random.default_rng(0).random((2, 400, 400), np.float32)
    Explainer(content)(pixels)
    monkeypatch.setenv("WHYLIGHT_MEMORY", "36M")
    with pytest.raises(WhylightError, match=r"what is made of its activation .* would take .* more than the 12 MiB"):
        Explainer(content)(pixels)


def test_no_other_file_is_opened_not_even_to_be_hashed(good: onnx.ModelProto, tmp_path: Path) -> None:
    """Every file that Python opens is looked at, in a process of its own: of an explainer and of a model."""
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 6 * 4 * 3 * 3))
    for name, model in (("explainer", good), ("model", small_cnn((6, 8)))):
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        tensor = next(each for each in copy.graph.initializer if each.name == "kernel2")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret.bin")
        (folder / f"{name}.onnx").write_bytes(copy.SerializeToString())
    program = """if True:
        import sys, warnings
        warnings.simplefilter("ignore")
        opened = []
        sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
        import whylight
        calls = [
            lambda: whylight.explainer("model.onnx", cache=True),
            lambda: whylight.load("model.onnx"),
            lambda: whylight.inspect("model.onnx"),
            lambda: whylight.Explainer("explainer.onnx").digest(),
            lambda: whylight.Explainer("explainer.onnx").content(),
            lambda: whylight.explainer("explainer.onnx")("none.png"),
        ]
        for call in calls:
            try:
                call()
            except whylight.WhylightError:
                pass
        print(*(name for name in opened if "secret" in name or name.endswith(".onnx")), sep="\\n")
    """
    environment = {**os.environ, "WHYLIGHT_CACHE": str(tmp_path / "cache")}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert "explainer.onnx" in found
    assert "model.onnx" in found
    assert "secret" not in found
