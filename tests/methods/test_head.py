"""CAM, against torchcam and the head's own weights; and the networks that it refuses."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from describing import describe
from methods.peers import assert_same_map, classifier, initializers, our_maps, peers
from whylight.classifier.layer import Layer
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def test_cam_is_torchcams() -> None:
    assert_same_map(our_maps("pooled", "cam"), peers("pooled")["last/torchcam/cam"])


def test_cam_is_the_sum_by_the_heads_weights_and_finds_its_layer() -> None:
    stored = peers("pooled")
    weights = onnx.numpy_helper.to_array(initializers("pooled")["3.weight"])[stored["classes"]]
    expected = np.einsum("nk,nkhw->nhw", weights, stored["last/activation"])
    assert (expected < 0).any()
    assert_same_map(our_maps("pooled", "cam"), expected)
    assert classifier("pooled").explainer("cam").facts.maps[0].layer == "relu_4"


@pytest.mark.parametrize("head", ["average", "mean", "convolution", "product"])
def test_ways_to_write_the_head(head: str) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 6)).astype(np.float32)
    op = GraphBuilder()
    features = op.Relu(op.Conv(op.input("image", ("N", 3, 8, 8)), rng.normal(size=(6, 3, 3, 3)).astype(np.float32)))

    def pooled() -> Tensor:
        match head:
            case "average":
                return op.Flatten(op.AveragePool(features, kernel_shape=[6, 6]))
            case "mean":
                return op.ReduceMean(features, [2, 3], keepdims=0)
            case _:
                return op.GlobalAveragePool(features)

    def scores() -> Tensor:
        match head:
            case "convolution":
                return op.Flatten(op.Conv(pooled(), weights[:, :, np.newaxis, np.newaxis]))
            case "product":
                return op.Add(op.MatMul(op.Reshape(pooled(), [0, -1]), weights.T), np.ones(4, np.float32))
            case _:
                return op.Gemm(pooled(), weights, np.ones(4, np.float32), transB=1)

    model = op.model([op.Softmax(scores()), features], "cam")
    output = model.graph.output[0].name
    described = describe(Path("cam"), model, [Layer("features", "Relu", features.name)], "image", 1, output)
    images = rng.random((3, 3, 8, 8), np.float32)
    explainer = described.explainer("cam")
    classes = np.array([0, 3, 2])
    activation = explainer.fetch([features.name], images, classes)[0]
    expected = np.einsum("nk,nkhw->nhw", weights[classes], activation)
    assert_same_map(explainer.run(images, classes)[2], expected)


def test_a_network_with_a_hidden_layer_is_refused() -> None:
    with pytest.raises(WhylightError, match=r"'cam' takes networks.*before its class scores it has 'n10' \(Where\)"):
        our_maps("hidden", "cam")


def test_another_layer_than_the_pooled_one_is_refused() -> None:
    with pytest.raises(WhylightError, match="layer 'relu_2' is not what it pools; expected 'relu_4'"):
        our_maps("pooled", "cam", "middle")
