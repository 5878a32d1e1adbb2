"""ONNX models of a few bytes that ask for all memory or time: each gets one line, soon."""

import resource
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, cnn_weights
from onnx_samples import model as sample
from whylight.graph.trial import Deadline

SOON = 20
"""Seconds, on a busy machine."""
LARGEST = 2**31
"""Bytes that the whole test process may have taken at most."""


def saved(folder: Path, content: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content.SerializeToString())
    return path


def refused(path: Path, match: str) -> None:
    """The file is refused in one line that names it, by all that reads models, in time and memory that are bounded."""
    started = time.perf_counter()
    with pytest.raises(whylight.WhylightError, match=match) as caught:
        whylight.load(path, input_range="1")
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert len(said.splitlines()) == 1
    assert time.perf_counter() - started < SOON
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < LARGEST


def info(name: str, shape: Any = None, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def with_constants(nodes: list[onnx.NodeProto], values: dict[str, Any], last: str) -> Any:
    """A classifier whose feature maps are multiplied with the largest of what ``nodes`` make of constants."""
    content = cnn(opset=20)
    for name, value in values.items():
        content.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    content.graph.node[1].input[0] = "scaled"
    more = [
        *nodes,
        helper.make_node("Cast", [last], ["as_real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["as_real"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["maps", "largest"], ["scaled"]),
    ]
    kept = list(content.graph.node)
    del content.graph.node[:]
    content.graph.node.extend([kept[0], *more, *kept[1:]])
    return content


# ---- data files


def with_data_file(folder: Path, location: str, **stated: str) -> Path:
    """A classifier whose first weights are said to lie in a file beside it."""
    content = cnn()
    kernel = content.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **stated}.items():
        kernel.external_data.add(key=key, value=value)
    return saved(folder, content)


@pytest.mark.parametrize("folder", ["plain", "モデル 一", "with.dot"])
def test_a_data_file_of_the_models_own_folder_is_read(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder / "deeper").mkdir(parents=True)
    kernel = cnn_weights()["kernel"]
    (tmp_path / folder / "deeper" / "重み.bin").write_bytes(b"12345678" + kernel.tobytes())
    path = with_data_file(tmp_path / folder, "deeper/重み.bin", offset="8", length="540")
    held = {each.name: each for each in whylight.load(path, input_range="1").model.graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(held["kernel"]), kernel)


def test_one_data_file_for_many_weights_is_counted_for_each(tmp_path: Path) -> None:
    """A file of 4 MB that 400 tensors name takes 1.6 GB, and their copies more."""
    (tmp_path / "weights").write_bytes(bytes(2**22))
    content = cnn()
    for number in range(400):
        tensor = TensorProto(name=f"w{number}", dims=[2**20], data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
        content.graph.initializer.append(tensor)
    refused(saved(tmp_path, content), "all of its weights together would take 6.25 GiB of memory")


def test_holes_in_a_data_file_are_no_content(tmp_path: Path) -> None:
    with (tmp_path / "weights").open("wb") as file:
        file.truncate(2**36)
    content = cnn()
    kernel = content.graph.initializer[0]
    kernel.ClearField("raw_data")
    del kernel.dims[:]
    kernel.dims.extend([2**34])
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="weights")
    refused(saved(tmp_path, content), "all of its weights together would take 256 GiB of memory")


def test_holes_in_the_model_file_are_no_content(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 - 1)
    refused(path, "the file would take 4 GiB of memory")
    with path.open("wb") as file:
        file.truncate(2**40)
    refused(path, "1 TiB, and one has at most 2 GiB")


# ---- tensors


def test_sparse_weights_are_counted_as_what_they_become(tmp_path: Path) -> None:
    content = cnn()
    content.graph.sparse_initializer.append(
        onnx.SparseTensorProto(
            values=numpy_helper.from_array(np.ones(1, np.float32), "sparse"),
            indices=numpy_helper.from_array(np.zeros((1, 2), np.int64)),
            dims=[10**5, 10**5],
        )
    )
    refused(saved(tmp_path, content), "all of its weights together would take 298 GiB")


# ---- inputs


@pytest.mark.parametrize(
    "extents", [[10**6, 3, HEIGHT, WIDTH], [1, 3, 10**6, 10**6], ["n", 3, 2**31, 9], ["n", 3, 2**62, 9]]
)
def test_sizes_and_batches_beyond_all_bounds(tmp_path: Path, extents: list[int | str]) -> None:
    content = cnn(batch=extents[0])
    content.graph.input[0].CopyFrom(info("image", extents))
    refused(saved(tmp_path, content), r"(GiB|TiB|extent|cannot take)")


# ---- constants that are computed

HUGE = 3 * 10**9
"""12 GB of float32."""


@pytest.mark.parametrize(
    ("nodes", "values"),
    [
        ([helper.make_node("ConstantOfShape", ["s"], ["c"])], {"s": [HUGE]}),
        ([helper.make_node("Range", ["a", "b", "d"], ["c"])], {"a": 0, "b": HUGE, "d": 1}),
        ([helper.make_node("Tile", ["x", "s"], ["c"])], {"x": [1.0], "s": [HUGE]}),
        ([helper.make_node("Pad", ["x", "s"], ["c"])], {"x": [1.0], "s": [0, HUGE]}),
        ([helper.make_node("Expand", ["x", "s"], ["c"])], {"x": [1.0], "s": [HUGE]}),
        ([helper.make_node("OneHot", ["i", "n", "v"], ["c"])], {"i": [1, 2], "n": HUGE, "v": [0.0, 1.0]}),
        (
            [helper.make_node("Resize", ["x", "", "", "s"], ["c"])],
            {"x": np.ones((1, 1, 2), np.float32), "s": [1, 1, HUGE]},
        ),
        (
            [
                helper.make_node("ConstantOfShape", ["s"], ["line"]),
                helper.make_node("Reshape", ["line", "two"], ["square"]),
                helper.make_node("EyeLike", ["square"], ["c"]),
            ],
            {"s": [HUGE], "two": [1, -1]},
        ),
    ],
    ids=lambda each: each[-1].op_type if isinstance(each, list) else "",
)
def test_constants_that_a_file_makes_of_a_few_bytes(
    tmp_path: Path, nodes: list[onnx.NodeProto], values: dict[str, Any]
) -> None:
    typed = {k: np.asarray(v, np.float32 if "." in str(v) else np.int64) for k, v in values.items()}
    refused(saved(tmp_path, with_constants(nodes, typed, "c")), r"(GiB of memory|cannot take)")


def test_a_size_that_is_not_known_before_it_is_computed(tmp_path: Path) -> None:
    """The size of a tensor is the largest of thousands of numbers, which no inference of shapes looks at."""
    numbers = np.arange(5000, dtype=np.int64) + HUGE
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["size"], keepdims=1),
        helper.make_node("ConstantOfShape", ["size"], ["c"]),
    ]
    refused(saved(tmp_path, with_constants(nodes, {"numbers": numbers}, "c")), "GiB of memory")


