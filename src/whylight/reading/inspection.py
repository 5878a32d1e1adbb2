"""What a model file holds, in plain data: for people and for ``--json``."""

from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from whylight.classifier.classifier import Classifier
from whylight.errors import WhylightError
from whylight.options import ModelOptions
from whylight.reading.nnp import maximum, read_model, to_classifier
from whylight.reading.nnp.convert import unsupported_functions
from whylight.reading.nnp.network import BATCH_AXIS, Network

_AS_THE_FILE_SAYS = ModelOptions()


def inspect_model(
    path: Path, parameters: Path | None = None, options: ModelOptions = _AS_THE_FILE_SAYS
) -> dict[str, Any]:
    """Describe a model file, also one that cannot be explained.

    Returns:
        JSON-ready facts: ``format``, ``networks``, ``executor``, ``network``, ``inputs``, ``outputs``, ``classes``,
        ``final_activation``, ``batch``, ``default_layer``, ``layers``, ``functions`` (how often each is used),
        ``unsupported``, and ``problem``: why it cannot be explained, or None.

    Raises:
        WhylightError: the file cannot be read.
    """
    if path.suffix.lower() == ".onnx":
        return _inspect_onnx(path, options)
    model = read_model(path, parameters)
    network = model.network
    facts: dict[str, Any] = {
        "path": str(path),
        "format": model.contents.format,
        "networks": list(network.names),
        "executor": network.executor,
        "network": network.name,
        "inputs": [_input(network, name) for name in network.data],
        "outputs": [_variable(network, name, data_name) for name, data_name in network.outputs.items()],
        "classes": None,
        "final_activation": None,
        "batch": None,
        "default_layer": None,
        "layers": [],
        "functions": dict(sorted(Counter(function.type for function in network.functions).items())),
        "unsupported": unsupported_functions(network),
        "problem": None,
    }
    try:
        classifier = to_classifier(model, options)
        facts |= _explainable(classifier)
        for variable in facts["inputs"]:
            variable["range"] = variable["range"] if classifier.input.is_picture else None
        facts["default_layer"] = classifier.default_layer.name
    except WhylightError as error:
        facts["problem"] = str(error)
    return facts


def _inspect_onnx(path: Path, options: ModelOptions) -> dict[str, Any]:
    from whylight.reading.onnx_model import to_classifier
    from whylight.reading.onnx_model.read import read_model

    model = read_model(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    facts: dict[str, Any] = {
        "path": str(path),
        "format": f"ONNX, operator set {model.opset_import[0].version}"
        + (f", by {model.producer_name}" if model.producer_name else ""),
        "networks": [model.graph.name] if model.graph.name else [],
        "executor": None,
        "network": model.graph.name,
        "inputs": [_onnx_variable(info) for info in model.graph.input if info.name not in constants],
        "outputs": [_onnx_variable(info) for info in model.graph.output],
        "classes": None,
        "final_activation": None,
        "batch": None,
        "default_layer": None,
        "layers": [],
        "functions": dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        "unsupported": [],
        "problem": None,
    }
    try:
        classifier = to_classifier(path, model, options)
        facts |= _explainable(classifier)
        image = classifier.input
        for variable in facts["inputs"]:
            variable |= {"mean": list(image.mean), "std": list(image.std)}
            variable["range"] = image.maximum if image.is_picture else None
        facts["default_layer"] = classifier.default_layer.name
    except WhylightError as error:
        facts["problem"] = str(error)
    return facts


def _onnx_variable(info: onnx.ValueInfoProto) -> dict[str, Any]:
    extents = info.type.tensor_type.shape.dim
    shape = [extent.dim_value if extent.HasField("dim_value") else extent.dim_param or "?" for extent in extents]
    return {"name": info.name, "data_name": info.name, "shape": shape, "range": None}


def to_text(facts: dict[str, Any]) -> str:
    """The facts of `inspect_model` as a page of text."""
    lines = [
        ("model", facts["path"]),
        ("format", facts["format"]),
        ("networks", ", ".join(facts["networks"])),
        ("executor", facts["executor"] and f"{facts['executor']} runs {facts['network']}"),
        *(("input", _named(x) + _prepared(x)) for x in facts["inputs"]),
        *(("output", _named(y)) for y in facts["outputs"]),
        ("classes", facts["classes"]),
        ("activation", facts["final_activation"]),
        ("batch", facts["batch"]),
        ("functions", ", ".join(f"{name} ({count})" for name, count in facts["functions"].items())),
        ("unsupported", ", ".join(facts["unsupported"])),
        ("problem", facts["problem"]),
    ]
    text = [f"{label:<12} {value}" for label, value in lines if value]
    if facts["layers"]:
        width = max(len(layer["name"]) for layer in facts["layers"])
        kind = max(len(layer["type"]) for layer in facts["layers"])
        text += ["", "layers that can be explained (* is the default):"]
        text += [
            f"{'*' if layer['name'] == facts['default_layer'] else ' '} {layer['name']:<{width}}  "
            f"{layer['type']:<{kind}}  {_shape(layer['shape'])}"
            for layer in facts["layers"]
        ]
    return "\n".join(text)


def _explainable(classifier: Classifier) -> dict[str, Any]:
    batch = classifier.tensors[classifier.input.name].shape[0]
    return {
        "classes": classifier.class_count,
        "final_activation": classifier.final_activation,
        "batch": f"fixed at {batch}" if isinstance(batch, int) else "any",
        "layers": [
            {"name": layer.name, "type": layer.type, "shape": list(classifier.tensors[layer.tensor].shape)}
            for layer in classifier.layers
        ],
    }


def _input(network: Network, name: str) -> dict[str, Any]:
    return {**_variable(network, name, network.data[name]), "range": maximum(network)}


def _variable(network: Network, name: str, data_name: str) -> dict[str, Any]:
    shape = ["N" if extent == BATCH_AXIS else extent for extent in network.variables[name].shape]
    return {"name": name, "data_name": data_name, "shape": shape}


def _named(variable: dict[str, Any]) -> str:
    dataset = "" if variable["data_name"] == variable["name"] else f" ({variable['data_name']} in datasets)"
    return f"{variable['name']}{dataset} {_shape(variable['shape'])}"


def _prepared(variable: dict[str, Any]) -> str:
    """How pixels become the input's values."""
    steps = (
        f", {name} {', '.join(f'{x:g}' for x in variable[name])}" for name in ("mean", "std") if variable.get(name)
    )
    white = "" if variable["range"] is None else f", range 0 to {variable['range']:g}"
    return f"{white}{''.join(steps)}"


def _shape(shape: list[int | str]) -> str:
    return " x ".join(str(extent) for extent in shape)
