"""Other inputs than the image, fixed by an option: the network is that of one input which has their values in it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, cnn_weights, expected_cam, model
from whylight.errors import WhylightError

Array = np.ndarray[Any, Any]

HALF = "0.5"
IMAGES = np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3)).astype(np.float32)


def load(folder: Path, content: onnx.ModelProto, **options: Any) -> whylight.Classifier:
    onnx.save(content, folder / "model.onnx")
    return whylight.load(folder / "model.onnx", input_range=1, **options)


def features(image: Array) -> Array:
    """What the sample's head reads of an image (H, W, 3)."""
    weights = cnn_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image.transpose(2, 0, 1), (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None]
    return np.asarray(np.maximum(maps, 0).mean((1, 2)))


def head(values: Array) -> Array:
    weights = cnn_weights()
    return np.asarray(values @ weights["weight"] + weights["offset"])


def with_metadata(batch: int | str = "batch", opset: int = 17, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The sample, which adds to its features a product of metadata (N, 2)."""
    content: onnx.ModelProto = cnn(batch=batch, opset=opset)
    content.graph.input.append(helper.make_tensor_value_info("meta", kind, [batch, 2]))
    content.graph.initializer.append(numpy_helper.from_array(np.arange(10, dtype=np.float32).reshape(2, 5), "mixing"))
    gemm = next(index for index, node in enumerate(content.graph.node) if node.op_type == "Gemm")
    content.graph.node[gemm].input[0] = "enriched"
    for node in (
        helper.make_node("Add", ["features", "mixed"], ["enriched"]),
        helper.make_node("MatMul", ["numbers", "mixing"], ["mixed"]),
        helper.make_node("Cast", ["meta"], ["numbers"], to=TensorProto.FLOAT),
    ):
        content.graph.node.insert(gemm, node)
    return content


MIXING = np.arange(10, dtype=np.float32).reshape(2, 5)


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("opset", [9, 17])
@pytest.mark.parametrize("given", [HALF, 0.5, [0.5, 0.25], "file", np.array([[0.5, 0.25]])])
def test_an_image_with_metadata(tmp_path: Path, given: Any, batch: int | str, opset: int) -> None:
    values = [0.5, 0.5] if isinstance(given, float) or given is HALF else [0.5, 0.25]
    if isinstance(given, str) and given == "file":
        np.save(tmp_path / "meta.npy", np.array(values))
        given = tmp_path / "meta.npy"
    classifier = load(tmp_path, with_metadata(batch, opset), fix={"meta": given})
    assert classifier.tensors["image"].shape[0] == "N"
    found = classifier.explainer(layer="conv")(list(IMAGES), [1, 2])
    for explanation, image, index in zip(found, IMAGES, (1, 2), strict=True):
        expected = head(features(image) + np.array(values) @ MIXING)
        assert explanation.score == pytest.approx(expected[index], abs=1e-4)
        np.testing.assert_allclose(explanation.cam, expected_cam(image.transpose(2, 0, 1), index), atol=1e-4)


def test_values_have_the_type_of_the_input(tmp_path: Path) -> None:
    content = with_metadata(kind=TensorProto.INT64)
    explanation = load(tmp_path, content, fix="meta=3").explainer()(IMAGES[0], 1)
    expected = head(features(IMAGES[0]) + np.array([3, 3]) @ MIXING)
    assert explanation.score == pytest.approx(expected[1], abs=1e-3)
    with pytest.raises(WhylightError, match="input 'meta' takes int64, and the value for it holds other numbers"):
        load(tmp_path, content, fix="meta=0.5")


def siamese(batch: int | str) -> onnx.ModelProto:
    """Two images through the sample's convolution; the scores are those of the features' difference."""
    weights = cnn_weights()
    nodes = []
    for name in ("first", "second"):
        nodes += [
            helper.make_node("Conv", [name, "kernel", "bias"], [f"{name}/maps"], name=f"{name}/conv"),
            helper.make_node("Relu", [f"{name}/maps"], [f"{name}/rectified"], name=f"{name}/act"),
            helper.make_node("ReduceMean", [f"{name}/rectified"], [f"{name}/features"], axes=[2, 3], keepdims=0),
        ]
    nodes += [
        helper.make_node("Sub", ["first/features", "second/features"], ["difference"]),
        helper.make_node("Gemm", ["difference", "weight", "offset"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info(name, 1, [batch, 3, HEIGHT, WIDTH]) for name in ("first", "second")]
    outputs = [helper.make_tensor_value_info("scores", 1, [batch, CLASSES])]
    return model(nodes, inputs, outputs, weights)


@pytest.mark.parametrize("batch", ["batch", 1])
def test_one_of_two_images_that_are_compared(tmp_path: Path, batch: int | str) -> None:
    other = np.random.default_rng(1).random((3, HEIGHT, WIDTH)).astype(np.float32)
    classifier = load(tmp_path, siamese(batch), fix={"second": other})
    assert [layer.name for layer in classifier.layers] == ["first/conv", "first/act"], "the other's tower is fixed"
    found = classifier.explainer(layer="first/conv")(list(IMAGES), 3)
    for explanation, image in zip(found, IMAGES, strict=True):
        expected = head(features(image) - features(other.transpose(1, 2, 0)))
        assert explanation.score == pytest.approx(expected[3], abs=1e-4)
        np.testing.assert_allclose(explanation.cam, expected_cam(image.transpose(2, 0, 1), 3), atol=1e-4)


def comparing_texts(texts: int | str) -> onnx.ModelProto:
    """Features of an image times those of each text: scores (images, texts), and (texts, images) beside them."""
    random = np.random.default_rng(3)
    values = {**cnn_weights(), "table": random.standard_normal((9, 5)).astype(np.float32)}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("ReduceMean", ["words"], ["text"], axes=[1], keepdims=0),
        helper.make_node("Transpose", ["text"], ["text/T"], perm=[1, 0]),
        helper.make_node("Conv", ["image", "kernel", "bias"], ["maps"], name="conv"),
        helper.make_node("Relu", ["maps"], ["rectified"], name="act"),
        helper.make_node("ReduceMean", ["rectified"], ["features"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["features", "text/T"], ["per_image"]),
        helper.make_node("Transpose", ["per_image"], ["per_text"], perm=[1, 0]),
    ]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, [texts, 4]),
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["images", 3, HEIGHT, WIDTH]),
    ]
    names = ("per_text", "text", "per_image")
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    return model(nodes, inputs, outputs, values)


@pytest.mark.parametrize("texts", ["texts", "images", 3])
def test_texts_are_the_classes_of_a_network_that_compares_them_with_images(tmp_path: Path, texts: int | str) -> None:
    ids = np.random.default_rng(4).integers(0, 9, (3, 4))
    np.save(tmp_path / "ids.npy", ids)
    content = comparing_texts(texts)
    classifier = load(tmp_path, content, fix=f"ids={tmp_path / 'ids.npy'}")
    assert (classifier.output, classifier.class_count) == ("per_image", 3)
    table = numpy_helper.to_array(next(each for each in content.graph.initializer if each.name == "table"))
    found = classifier.explainer()(list(IMAGES), [0, 2])
    for explanation, image, index in zip(found, IMAGES, (0, 2), strict=True):
        assert explanation.score == pytest.approx(features(image) @ table[ids].mean(1)[index], abs=1e-4)


@pytest.mark.parametrize("texts", ["texts", "images", "others"])
def test_a_number_takes_the_extents_that_an_array_says(tmp_path: Path, texts: str) -> None:
    """Axes of one name have one extent: a mask has as many entries as there are words."""
    content = comparing_texts(texts)
    content.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "words"
    rows = "rows of the mask" if texts == "others" else texts
    content.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [rows, "words"]))
    content.graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), "two"))
    content.graph.node[1].input[0] = "masked"
    content.graph.node.insert(1, helper.make_node("Mul", ["words", "long"], ["masked"]))
    content.graph.node.insert(1, helper.make_node("Unsqueeze", ["mask", "two"], ["long"]))
    ids = np.random.default_rng(4).integers(0, 9, (3, 4))
    classifier = load(tmp_path, content, fix={"ids": ids, "mask": 2})
    table = numpy_helper.to_array(next(each for each in content.graph.initializer if each.name == "table"))
    explanation = classifier.explainer()(IMAGES[0], 1)
    assert explanation.score == pytest.approx(2 * features(IMAGES[0]) @ table[ids].mean(1)[1], abs=1e-4)
    alone = with_metadata()
    alone.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "numbers"
    with pytest.raises(
        WhylightError, match=r"'meta' is \(batch, numbers\), of no fixed size: expected an array for it"
    ):
        load(tmp_path, alone, fix={"meta": 2})


def test_a_batch_axis_that_is_not_the_first(tmp_path: Path) -> None:
    """As that of the first state of a recurrent layer."""
    content = with_metadata()
    content.graph.input[1].CopyFrom(helper.make_tensor_value_info("meta", TensorProto.FLOAT, [1, "batch", 2]))
    content.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "outer"))
    cast = next(index for index, node in enumerate(content.graph.node) if node.op_type == "Cast")
    content.graph.node[cast].input[0] = "flat/meta"
    content.graph.node.insert(cast, helper.make_node("Squeeze", ["meta", "outer"], ["flat/meta"]))
    for given in (0.5, np.full((1, 2), 0.5), np.full((1, 1, 2), 0.5)):
        found = load(tmp_path, content, fix={"meta": given}).explainer()(list(IMAGES), 1)
        for explanation, image in zip(found, IMAGES, strict=True):
            expected = head(features(image) + np.array([0.5, 0.5]) @ MIXING)
            assert explanation.score == pytest.approx(expected[1], abs=1e-4)


def test_the_command_takes_it_and_keeps_one_explainer_a_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    from PIL import Image

    from whylight.cli import main

    path, image = tmp_path / "model.onnx", tmp_path / "image.png"
    onnx.save(with_metadata(), path)
    Image.fromarray((255 * IMAGES[0]).astype(np.uint8)).save(image)
    np.save(tmp_path / "meta.npy", np.array([1, 2]))
    command = ["gradcam", "-m", str(path), "--image", str(image), "--output", str(tmp_path / "o.png"), "--json"]
    scores = []
    for value in (f"{tmp_path / 'meta.npy'}", "0.5", f"{tmp_path / 'meta.npy'}"):
        capsys.readouterr()
        assert main([*command, "--input_range", "1", "--fix", f"meta={value}"]) == 0
        scores.append(json.loads(capsys.readouterr().out)["score"])
        np.save(tmp_path / "meta.npy", np.array([2, 1]))
    assert len(set(scores)) == 3, "the file has other numbers the second time"


def test_a_value_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(
        WhylightError, match=r"'meta' \(\?, 2\): say their values by the option 'fix', such as meta=0.5"
    ):
        load(tmp_path, with_metadata())


@pytest.mark.parametrize(
    ("fix", "message"),
    [
        ({"mta": 1}, "no input 'mta' to fix; the nearest are 'meta'"),
        ({"image": 1}, "beside the image 'meta'|no input is an image"),
        ({"meta": [1, 2, 3]}, r"input 'meta' is \(batch, 2\), expected an array of that shape, found \(1, 3\)"),
        ({"meta": np.zeros((1, 2, 2))}, r"expected an array of that shape, found \(1, 2, 2\)"),
        ("meta", "fix 'meta': expected a name, =, and a number or a .npy or .csv file"),
        (["meta=1", "meta=2"], "a name is given twice"),
        ({"meta": "nothing.npy"}, "nothing.npy: no such file"),
        ({"meta": object()}, "expected numbers for 'meta', found object"),
    ],
)
def test_values_that_do_not_fit(tmp_path: Path, fix: Any, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        load(tmp_path, with_metadata(), fix=fix)
