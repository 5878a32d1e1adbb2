"""What whylight finds for one random image, in files that a peer's process reads, and how far the two lie apart."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from whylight.classifier.classifier import Classifier
from whylight.compiling.compiler import compile_maps
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
    """The error of the map, unless it is zero everywhere, and of each derivative that PyTorch has too."""
    facts = json.loads((folder / "facts.json").read_text())
    own = np.load(folder / "own.npz")
    found = np.load(folder / "found.npz")
    expected = np.load(folder / "expected.npz")
    errors = {"scores": _difference(own["scores"], expected["scores"])}
    for place, name in zip(PLACES, facts["tensors"], strict=True):
        if name in expected.files:
            errors[place] = _difference(own[name], expected[name])
    maps = [
        _difference(
            own[f"map {number}"],
            _gradcam(*(_feature_map(source[layer["tensor"]], layer) for source in (found, expected))),
        )
        for number, layer in enumerate(facts["layers"])
        if layer["tensor"] in expected.files
    ]
    is_empty = not any(own[f"map {number}"].any() for number in range(len(maps)))
    if len(maps) == len(facts["layers"]) and not is_empty:
        errors["map"] = max(maps)
    return errors


def _gradcam(activation: np.ndarray, slope: np.ndarray) -> np.ndarray:
    weights = slope.mean(tuple(range(2, slope.ndim)), keepdims=True)
    return np.asarray(np.maximum((weights * activation).sum(1), 0))


def _difference(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference by the largest value."""
    largest = float(np.abs(expected).max())
    difference = float(np.abs(actual.reshape(expected.shape) - expected).max())
    return difference / largest if largest else float(difference > 0)


def _feature_map(tensor: np.ndarray, layer: dict[str, Any]) -> np.ndarray:
    """(N, C, h, w), of a tensor or its derivative at a layer."""
    if layer["channels_last"]:
        tensor = np.moveaxis(tensor, -1, 1)
    if layer["grid"]:
        before, count = layer["tokens_before"], int(np.prod(layer["grid"]))
        tensor = tensor[:, :, before : before + count].reshape(*tensor.shape[:2], *layer["grid"])
    return tensor


def explain(classifier: Classifier, folder: Path) -> None:
    """Write what whylight finds for a random image: values and derivatives of layers, and the maps of the default ones.

    ``graph.onnx`` is the classifier's graph, whose tensors ``facts.json`` names.
    """
    chosen_layers = classifier.default_layers
    # Tensors that the exporter put in have no counterpart in PyTorch's program.
    layers = [layer for layer in classifier.layers if not layer.tensor.rpartition("/")[2].startswith("val_")]
    places = [layers[0].tensor, layers[len(layers) // 2].tensor, layers[-1].tensor, classifier.input.name]
    facts = {
        "layers": [asdict(layer) for layer in chosen_layers.layers],
        "reason": chosen_layers.reason,
        "image": classifier.input.name,
        "maximum": classifier.input.maximum,
        "logits": classifier.logits,
        "tensors": [*places[:3], "image"],
    }
    onnx.save(classifier.model, folder / "graph.onnx")
    (folder / "facts.json").write_text(json.dumps(facts))

    op = GraphBuilder.extending(classifier.model)
    logits = op.tensors[classifier.logits]
    wanted = [
        op.tensors[name] for name in dict.fromkeys((*places[:3], *(layer.tensor for layer in chosen_layers.layers)))
    ]
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
    pixels = np.random.default_rng(0).standard_normal([image.size(axis) if axis else 1 for axis in range(image.rank)])
    pixels = (pixels * classifier.input.maximum).astype(np.float32)
    feeds = {image.name: pixels, CLASS_INDEX: np.zeros(1, np.int64)}
    explainer = session(compile_maps(classifier, [("gradcam", layer.name) for layer in chosen_layers.layers]))
    map_names = [f"{MAP}/{number}" if number else MAP for number in range(len(chosen_layers.layers))]
    for place in np.argsort(-derivatives.run(None, feeds)[0].ravel())[:CLASSES]:
        # Of one score, the map is that of class 1.
        feeds[CLASS_INDEX] = np.array([place + classifier.is_two_class])
        maps = explainer.run(map_names, feeds)
        chosen = feeds[CLASS_INDEX] = np.array([place])
        if any(cam.any() for cam in maps):
            break
    scores, *rest = derivatives.run(None, feeds)
    names = [x.name for x in wanted]
    values, gradients, reached = np.split(np.arange(len(rest)), [len(names), 2 * len(names) + 1])
    found = {name: rest[place] for name, place in zip(names, values, strict=True)}
    found.update({"image": pixels, "class index": chosen[0]})
    np.savez(folder / "found.npz", **found)
    own = {name: rest[place] for name, place in zip([*names, "image"], gradients, strict=True)}
    own.update({f"map {number}": cam for number, cam in enumerate(maps)})
    np.savez(folder / "own.npz", scores=scores, **own)
    np.savez(folder / "points.npz", **{name: rest[place] for name, place in zip(switched, reached, strict=True)})
