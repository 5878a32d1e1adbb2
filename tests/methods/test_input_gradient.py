"""Gradients by the image, against captum; guided backpropagation of a bounded ReLU by hand."""

from pathlib import Path

import numpy as np
import pytest

from describing import describe
from methods.peers import Array, assert_same_map, our_maps, peers
from whylight.classifier.layer import Layer
from whylight.graph.builder import GraphBuilder


@pytest.mark.parametrize("method", ["gradient", "guided-backprop"])
def test_maps_are_the_largest_size_of_captums(method: str) -> None:
    assert_same_map(our_maps("pooled", method), np.abs(peers("pooled")[f"captum/{method}"]).max(1))


def test_input_x_gradient_is_the_sum_of_captums() -> None:
    expected = np.maximum(peers("pooled")["captum/input-x-gradient"].sum(1), 0)
    assert_same_map(our_maps("pooled", "input-x-gradient"), expected)


def test_guided_gradcam_is_captums() -> None:
    expected = np.abs(peers("pooled")["captum/guided-gradcam"]).max(1)
    assert_same_map(our_maps("pooled", "guided-gradcam", "last"), expected)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_a_relu_with_an_upper_bound_is_guided_and_another_clip_is_not(low: float) -> None:
    rng = np.random.default_rng(7)
    weights = rng.normal(size=(3, 3, 1, 1)).astype(np.float32)
    head = rng.normal(size=(48, 4)).astype(np.float32)
    op = GraphBuilder()
    before = op.Conv(op.input("image", ("N", 3, 4, 4)), weights)
    bounded = op.Clip(before, np.float32(low), np.float32(1))
    scores = op.MatMul(op.Flatten(bounded), head)
    layer = Layer("features", "Conv", before.name)
    explainer = describe(Path("clip"), op.model([scores], "clip"), [layer], "image", 1).explainer("guided-backprop")
    images, classes = rng.normal(size=(2, 3, 4, 4)).astype(np.float32), np.array([1, 3])
    features = np.einsum("oc,nchw->nohw", weights[:, :, 0, 0], images)
    slope = head[:, classes].T.reshape(2, 3, 4, 4) * ((features > low) & (features < 1))
    slope = np.maximum(slope, 0) if low == 0 else slope
    expected = np.abs(np.einsum("oc,nohw->nchw", weights[:, :, 0, 0], slope)).max(1)
    assert_same_map(explainer.run(images, classes)[2], expected)


def test_guided_gradcam_of_a_cropped_image_covers_the_crop() -> None:
    rng = np.random.default_rng(8)
    weights, head = rng.normal(size=(4, 3, 1, 1)).astype(np.float32), rng.normal(size=(4, 2)).astype(np.float32)
    op = GraphBuilder()
    cropped = op.Slice(op.input("image", ("N", 3, 8, 8)), [2, 0], [6, 8], [2, 3])
    features = op.Relu(op.Conv(cropped, weights))
    scores = op.Gemm(op.Flatten(op.GlobalAveragePool(features)), head)
    layer = Layer("features", "Relu", features.name)
    model = describe(Path("crop"), op.model([scores], "crop"), [layer], "image", 1)
    explainer = model.explainer("guided-gradcam", "features")
    images = rng.normal(size=(1, 3, 8, 8)).astype(np.float32)
    found = explainer.run(images, np.array([1]))[2]
    assert explainer.facts.maps[0].crop == (0.25, 0.0, 0.75, 1.0)
    active = np.maximum(np.einsum("oc,nchw->nohw", weights[:, :, 0, 0], images[:, :, 2:6]), 0)
    guided: Array = np.maximum(head[:, 1], 0)[:, np.newaxis, np.newaxis] / 32 * (active > 0)
    cam = np.maximum((active * head[:, 1, np.newaxis, np.newaxis] / 32).sum(1), 0)
    expected = cam * np.abs(np.einsum("oc,nohw->nchw", weights[:, :, 0, 0], guided)).max(1)
    assert_same_map(found, expected)
