"""What whylight finds for one random image, in files that a peer's process reads, and how far the two lie apart."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from whylight.classifier.classifier import Classifier
from whylight.compiling.compiler import compile_explainer
from whylight.contract import CLASS_INDEX, MAP
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.walks import dependent_nodes

SWITCHES = {"Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "HardSigmoid", "MaxPool", "Max", "Min", "Abs", "TopK"}
"""Operators whose derivative jumps."""
CLASSES = 20
"""Of so many classes with the highest scores, the first is explained whose map is not zero everywhere."""
PLACES = ("early", "middle", "last", "input")
"""The tensors to differentiate by: three layers and the image."""


def errors_of(folder: Path) -> dict[str, float]:
    """The error of the map and of each derivative that PyTorch has too."""
    facts = json.loads((folder / "facts.json").read_text())
    own = np.load(folder / "own.npz")
    found = np.load(folder / "found.npz")
    expected = np.load(folder / "expected.npz")
    errors = {"scores": _difference(own["scores"], expected["scores"])}
    for place, name in zip(PLACES, facts["tensors"], strict=True):
        if name in expected.files:
            errors[place] = _difference(own[name], expected[name])
    if facts["target"] in expected.files:
        activation, slope = (_feature_map(source[facts["target"]], facts) for source in (found, expected))
        weights = slope.mean(tuple(range(2, slope.ndim)), keepdims=True)
        errors["map"] = _difference(own["map"], np.maximum((weights * activation).sum(1), 0))
    return errors


def _difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference by the largest value."""
    largest = float(np.abs(expected).max())
    difference = float(np.abs(actual.reshape(expected.shape) - expected).max())
    return difference / largest if largest else float(difference > 0)


def _feature_map(tensor: np.ndarray, facts: dict[str, Any]) -> np.ndarray:
    """(N, C, h, w), of a tensor or its derivative at the target layer."""
    if facts["channels_last"]:
        tensor = np.moveaxis(tensor, -1, 1)
    if facts["grid"]:
        before, count = facts["tokens_before"], int(np.prod(facts["grid"]))
        tensor = tensor[:, :, before : before + count].reshape(*tensor.shape[:2], *facts["grid"])
    return tensor


def explain(classifier: Classifier, folder: Path) -> None:
    """Write what whylight finds for a random image: values and derivatives of the layers, and the map."""
    target = classifier.default_layer
    # Tensors that the exporter put in have no counterpart in PyTorch's program.
    layers = [layer for layer in classifier.layers if not layer.tensor.rpartition("/")[2].startswith("val_")]
    places = [layers[0].tensor, layers[len(layers) // 2].tensor, layers[-1].tensor, classifier.input.name]
    facts = {
        "layer": target.name,
        "logits": classifier.logits,
        "target": target.tensor,
        "tensors": [*places[:3], "image"],
        "channels_last": target.channels_last,
        "grid": target.grid,
        "tokens_before": target.tokens_before,
    }
    (folder / "facts.json").write_text(json.dumps(facts))

    op = GraphBuilder.extending(classifier.model)
    logits = op.tensors[classifier.logits]
    wanted = [op.tensors[name] for name in dict.fromkeys((*places[:3], target.tensor))]
    image = op.tensors[classifier.input.name]
    index = op.input(CLASS_INDEX, (1,), np.int64)
    count = int(np.prod([logits.size(axis) for axis in range(1, logits.rank)]))
    seed = op.OneHot(index, np.array(count), np.array([0, 1], np.float32))
    slopes = gradient(op, logits, op.Reshape(seed, op.Shape(logits)), [*wanted, image])
    outputs = [op.Identity(x) for x in (logits, *wanted, *slopes)]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1

    def session(model: Any) -> Any:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    switched = {
        name
        for node in dependent_nodes(classifier.model.graph.node, image.name)
        if node.op_type in SWITCHES
        for name in node.input
        if name and op.tensors[name].value is None
    }
    points = [op.Identity(op.tensors[name]) for name in switched]
    derivatives = session(op.model([*outputs, *points], "derivatives"))
    height, width, channels = classifier.input.height, classifier.input.width, classifier.input.channels
    pixels = np.random.default_rng(0).standard_normal((1, channels, height, width)).astype(np.float32)
    feeds = {image.name: pixels, CLASS_INDEX: np.zeros(1, np.int64)}
    explainer = session(compile_explainer(classifier))
    for place in np.argsort(-derivatives.run(None, feeds)[0].ravel())[:CLASSES]:
        # Of one score, the map is that of class 1.
        feeds[CLASS_INDEX] = np.array([place + classifier.is_two_class])
        _, cam = explainer.run(["score", MAP], feeds)
        chosen = feeds[CLASS_INDEX] = np.array([place])
        if cam.any():
            break
    scores, *rest = derivatives.run(None, feeds)
    names = [x.name for x in wanted]
    values, gradients, reached = np.split(np.arange(len(rest)), [len(names), 2 * len(names) + 1])
    found = {name: rest[place] for name, place in zip(names, values, strict=True)}
    found.update({"image": pixels, "class index": chosen[0]})
    np.savez(folder / "found.npz", **found)
    own = {name: rest[place] for name, place in zip([*names, "image"], gradients, strict=True)}
    np.savez(folder / "own.npz", scores=scores, map=cam, **own)
    np.savez(folder / "points.npz", **{name: rest[place] for name, place in zip(switched, reached, strict=True)})
