"""The small classifiers of `tests/data/peers`, and what other programs made of them: see `make_peer_maps.py`."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from describing import describe
from samples import DATA
from whylight import Classifier
from whylight.classifier.layer import Layer
from whylight.graph.builder import GraphBuilder
from whylight.methods import method_named

Array = NDArray[Any]

LAYERS = {"middle": "relu_2", "last": "relu_4"}
"""The layers that the peers looked at, by the names of their tensors."""


@cache
def classifier(name: str) -> Classifier:
    """``pooled``, ``hidden`` or ``transformer``."""
    path = DATA / "peers" / f"{name}.onnx"
    model = onnx.load(path)
    layers = [Layer(node.output[0], node.op_type, node.output[0]) for node in model.graph.node]
    return describe(path, model, layers, "image", 1)


@cache
def peers(name: str) -> dict[str, Array]:
    """What is stored for a classifier."""
    with np.load(DATA / "peers" / f"{name}.npz") as file:
        return dict(file)


def our_maps(name: str, method: str, layer: str | None = None, **options: Any) -> Array:
    """Our maps (N, h, w) of the stored images for the stored classes, as the graph gives them."""
    stored = peers(name)
    explainer = classifier(name).explainer(method, layer and LAYERS[layer], **options)
    return np.asarray(explainer.run(stored["images"], stored["classes"])[2])


def assert_same_map(found: Array, expected: Array) -> None:
    """Within a thousandth of the maximum, of each map."""
    assert found.shape == expected.shape
    size = np.abs(expected).max(tuple(range(1, expected.ndim)), keepdims=True)
    assert (size > 0).all(), "a map that is zero everywhere shows nothing"
    np.testing.assert_allclose(found / size, expected / size, atol=1e-3)


def initializers(name: str) -> dict[str, onnx.TensorProto]:
    """A classifier's parameters."""
    return {tensor.name: tensor for tensor in classifier(name).model.graph.initializer}


def formula_map(method: str, activation: Array, gradient: Array) -> Array:
    """What a method's formula gives for an activation and a gradient."""
    op = GraphBuilder()
    target: Any = SimpleNamespace(
        activation=op.input("activation", ("N", *activation.shape[1:])),
        gradient=op.input("gradient", ("N", *gradient.shape[1:])),
    )
    cam = op.Identity(method_named(method).formula(op, target))
    session = onnxruntime.InferenceSession(op.model([cam], "formula").SerializeToString())
    feeds = {"activation": activation, "gradient": gradient}
    (found,) = session.run(None, {info.name: feeds[info.name] for info in session.get_inputs()})
    return np.asarray(found)