def test_many_constants_that_double(tmp_path: Path) -> None:
    names = ["start", *(f"c{number}" for number in range(40))]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    values = {"start": np.ones(1000, np.float32)}
    refused(saved(tmp_path, with_constants(nodes, values, names[-1])), "GiB of memory|TiB of memory")


def test_a_product_of_constants_that_takes_hours(tmp_path: Path) -> None:
    square = np.ones((256, 256), np.float32)
    terms = ",".join(a + b for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    nodes = [helper.make_node("Einsum", ["m"] * 8, ["c"], equation=f"{terms}->a")]
    refused(saved(tmp_path, with_constants(nodes, {"m": square}, "c")), "products for one image")


# ---- functions, loops, nesting, names


def with_functions(functions: list[onnx.FunctionProto], first: str) -> Any:
    content = cnn()
    content.graph.node[1].CopyFrom(helper.make_node(first, ["maps"], ["rectified"], domain="own"))
    content.functions.extend(functions)
    content.opset_import.add(domain="own", version=1)
    return content


def function(name: str, *steps: str) -> onnx.FunctionProto:
    names = ["x", *(f"t{number}" for number in range(len(steps) - 1)), "y"]
    nodes = [
        helper.make_node(step, [a], [b], domain="" if step == "Relu" else "own")
        for step, a, b in zip(steps, names, names[1:], strict=False)
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["x"], ["y"], nodes, opsets)


def test_functions_in_functions_without_end(tmp_path: Path) -> None:
    functions = [function(f"f{n}", f"f{n + 1}" if n < 5000 else "Relu") for n in range(5001)]
    refused(saved(tmp_path, with_functions(functions, "f0")), "more than 100 deep")


def loop(trips: int, shape: list[int | str] | None) -> Any:
    """A classifier beside a loop, which goes into an output of its own."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["goes_on"]), helper.make_node("Sin", ["state"], ["next"])],
        "body",
        [info("n", [], TensorProto.INT64), info("go_on", [], TensorProto.BOOL), info("state", shape)],
        [info("goes_on", [], TensorProto.BOOL), info("next", shape)],
    )
    content = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array(trips, np.int64), "trips"))
    content.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    content.graph.node.append(helper.make_node("Loop", ["trips", "true", "probabilities"], ["turned"], body=body))
    content.graph.output.append(info("turned", ["batch", CLASSES]))
    return content


@pytest.mark.parametrize("trips", [10, 2**62])
def test_a_loop_is_not_run_where_it_hides_shapes(tmp_path: Path, trips: int) -> None:
    refused(saved(tmp_path, loop(trips, ["batch", CLASSES])), "Loop 'turned' hides it")


def test_a_loop_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides no shape: it gives a number that nothing reads, beside the scores."""
    monkeypatch.setattr(Deadline.__init__, "__defaults__", (2.0,))
    content = loop(2**62, ["batch", CLASSES])
    content.graph.output.pop()
    refused(saved(tmp_path, content), "did not end within 2 seconds")


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    key = (number << 3) | 2
    return (bytes([key]) if key < 128 else bytes([key & 127 | 128, key >> 7])) + size + bytes([length]) + content


def test_graphs_in_graphs_without_end(tmp_path: Path) -> None:
    """A node (1) of a graph, with an operator (4) and an attribute (5), with a name (1) and a graph (6)."""
    node = field(4, b"Identity")
    for _ in range(20_000):
        node = field(4, b"If") + field(5, field(1, b"then_branch") + field(6, field(1, node)))
    path = tmp_path / "model.onnx"
    path.write_bytes(cnn().SerializeToString() + field(7, field(1, node)))
    refused(path, "not an ONNX model, or a truncated one")


@pytest.mark.parametrize("place", ["node", "initializer", "input"])
def test_two_tensors_of_one_name(tmp_path: Path, place: str) -> None:
    content = cnn()
    many = getattr(content.graph, place)
    many.add().CopyFrom(many[0])
    refused(saved(tmp_path, content), "2 tensors have the name '(maps|kernel|image)'")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = saved(tmp_path, cnn())
    path.write_bytes(path.read_bytes().replace(b"rectified", b"rect\xff\xfe\x80ed"))
    with pytest.raises(whylight.WhylightError) as caught:
        whylight.load(path, input_range="1")
    assert len(str(caught.value).splitlines()) == 1


def test_more_operators_than_anybody_writes(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", [f"t{n}"], [f"t{n + 1}"]) for n in range(100_000)]
    content = cnn()
    nodes[0].input[0] = "probabilities"
    content.graph.node.extend(nodes)
    refused(saved(tmp_path, content), r"the 1e\+05 operators that it has would take 3.05 GiB of memory")


def test_an_input_that_is_left_out_where_none_may_be(tmp_path: Path) -> None:
    """ONNX Runtime dies of it."""
    content = cnn()
    content.graph.node[1].CopyFrom(helper.make_node("Sum", ["maps", "", "maps"], ["rectified"]))
    refused(saved(tmp_path, content), "Sum 'rectified' leaves an input out")


# ---- text and long computing


@pytest.mark.filterwarnings("ignore::whylight.WhylightWarning")
@pytest.mark.parametrize("operator", ["RegexFullMatch", "StringNormalizer"])
def test_text_is_not_computed_on(tmp_path: Path, operator: str) -> None:
    """A pattern that backtracks without end: Python's engine would never come back."""
    node = helper.make_node("RegexFullMatch", ["text"], ["c"], pattern="(a*)*b")
    if operator == "StringNormalizer":
        normalize = helper.make_node("StringNormalizer", ["text"], ["lower"], case_change_action="LOWER")
        node = helper.make_node("RegexFullMatch", ["lower"], ["c"], pattern="(a*)*b")
    content = with_constants([node], {}, "c")
    content.graph.initializer.append(
        TensorProto(name="text", data_type=TensorProto.STRING, dims=[1], string_data=[b"a" * 5000])
    )
    if operator == "StringNormalizer":
        nodes = [normalize, *content.graph.node]
        del content.graph.node[:]
        content.graph.node.extend(nodes)
    started = time.perf_counter()
    with suppress(whylight.WhylightError):  # whether the runtime has the operator is another question
        whylight.load(saved(tmp_path, content), input_range="1")
    assert time.perf_counter() - started < SOON


def test_a_convolution_that_takes_hours(tmp_path: Path) -> None:
    """Each output of a kernel that is as large as the picture, at every place."""
    size = 4000
    content = sample(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["kernel"]),
            helper.make_node("Conv", ["image", "kernel"], ["maps"], pads=[size // 2] * 4),
            helper.make_node("GlobalAveragePool", ["maps"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        [info("image", [1, 1, size, size])],
        [info("scores", [1, 1])],
        {"shape": np.array([1, 1, size, size], np.int64)},
    )
    refused(saved(tmp_path, content), "products for one image")


def test_feature_maps_that_do_not_fit(tmp_path: Path) -> None:
    """A picture of 24 kB that is enlarged to 540 MB, twice."""
    content = cnn(opset=20, batch=1)
    content.graph.initializer.append(numpy_helper.from_array(np.array([1, 5, 5200, 5200], np.int64), "sizes"))
    content.graph.node[1].input[0] = "enlarged"
    nodes = list(content.graph.node)
    nodes.insert(1, helper.make_node("Resize", ["maps", "", "", "sizes"], ["enlarged"]))
    del content.graph.node[:]
    content.graph.node.extend(nodes)
    refused(saved(tmp_path, content), "running it on a few images would take")


def test_images_that_do_not_fit(tmp_path: Path) -> None:
    """One takes 720 MB, though what is computed of it is three numbers."""
    content = sample(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["scores"]),
        ],
        [info("image", ["n", 3, 6, 10**7])],
        [info("scores", ["n", 3])],
        {},
    )
    refused(saved(tmp_path, content), "running it on a few images would take")
