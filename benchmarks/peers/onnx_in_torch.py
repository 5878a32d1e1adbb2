"""The derivatives of an ONNX graph by PyTorch's autograd: a small interpreter of ONNX.

Runs in the peers' environment, for `gradients.py`: ``python onnx_in_torch.py FOLDER`` reads ``graph.onnx``,
``facts.json``, which names the class scores, ``found.npz``: an image, a class, and the values of tensors of the graph,
and ``points.npz``: values that replace those computed here. It writes ``expected.npz``: the scores, and the derivatives
of the class's with respect to the tensors. Everything is computed in double precision.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnx_operators import OPERATORS, Tensor, to_tensor


def evaluate(
    graph: onnx.GraphProto, inputs: Mapping[str, Tensor], points: Mapping[str, Tensor], leaf: str | None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """All tensors of the graph, and the leaf from which a derivative graph of its own begins."""
    tensors: dict[str, Any] = {"": None}
    for initializer in graph.initializer:
        tensors[initializer.name] = to_tensor(numpy_helper.to_array(initializer))
    started = None

    def add(name: str, value: Tensor) -> None:
        nonlocal started
        if name in points:
            value = value + (points[name] - value).detach()
        if name == leaf:
            value = started = value.detach().clone().requires_grad_(True)
        tensors[name] = value

    for name, value in inputs.items():
        add(name, value)
    for node in graph.node:
        at = {attribute.name: _value(attribute) for attribute in node.attribute}
        if node.op_type == "Constant":
            tensors[node.output[0]] = to_tensor(next(iter(at.values())))
            continue
        if node.op_type not in OPERATORS:
            raise SystemExit(f"the interpreter does not know {node.op_type}")
        if node.op_type == "Split":
            at["outputs"] = len(node.output)
        found = OPERATORS[node.op_type](*(tensors[name] for name in node.input), **at)
        for name, value in zip(node.output, found if isinstance(found, tuple) else (found,), strict=False):
            add(name, value)
    return tensors, started


def _value(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value


def differentiate(folder: Path) -> None:
    """Write ``expected.npz``, as above."""
    torch.set_num_threads(1)
    graph = onnx.load(folder / "graph.onnx").graph
    facts = json.loads((folder / "facts.json").read_text())
    found = np.load(folder / "found.npz")
    points = {name: torch.from_numpy(value).double() for name, value in np.load(folder / "points.npz").items()}
    image, index = torch.from_numpy(found["image"]).double(), int(found["class index"])
    expected = {}
    for name in set(found.files) - {"class index"}:
        tensors, leaf = evaluate(graph, {facts["image"]: image}, points, facts["image"] if name == "image" else name)
        scores = tensors[facts["logits"]]
        assert leaf is not None
        expected["scores"] = scores.detach().numpy()
        expected[name] = torch.autograd.grad(scores.reshape(-1)[index], leaf)[0].numpy()
    np.savez(folder / "expected.npz", **expected)


if __name__ == "__main__":
    differentiate(Path(sys.argv[1]))
