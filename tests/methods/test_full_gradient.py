"""FullGrad, against pytorch-grad-cam and against what the gradients have to add up to."""

from pathlib import Path

import numpy as np
import pytest

from describing import describe
from methods.peers import Array, assert_same_map, our_maps, peers
from whylight.graph.builder import GraphBuilder


@pytest.mark.parametrize("model", ["pooled", "hidden"])
def test_maps_are_those_of_pytorch_grad_cam(model: str) -> None:
    assert_same_map(our_maps(model, "fullgrad"), peers(model)["pytorch-grad-cam/fullgrad"])


def test_batch_normalization_and_added_constants_are_biases() -> None:
    rng = np.random.default_rng(9)
    weights, head = rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(4 * 36, 2)).astype(np.float32)
    scale, offset, mean, added = rng.normal(size=(4, 4, 1, 1)).astype(np.float32)
    variance = rng.uniform(0.5, 2, (4, 1, 1)).astype(np.float32)
    statistics = [vector.ravel() for vector in (scale, offset, mean, variance)]
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 6, 6))
    features = op.Conv(op.Sub(image, np.float32(0.5)), weights[:, :, np.newaxis, np.newaxis])
    features = op.Relu(op.BatchNormalization(features, *statistics, epsilon=0.1))
    features = op.Add(added, features)
    scores = op.Gemm(op.Flatten(op.Tanh(features)), head, np.ones(2, np.float32))
    model = describe(Path("full"), op.model([scores], "full"), [], "image", 1)
    images, classes = rng.random((2, 3, 6, 6), np.float32), np.array([1, 0])

    factor = scale / np.sqrt(variance + 0.1)
    bias = offset - factor * mean
    normalized = factor * np.einsum("oc,nchw->nohw", weights, images - 0.5) + bias
    last = np.tanh(np.maximum(normalized, 0) + added)
    of_added = head[:, classes].T.reshape(2, 4, 6, 6) * (1 - last**2)
    of_bias = of_added * (normalized > 0)
    of_image = np.einsum("oc,nohw->nchw", weights, of_bias * factor)

    def psi(owed: Array) -> Array:
        size = np.abs(owed)
        low, high = size.min((2, 3), keepdims=True), size.max((2, 3), keepdims=True)
        return np.asarray(((size - low) / np.where(high > low, high - low, 1)).sum(1))

    expected = psi(images * of_image) + psi(bias * of_bias) + psi(added * of_added)
    assert_same_map(model.explainer("fullgrad").run(images, classes)[2], expected)
