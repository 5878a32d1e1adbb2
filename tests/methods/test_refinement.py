"""RefineCAM: the product of several layers' maps, and which layers those are."""

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from methods.peers import Array, assert_same_map, classifier, our_maps, peers
from samples import DATA
from whylight import load
from whylight.graph.builder import GraphBuilder
from whylight.methods.fusion import product_of_maps
from whylight.methods.refinement import last_at_each_resolution


def stretched(cams: Array) -> Array:
    low, high = cams.min((1, 2), keepdims=True), cams.max((1, 2), keepdims=True)
    return np.asarray((cams - low) / (high - low))


def test_maps_are_multiplied_as_torchcam_does() -> None:
    for model in ("pooled", "hidden"):
        parts = [our_maps(model, "layercam", layer) for layer in ("middle", "last")]
        op = GraphBuilder()
        inputs = [op.input(str(index), ("N", *part.shape[1:])) for index, part in enumerate(parts)]
        session = onnxruntime.InferenceSession(
            op.model([product_of_maps(op, inputs, [24, 24])], "product").SerializeToString()
        )
        (found,) = session.run(None, {str(index): part for index, part in enumerate(parts)})
        assert_same_map(found, peers(model)["torchcam/refined-layercam"])


def test_refine_cam_is_the_product_of_grad_cam_plus_plus() -> None:
    stored = peers("pooled")
    layers = ["relu_2", "relu_4"]
    cams = [
        classifier("pooled").explainer("gradcam++", layer).run(stored["images"], stored["classes"])[2]
        for layer in layers
    ]
    fine, coarse = (stretched(cam) for cam in cams)
    enlarged = [np.asarray(Image.fromarray(one).resize(fine.shape[:0:-1], Image.Resampling.BILINEAR)) for one in coarse]
    explainer = classifier("pooled").explainer("refine-cam", layers)
    assert_same_map(explainer.run(stored["images"], stored["classes"])[2], fine * np.stack(enlarged))


def test_the_layers_are_the_ends_of_the_stages() -> None:
    assert [layer.name for layer in last_at_each_resolution(classifier("pooled"))] == ["relu", "relu_2", "relu_4"]
    # the pooling behind the last convolution has a resolution of its own: no stage
    assert [layer.name for layer in last_at_each_resolution(classifier("hidden"))] == ["relu", "relu_2", "relu_4"]


def test_layers_beside_a_shortcut_are_no_ends() -> None:
    resnet = load(Path(DATA / "archs" / "resnet.nnp"))
    layers = last_at_each_resolution(resnet)
    sizes = [resnet.tensors[layer.tensor].shape[2:] for layer in layers]
    assert len(set(sizes)) == len(sizes) > 2
    assert sizes == sorted(sizes, reverse=True)
    assert {layer.type for layer in layers} == {"ReLU"}, "every stage ends with the ReLU behind its sum"
