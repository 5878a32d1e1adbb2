"""Every format by the same functions: what is read, described, converted and refused."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_samples import CLASSES, HEIGHT, WIDTH, Array, cnn, cnn_weights, model
from reading.nnp.networks import small_classifier
from samples import DATA
from whylight.errors import WhylightError
from whylight.graph.inference import OPSET
from whylight.options import ModelOptions
from whylight.reading import Reader, convert, inspect, load, reader, reader_of, reader_through_onnx
from whylight.reading.inspection import Inspection

GIVEN: dict[str, Any] = {
    "input_range": "255",
    "mean": (0.5,),
    "std": (0.5,),
    "layout": "NCHW",
    "input_size": (8, 8),
    "model_input": "x",
    "fix": {"z": 1.0},
    "output_variable": "y",
    "labels": ("cat", "dog", "bird"),
    "output_index": 1,
    "exif_orientation": False,
}
KNOWN_TO_NNABLA = ("input_range", "mean", "std", "output_variable", "labels", "exif_orientation")


def outputs(graph: onnx.ModelProto, images: Array) -> Array:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: images})
    return np.asarray(result)


def images(channels: int = 3) -> Array:
    return np.random.default_rng(0).random((2, channels, HEIGHT, WIDTH)).astype(np.float32)


# ---- options


def test_every_option_of_a_model_is_tried() -> None:
    assert GIVEN.keys() == ModelOptions.arguments().keys()


@pytest.mark.parametrize("name", GIVEN)
def test_options_that_a_format_does_not_know_are_refused(name: str, tmp_path: Path) -> None:
    path = small_classifier(tmp_path / "m.nnp")
    options = ModelOptions(**{name: GIVEN[name]})
    if name in KNOWN_TO_NNABLA:
        classifier = load(path, None, options)
        image = classifier.input
        expected = {**GIVEN, "input_range": 255.0}[name]
        found = {"input_range": image.maximum, "output_variable": classifier.output, "labels": classifier.class_names}
        assert {**found, **asdict(image)}[name] == expected
        return
    for act in (load, inspect):
        with pytest.raises(WhylightError, match=rf"m\.nnp: no option '{name}' for this format \(nnabla network\): it "):
            act(path, None, options)


def test_all_unknown_options_are_named_at_once(tmp_path: Path) -> None:
    path = small_classifier(tmp_path / "m.nnp")
    with pytest.raises(WhylightError, match="no option 'layout' and 'model_input' for this format"):
        load(path, None, ModelOptions(layout="NCHW", model_input="x", mean=(0.5,)))


def test_a_parameter_file_is_refused_where_there_is_none(tmp_path: Path) -> None:
    onnx.save(cnn(), tmp_path / "m.onnx")
    for act in (load, inspect, convert):
        with pytest.raises(
            WhylightError, match=r"m\.onnx: no parameter file for this format \(ONNX\): leave 'p\.h5' o"
        ):
            act(tmp_path / "m.onnx", Path("p.h5"))
    variants = DATA / "variants"
    assert load(variants / "net.nntxt", variants / "parameters.h5").class_count == 10


@pytest.mark.parametrize("name", ["m.nnp", "m.onnx"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": (0.5, 0.0, 0.5)}, "a std of 0"),
        ({"std": (0.0,)}, "a std of 0"),
        ({"mean": (0.5, 0.5)}, "mean has 2 numbers, expected 1 or 3, one a channel"),
        ({"std": (0.5,) * 4}, "std has 4 numbers, expected 1 or 3, one a channel"),
        ({"mean": ()}, "mean has 0 numbers"),
        ({"mean": (0.1, float("nan"), 0.1)}, r"mean is 0\.1, nan, 0\.1: expected finite numbers"),
    ],
)
def test_mean_and_std_have_one_number_a_channel(
    name: str, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    small_classifier(tmp_path / "m.nnp", channels=3)
    onnx.save(cnn(), tmp_path / "m.onnx")
    with pytest.raises(WhylightError, match=f"{name}: {message}"):
        load(tmp_path / name, None, ModelOptions(**options))


@pytest.mark.parametrize("name", ["m.nnp", "m.onnx"])
def test_one_number_is_for_all_channels(name: str, tmp_path: Path) -> None:
    small_classifier(tmp_path / "m.nnp", channels=3)
    onnx.save(cnn(), tmp_path / "m.onnx")
    image = load(tmp_path / name, None, ModelOptions(input_range=1, mean=0.5, std=(0.1, 0.2, 0.3))).input  # type: ignore[arg-type]
    assert (image.mean, image.std) == ((0.5,) * 3, (0.1, 0.2, 0.3))


def test_two_means_of_one_channel(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"mean has 2 numbers, expected 1$"):
        load(small_classifier(tmp_path / "m.nnp"), None, ModelOptions(mean=(0.1, 0.2)))


# ---- which reader


def test_the_suffix_says_the_format_and_where_it_does_not_the_content(tmp_path: Path) -> None:
    small_classifier(tmp_path / "m.zip")
    onnx.save(cnn(), tmp_path / "M.ONNX")
    assert reader_of(tmp_path / "m.zip").name == "nnabla network"
    assert reader_of(tmp_path / "M.ONNX").name == "ONNX"
    assert load(tmp_path / "m.zip").class_count == 3
    (tmp_path / "m.txt").write_text("nothing")
    expected = r"m\.txt: expected a model file: \.nnp, \.nntxt, \.prototxt, \.protobuf, \.onnx, \.pt2$"
    with pytest.raises(WhylightError, match=expected):
        reader_of(tmp_path / "m.txt")


@pytest.mark.parametrize("suffix", [".nnp", ".onnx", ".pt2", ".pth", ".txt"])
def test_what_is_no_file_is_refused_before_it_is_read(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"none.*: no such file"):
        load(tmp_path / f"none{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(WhylightError, match=r"folder.*: is a folder, not a file"):
        inspect(tmp_path / f"folder{suffix}")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(WhylightError, match=r"pipe.*: not a file"):
            convert(tmp_path / f"pipe{suffix}")


def test_pickles_are_refused_whatever_is_asked(tmp_path: Path) -> None:
    for suffix in (".pt", ".pth", ".ckpt"):
        (tmp_path / f"m{suffix}").write_bytes(b"PK")
        for act in (load, inspect, convert):
            with pytest.raises(WhylightError, match="a pickle of PyTorch is not read, it may run code"):
                act(tmp_path / f"m{suffix}")


def test_a_suffix_has_one_reader() -> None:
    def read(path: Path) -> onnx.ModelProto:
        return onnx.load(path)

    with pytest.raises(
        WhylightError, match=r"reader of '\.onnx' is defined twice, in whylight\.reading:_read_onnx and"
    ):
        reader(reader_through_onnx("mine", (".onnx",), read))


def test_a_reader_of_ones_own(tmp_path: Path) -> None:
    def none(path: Path, *_: object) -> Any:
        raise WhylightError(f"{path}: read by its own reader")

    own = reader(Reader("mine", (".own-of-a-test",), none, none, none))
    path = tmp_path / "m.own-of-a-test"
    path.write_bytes(b"its own")
    assert reader_of(path) is own
    with pytest.raises(WhylightError, match="read by its own reader"):
        load(path)
    with pytest.raises(WhylightError, match=r"no option 'mean' for this format \(mine\): it takes none"):
        load(path, None, ModelOptions(mean=(0.5,)))


# ---- ONNX


def test_convert_of_onnx_is_the_model_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(
        cnn(opset=13, kind=TensorProto.DOUBLE),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").exists()
    converted = convert(path)
    assert [(entry.domain, entry.version) for entry in converted.opset_import] == [("", OPSET)]
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in converted.graph.initializer}
    assert held["kernel"].dtype == np.float32
    np.testing.assert_array_equal(held["kernel"], cnn_weights()["kernel"])
    np.testing.assert_allclose(outputs(converted, images()), outputs(cnn(opset=13), images()), atol=1e-6)
    onnx.save(converted, tmp_path / "again.onnx")
    assert convert(tmp_path / "again.onnx") == converted


def test_convert_of_onnx_inlines_functions(tmp_path: Path) -> None:
    inner = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    shape: list[str | int | None] = ["batch", CLASSES]
    graph = model(
        [helper.make_node("Twice", ["x"], ["y"], domain="own")],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        {},
    )
    graph.functions.append(inner)
    graph.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(graph, tmp_path / "m.onnx")
    converted = convert(tmp_path / "m.onnx")
    assert [node.op_type for node in converted.graph.node] == ["Add"]
    x = np.ones((2, CLASSES), np.float32)
    np.testing.assert_array_equal(outputs(converted, x), 2 * x)


def test_convert_of_onnx_refuses_what_is_not_valid(tmp_path: Path) -> None:
    broken = cnn()
    del broken.graph.node[1].input[:]
    onnx.save(broken, tmp_path / "m.onnx")
    with pytest.raises(WhylightError, match=r"m\.onnx: .*"):
        convert(tmp_path / "m.onnx")


# ---- exported programs of PyTorch


@pytest.fixture
def program(tmp_path: Path) -> tuple[Path, Any]:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    pooled = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(5, 4), torch.nn.Softmax(1))
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU(), *pooled).eval()
    batch = {0: torch.export.Dim("N")}
    exported = torch.export.export(module, (torch.zeros(2, 3, HEIGHT, WIDTH),), dynamic_shapes=(batch,))
    torch.export.save(exported, tmp_path / "m.pt2")
    return tmp_path / "m.pt2", module


def test_an_exported_program_is_described(program: tuple[Path, Any]) -> None:
    path, _ = program
    held = inspect(path, None, ModelOptions(input_range="1", mean=(0.5,)))
    assert isinstance(held, Inspection)
    said = held.to_dict()
    assert said["format"].startswith(f"PyTorch exported program, operator set {OPSET}")
    assert said["problem"] is None
    assert (said["classes"], said["final_activation"]) == (4, "Softmax")
    (image,) = said["inputs"]
    assert image["shape"][1:] == [3, HEIGHT, WIDTH]
    assert (image["mean"], image["range"]) == ([0.5] * 3, 1.0)
    assert set(said["default_layers"]) <= {layer["name"] for layer in said["layers"]}
    assert said["functions"]["Conv"] == 1
    assert "layers that can be explained" in held.to_text()


def test_an_exported_program_is_converted(program: tuple[Path, Any], tmp_path: Path) -> None:
    import torch

    path, module = program
    converted = convert(path)
    expected = module(torch.tensor(images())).detach().numpy()
    np.testing.assert_allclose(outputs(converted, images()), expected, atol=1e-5)
    onnx.save(converted, tmp_path / "m.onnx")
    assert load(tmp_path / "m.onnx", None, ModelOptions(input_range="1")).class_count == 4
