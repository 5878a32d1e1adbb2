"""Pictures in one row of numbers, and signals that are nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, expected_cam, model
from whylight.errors import WhylightError

Array = np.ndarray[Any, Any]

IMAGES = np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3)).astype(np.float32)


def load(folder: Path, content: onnx.ModelProto, **options: Any) -> whylight.Classifier:
    onnx.save(content, folder / "model.onnx")
    return whylight.load(folder / "model.onnx", input_range=1, **options)


def perceptron(numbers: int, batch: int | str = "batch") -> tuple[onnx.ModelProto, Array, Array]:
    """Two products with a Relu between them, and their weights."""
    random = np.random.default_rng(5)
    first, second = random.standard_normal((numbers, 6)), random.standard_normal((6, CLASSES))
    nodes = [
        helper.make_node("MatMul", ["row", "first"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["rectified"]),
        helper.make_node("MatMul", ["rectified", "second"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("row", TensorProto.FLOAT, [batch, numbers])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])]
    values = {"first": first.astype(np.float32), "second": second.astype(np.float32)}
    return model(nodes, inputs, outputs, values), first, second


@pytest.mark.parametrize("batch", ["batch", 1])
def test_a_gray_picture_in_one_row(tmp_path: Path, batch: int | str) -> None:
    content, first, second = perceptron(HEIGHT * WIDTH, batch)
    classifier = load(tmp_path, content, input_size=f"{HEIGHT},{WIDTH}")
    assert (classifier.input.channels, classifier.input.size) == (1, (HEIGHT, WIDTH))
    explainer = classifier.explainer("input-x-gradient")
    images = IMAGES[:, np.newaxis, :, :, 0]
    *_, scores, maps = explainer.run(images, np.array([1, 3]))
    for image, index, score, cam in zip(images, (1, 3), scores, maps, strict=True):
        hidden = image.reshape(-1) @ first
        assert score == pytest.approx((np.maximum(hidden, 0) @ second)[index], abs=1e-4)
        slopes = first @ (second[:, index] * (hidden > 0))
        np.testing.assert_allclose(cam, np.maximum(slopes.reshape(HEIGHT, WIDTH) * image[0], 0), atol=1e-4)


@pytest.mark.parametrize("layout", ["auto", "NCHW", "NHWC"])
def test_a_picture_with_colors_in_one_row(tmp_path: Path, layout: str) -> None:
    """The sample, whose image comes in a row, and is put in its shape by a Reshape."""
    content = cnn(layout="NHWC" if layout == "NHWC" else "NCHW")
    extents = [HEIGHT, WIDTH, 3] if layout == "NHWC" else [3, HEIGHT, WIDTH]
    content.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, *extents], np.int64), "extents"))
    content.graph.node[0].input[0] = "placed"
    content.graph.node.insert(0, helper.make_node("Reshape", ["image", "extents"], ["placed"]))
    numbers = 3 * HEIGHT * WIDTH
    content.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", numbers]))
    classifier = load(tmp_path, content, input_size=(HEIGHT, WIDTH), layout=layout)
    assert classifier.default_layer.name == "act"
    for explanation, image in zip(classifier.explainer(layer="conv")(list(IMAGES), 2), IMAGES, strict=True):
        np.testing.assert_allclose(explanation.cam, expected_cam(image.transpose(2, 0, 1), 2), atol=1e-4)


def test_a_row_of_numbers_is_a_signal_where_its_length_is_said(tmp_path: Path) -> None:
    content, first, second = perceptron(20)
    classifier = load(tmp_path, content, input_size=20)
    assert (classifier.input.kind, classifier.input.layout) == ("signal", "L")
    signal = np.random.default_rng(6).standard_normal(20).astype(np.float32)
    explanation = classifier.explainer("gradient")(signal, 2)
    hidden = signal @ first
    assert explanation.score == pytest.approx((np.maximum(hidden, 0) @ second)[2], abs=1e-4)
    slopes = np.abs(first @ (second[:, 2] * (hidden > 0)))
    np.testing.assert_allclose(explanation.cam, (slopes - slopes.min()) / np.ptp(slopes), atol=1e-4)


def test_what_to_say_of_a_row_of_numbers(tmp_path: Path) -> None:
    content, *_ = perceptron(20)
    with pytest.raises(WhylightError, match=r"if 'row' is a picture in one row, .*'input_size', H,W; if .* length, 20"):
        load(tmp_path, content)
    with pytest.raises(WhylightError, match="'row' has 20 numbers for each image, an input size of 3,4 does not fit"):
        load(tmp_path, content, input_size=(3, 4))


@pytest.mark.parametrize("front", ["Unsqueeze", "Reshape"])
def test_a_waveform(tmp_path: Path, front: str) -> None:
    """(N, L) ──> (N, 1, L) ──Conv──> Relu ──mean──> Gemm: the map lies along the waveform."""
    random = np.random.default_rng(7)
    values: dict[str, Array] = {
        "kernel": random.standard_normal((5, 1, 4)).astype(np.float32),
        "weight": random.standard_normal((5, CLASSES)).astype(np.float32),
        "axes": np.array([1] if front == "Unsqueeze" else [-1, 1, 40], np.int64),
    }
    nodes = [
        helper.make_node(front, ["wave", "axes"], ["long"]),
        helper.make_node("Conv", ["long", "kernel"], ["maps"], name="conv", strides=[2]),
        helper.make_node("Relu", ["maps"], ["rectified"], name="act"),
        helper.make_node("ReduceMean", ["rectified"], ["features"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["features", "weight"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("wave", TensorProto.FLOAT, ["batch", 40])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])]
    classifier = load(tmp_path, model(nodes, inputs, outputs, values))
    assert (classifier.input.layout, classifier.default_layer.name) == ("L", "act")
    wave = random.standard_normal(40).astype(np.float32)
    maps = np.lib.stride_tricks.sliding_window_view(wave, 4)[::2] @ values["kernel"][:, 0].T
    weights = values["weight"][:, 1] * (maps > 0).mean(0)
    expected = np.maximum(maps @ weights, 0)
    found = classifier.explainer(layer="conv")(wave, 1)
    np.testing.assert_allclose(found.cam, (expected - expected.min()) / np.ptp(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("extents", "layout", "kind"),
    [((8, 8), "HW", "a gray picture"), ((3, 9), "CL", "a signal, channels first"), ((9, 3), "LC", "channels last")],
)
def test_what_two_axes_stand_for_is_guessed_where_nothing_says_it(
    tmp_path: Path, extents: tuple[int, int], layout: str, kind: str
) -> None:
    """As where a network begins with Flatten and products."""
    content, *_ = perceptron(extents[0] * extents[1])
    content.graph.node.insert(0, helper.make_node("Flatten", ["image"], ["row"]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *extents])
    content.graph.input[0].CopyFrom(image)
    classifier = load(tmp_path, content)
    assert classifier.input.layout == layout
    assert kind in classifier.notes[0]
    said = load(tmp_path, content, input_size=extents)
    assert (said.input.layout, said.notes) == ("HW", ())
    assert load(tmp_path, content, layout="NLC").notes == ()
