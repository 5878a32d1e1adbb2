"""The layers of an ONNX model that can be explained, under the names that its author knows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx

from whylight.classifier.layer import Layer
from whylight.reading.onnx_model.axes import BATCH_AXIS, CHANNELS, Positions, Roles

_SCOPES = "pkg.torch.onnx.name_scopes"
_KINDS = {
    *("Conv", "ConvTranspose", "MatMul", "Gemm", "Einsum"),
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "Mish", "Softplus", "Clip", "Tanh"),
    *("Sigmoid", "HardSigmoid", "ThresholdedRelu", "Softsign", "Mul"),
    *("Add", "Sum", "Concat"),
    *("MaxPool", "AveragePool", "LpPool"),
    *("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN"),
}
"""Operators that end a step of a network that a person would name; the rest is arithmetic between them."""


def layers(nodes: Sequence[onnx.NodeProto], roles: Mapping[str, Roles]) -> list[Layer]:
    """Every step whose output is a feature map or holds tokens, in the order in which they run.

    A layer is named by its module's path where PyTorch left it in the file (the last step of a module by the path
    alone), else by its node's name, else by its tensor.
    """
    kept = [
        (node, layer)
        for node in nodes
        if node.op_type in _KINDS and node.output[0] in roles and (layer := _layer(node, roles[node.output[0]]))
    ]
    names = _names([node for node, _ in kept])
    return [
        Layer(name, layer.type, layer.tensor, layer.channels_last, layer.grid, layer.tokens_before)
        for name, (_, layer) in zip(names, kept, strict=True)
    ]


def _layer(node: onnx.NodeProto, roles: Roles) -> Layer | None:
    """The node's output as a layer, if its axes are batch, channels, and positions in the image."""
    places = [role for role in roles if isinstance(role, Positions)]
    if len(roles) != 2 + len(places) or roles[0] != BATCH_AXIS or not places:
        return None
    last = roles[-1] in (CHANNELS, None) and isinstance(roles[1], Positions)
    if not last and (isinstance(roles[1], Positions) or not all(isinstance(role, Positions) for role in roles[2:])):
        return None
    dimensions = [axis for role in places for axis in role.dimensions]
    extents = [extent for role in places for extent in role.extents]
    if dimensions != sorted(set(dimensions)) or all(extent == 1 for extent in extents):
        return None
    tokens = len(places) == 1 and (len(extents) > 1 or places[0].before + places[0].after > 0)
    grid = tuple(extents) if tokens else None
    return Layer("", node.op_type, node.output[0], last, grid, places[0].before if tokens else 0)


def _names(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    scopes = [_scopes(node) for node in nodes]
    last_of = {path: index for index, path in enumerate(path for path, _ in scopes)}
    paths = {path for path, _ in scopes if path}
    names = []
    for index, (node, (path, step)) in enumerate(zip(nodes, scopes, strict=True)):
        if not path:
            names.append(node.name or node.output[0])
            continue
        is_module = last_of[path] == index and not any(other.startswith(f"{path}.") for other in paths)
        names.append(path if is_module else f"{path}/{step}")
    counts = Counter(names)
    return [name if counts[name] == 1 else node.output[0] for name, node in zip(names, nodes, strict=True)]


def _scopes(node: onnx.NodeProto) -> tuple[str, str]:
    """The path of the module that a node belongs to, and the step's own name in it; ("", "") where it is not known."""
    text = next((entry.value for entry in getattr(node, "metadata_props", ()) if entry.key == _SCOPES), "")
    try:
        scopes = ast.literal_eval(text) if text else []
    except (ValueError, SyntaxError):
        return "", ""
    if not isinstance(scopes, list) or len(scopes) < 2 or not all(isinstance(scope, str) for scope in scopes):
        return "", ""
    return scopes[-2], scopes[-1]
