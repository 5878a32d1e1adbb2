"""The layers of an ONNX model that can be explained, under the names that its author knows."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping, Sequence

import onnx

from whylight.classifier.layer import Layer
from whylight.reading.onnx_model.roles import BATCH_AXIS, CHANNELS, Merged, Positions, Roles

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
_IN_WHOLE_NUMBERS = ("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul")


def layers(nodes: Sequence[onnx.NodeProto], roles: Mapping[str, Roles]) -> list[Layer]:
    """Every step whose output is a feature map or holds tokens, in the order in which they run.

    A layer is named by its module's path where PyTorch left it in the file (the last step of a module by the path
    alone), else by its node's name, else by its tensor.
    """
    results = _results_of_whole_numbers(nodes, roles)
    inside = {name for tensors in results.values() for name in tensors}
    kept = []
    for node in nodes:
        name = node.output[0]
        if name in results:
            name = results[name][-1]
        elif node.op_type not in _KINDS or name in inside:
            continue
        if name in roles and (layer := _layer(node, name, roles[name])):
            kept.append((node, layer))
    names = _names([node for node, _ in kept])
    return [
        Layer(name, layer.type, layer.tensor, layer.channels_last, layer.grid, layer.tokens_before)
        for name, (_, layer) in zip(names, kept, strict=True)
    ]


def _results_of_whole_numbers(nodes: Sequence[onnx.NodeProto], roles: Mapping[str, Roles]) -> dict[str, list[str]]:
    """For each convolution or product in whole numbers, by its output, the tensors up to its result in real ones.

    It is made real, multiplied by a scale, and its bias is added. What is computed on in whole numbers is left out.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {}
    for node in nodes:
        if node.op_type in _IN_WHOLE_NUMBERS:
            name, tensors = node.output[0], list[str]()
            while step := next((each for each in readers.get(name, []) if _goes_on(each, name, roles, tensors)), None):
                name = step.output[0]
                tensors.append(name)
                if step.op_type == "Add" or len(readers.get(name, [])) != 1:
                    break
            if tensors:
                results[node.output[0]] = tensors
    return results


def _goes_on(node: onnx.NodeProto, name: str, roles: Mapping[str, Roles], before: Sequence[str]) -> bool:
    """Whether a node is one of the steps from whole numbers to the result in real ones."""
    if not before:
        return node.op_type in ("Cast", "DequantizeLinear")
    others = [roles[other] for other in node.input if other != name and other in roles]
    if node.op_type == "Mul":
        return not any(role is not None for other in others for role in other)
    return node.op_type == "Add" and not others


def _layer(node: onnx.NodeProto, tensor: str, roles: Roles) -> Layer | None:
    """The node's result as a layer, if its axes are batch, channels, and positions in the image."""
    places = [role for role in roles if isinstance(role, Positions)]
    if (
        len(roles) != 2 + len(places)
        or roles[0] != BATCH_AXIS
        or not places
        or any(isinstance(r, Merged) for r in roles)
    ):
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
    return Layer("", node.op_type, tensor, last, grid, places[0].before if tokens else 0)


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
