"""Convolutions and products in 8 bits: they are layers as those in real numbers are."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import whylight
from onnx_samples import HEIGHT, WIDTH, cnn, cnn_weights
from whylight.errors import WhylightError, WhylightWarning

Array = np.ndarray[Any, Any]

IMAGES = np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3)).astype(np.float32)
MAPS = 12.0
"""The largest value of the sample's first feature maps, about."""


def feature_maps(image: Array) -> Array:
    """What the sample's convolution gives of an image (H, W, 3)."""
    weights = cnn_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image.transpose(2, 0, 1), (3, 3), (1, 2))
    return np.asarray(np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None])


def in_8_bits(operator: str, batch: int | str = "batch") -> onnx.ModelProto:
    """The sample with its convolution in whole numbers, as ONNX Runtime's quantizers write it."""
    content: onnx.ModelProto = cnn(batch=batch)
    weights = cnn_weights()
    scale = np.float32(np.abs(weights["kernel"]).max() / 127)
    values = {
        "kernel/8": (weights["kernel"] / scale).round().astype(np.int8),
        "kernel/scale": scale,
        "kernel/zero": np.int8(0),
        "bias/4d": weights["bias"].reshape(1, -1, 1, 1),
    }
    if operator == "ConvInteger":
        nodes = [
            helper.make_node("DynamicQuantizeLinear", ["image"], ["image/8", "image/scale", "image/zero"]),
            helper.make_node("Mul", ["image/scale", "kernel/scale"], ["scale"], name="scales"),
            helper.make_node(
                "ConvInteger", ["image/8", "kernel/8", "image/zero", "kernel/zero"], ["sums"], name="conv"
            ),
            helper.make_node("Cast", ["sums"], ["sums/real"], to=1),
            helper.make_node("Mul", ["sums/real", "scale"], ["scaled"], name="scaling"),
            helper.make_node("Add", ["scaled", "bias/4d"], ["maps"], name="bias"),
        ]
    else:
        values |= {
            "image/scale": np.float32(1 / 255),
            "image/zero": np.uint8(0),
            "maps/scale": np.float32(2 * MAPS / 255),
            "maps/zero": np.uint8(128),
            "bias/32": (weights["bias"] * 255 / scale).round().astype(np.int32),
        }
        given = ["image/8", "image/scale", "image/zero", "kernel/8", "kernel/scale", "kernel/zero"]
        nodes = [
            helper.make_node("QuantizeLinear", ["image", "image/scale", "image/zero"], ["image/8"]),
            helper.make_node("QLinearConv", [*given, "maps/scale", "maps/zero", "bias/32"], ["maps/8"], name="conv"),
            helper.make_node("DequantizeLinear", ["maps/8", "maps/scale", "maps/zero"], ["maps"]),
        ]
    content.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in values.items())
    del content.graph.node[0]
    for node in reversed(nodes):
        content.graph.node.insert(0, node)
    return content


def load(folder: Path, content: onnx.ModelProto) -> whylight.Classifier:
    onnx.save(content, folder / "model.onnx")
    return whylight.load(folder / "model.onnx", input_range=1)


@pytest.mark.parametrize("operator", ["ConvInteger", "QLinearConv"])
def test_a_convolution_in_whole_numbers_is_a_layer(tmp_path: Path, operator: str) -> None:
    classifier = load(tmp_path, in_8_bits(operator))
    assert [(layer.name, layer.type) for layer in classifier.layers] == [("conv", operator), ("act", "Relu")]
    assert (classifier.default_layer.name, classifier.last_convolution.name) == ("act", "conv")
    tensor = classifier.last_convolution.tensor
    model = onnx.ModelProto()
    model.CopyFrom(classifier.model)
    model.graph.output.append(helper.make_tensor_value_info(tensor, 1, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run([tensor], {"image": IMAGES[:1].transpose(0, 3, 1, 2)})[0]
    np.testing.assert_allclose(found[0], feature_maps(IMAGES[0]), atol=0.3)


def test_methods_without_a_derivative_look_at_it(tmp_path: Path) -> None:
    """Images are rounded by the largest number among those of a batch: each is looked at by itself."""
    classifier = load(tmp_path, in_8_bits("ConvInteger"))
    with pytest.warns(WhylightWarning, match="each is explained by itself"):
        explainer = classifier.explainer("ablation-cam")
    both = explainer([IMAGES[0], 0.3 * IMAGES[1]], 3)
    assert both[0].layer == "act"
    assert np.ptp(both[0].cam) > 0
    (alone,) = explainer([0.3 * IMAGES[1]], 3)
    np.testing.assert_array_equal(both[1].cam, alone.cam)
    assert both[1].score == alone.score


def test_methods_that_need_a_derivative_name_others(tmp_path: Path) -> None:
    content = in_8_bits("ConvInteger")
    values = {"weight/8": np.ones((5, 4), np.int8), "weight/zero": np.int8(0)}
    content.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in values.items())
    place = next(index for index, node in enumerate(content.graph.node) if node.op_type == "Gemm")
    content.graph.node[place].CopyFrom(helper.make_node("Cast", ["products"], ["scores"], to=1))
    for node in (
        helper.make_node("MatMulInteger", ["f/8", "weight/8", "f/zero", "weight/zero"], ["products"], name="head"),
        helper.make_node("DynamicQuantizeLinear", ["features"], ["f/8", "f/scale", "f/zero"], name="round"),
    ):
        content.graph.node.insert(place, node)
    classifier = load(tmp_path, content)
    with pytest.raises(WhylightError, match=r"quantized \(DynamicQuantizeLinear 'round', .*such as score-cam"):
        classifier.explainer()


def test_operators_of_quantizers_outside_of_the_standard(tmp_path: Path) -> None:
    content = in_8_bits("QLinearConv")
    content.graph.node[3].op_type, content.graph.node[3].domain = "QLinearSigmoid", "com.microsoft"
    content.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(WhylightError, match=r"com\.microsoft\.QLinearSigmoid; quantize it with QuantFormat\.QDQ"):
        load(tmp_path, content)
