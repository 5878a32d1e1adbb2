"""What is known of a graph before it runs: every tensor's shape at one batch size, and the values of constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, helper, numpy_helper
from onnx.defs import SchemaError, get_schema
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import InferenceError, infer_node_outputs

from whylight.errors import WhylightError
from whylight.graph.inference import IR_VERSION, OPSET

Array = np.ndarray[Any, Any]

_LARGE = 2**16
_NOT_REPEATABLE = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass
class Evaluation:
    """A graph at one batch size.

    Attributes:
        types: the type of every tensor, with its shape where that is known.
        values: the content of tensors that do not depend on the image's pixels.
        nodes: the nodes, with every If whose condition is known replaced by the branch that is taken.
    """

    types: dict[str, TypeProto] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """A tensor's shape, with None for extents that are not known; None where the rank is not known."""
        kind = self.types.get(name)
        if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
            return None
        return tuple(
            extent.dim_value if extent.HasField("dim_value") else None for extent in kind.tensor_type.shape.dim
        )


Repair = Callable[["Evaluation", onnx.NodeProto], list[onnx.NodeProto]]
"""What takes the place of a node, seen from what is known before it."""


def evaluate(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], repair: Repair | None = None) -> Evaluation:
    """Walk over the graph once, from given shapes of its inputs.

    Args:
        model: in our operator set.
        shapes: of the graph's inputs.
        repair: what to put in place of each node.

    Raises:
        WhylightError: an operator cannot take inputs of these shapes.
    """
    known = Evaluation()
    for tensor in model.graph.initializer:
        known.types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        known.values[tensor.name] = numpy_helper.to_array(tensor)
    for info in model.graph.input:
        if info.name not in known.types:
            kind = info.type.tensor_type.elem_type
            known.types[info.name] = helper.make_tensor_type_proto(kind, shapes[info.name])
    domains = [entry for entry in model.opset_import if entry.domain not in _DEFAULT_DOMAINS]
    imports = [helper.make_opsetid("", OPSET), *domains]
    for node in model.graph.node:
        for each in repair(known, node) if repair else [node]:
            _visit(known, each, imports)
    return known


def _visit(known: Evaluation, node: onnx.NodeProto, imports: Sequence[onnx.OperatorSetIdProto]) -> None:
    if node.op_type == "If" and node.input[0] in known.values:
        for inner in _taken_branch(node, bool(known.values[node.input[0]].item())):
            _visit(known, inner, imports)
        return
    known.nodes.append(node)
    for name, kind in _output_types(known, node, imports).items():
        known.types[name] = kind
    for name, value in _output_values(known, node).items():
        known.values[name] = value
        known.types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _taken_branch(node: onnx.NodeProto, condition: bool) -> list[onnx.NodeProto]:
    """The nodes of the branch; its outputs get the names of the If's."""
    name = "then_branch" if condition else "else_branch"
    graph = next(attribute.g for attribute in node.attribute if attribute.name == name)
    stem = node.name or node.output[0]
    inside = {output for inner in graph.node for output in inner.output if output}
    inside |= {tensor.name for tensor in graph.initializer}
    names = {inner: f"{stem}/{inner}" for inner in inside}
    taken = [
        helper.make_node("Constant", [], [names[tensor.name]], name=names[tensor.name], value=tensor)
        for tensor in graph.initializer
    ]
    for inner in graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(inner)
        copy.input[:] = [names.get(each, each) for each in inner.input]
        copy.output[:] = [names.get(each, each) for each in inner.output]
        copy.name = f"{stem}/{inner.name}" if inner.name else ""
        taken.append(copy)
    for info, output in zip(graph.output, node.output, strict=True):
        taken.append(helper.make_node("Identity", [names.get(info.name, info.name)], [output], name=output))
    return taken


def _output_types(
    known: Evaluation, node: onnx.NodeProto, imports: Sequence[onnx.OperatorSetIdProto]
) -> dict[str, TypeProto]:
    inputs = [name for name in node.input if name]
    missing = [name for name in inputs if name not in known.types]
    if missing or node.domain not in _DEFAULT_DOMAINS:
        return {}
    try:
        return dict(
            infer_node_outputs(
                get_schema(node.op_type, OPSET, ""),
                node,
                {name: known.types[name] for name in inputs},
                {
                    name: numpy_helper.from_array(known.values[name], name)
                    for name in inputs
                    if name in known.values and known.values[name].size <= 1024
                },
                opset_imports=list(imports),
                ir_version=IR_VERSION,
            )
        )
    except (InferenceError, SchemaError, onnx.checker.ValidationError) as error:
        shapes = ", ".join(str(known.shape(name)) for name in inputs)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise WhylightError(
            f"'{node.name or node.output[0]}': {node.op_type} cannot take inputs of shape {shapes}: {reason}"
        ) from error


def _output_values(known: Evaluation, node: onnx.NodeProto) -> dict[str, Array]:
    """The outputs of a node that reads constants only, or shapes only."""
    if node.op_type == "Shape":
        return _shape_value(known, node)
    if node.op_type == "Size":
        shape = known.shape(node.input[0])
        return {} if shape is None or None in shape else {node.output[0]: np.array(prod(shape), np.int64)}  # type: ignore[arg-type]
    inputs = [name for name in node.input if name]
    if node.op_type in _NOT_REPEATABLE or node.domain not in _DEFAULT_DOMAINS:
        return {}
    if not all(name in known.values for name in inputs) or any(each.type == each.GRAPH for each in node.attribute):
        return {}
    largest = max((known.values[name].size for name in inputs), default=0)
    for output in node.output:
        shape = known.shape(output) if output else ()
        if shape and None not in shape and prod(shape) > max(_LARGE, 2 * largest):  # type: ignore[arg-type]
            return {}  # a filled tensor takes less room as the node that fills it
    if node.op_type in ("Conv", "MatMul", "Gemm") and largest > _LARGE:
        return {}
    try:
        results = ReferenceEvaluator(node, opsets={"": OPSET}).run(None, {name: known.values[name] for name in inputs})
    except Exception:  # the evaluator does not have every operator: then the node stays
        return {}
    return {
        name: np.asarray(value)
        for name, value in zip(node.output, results, strict=False)
        if name and isinstance(value, np.ndarray | np.generic)
    }


def _shape_value(known: Evaluation, node: onnx.NodeProto) -> dict[str, Array]:
    shape = known.shape(node.input[0])
    if shape is None:
        return {}
    limits = {attribute.name: attribute.i for attribute in node.attribute}
    part = shape[limits.get("start", 0) : limits.get("end", len(shape))]
    return {} if None in part else {node.output[0]: np.array(part, np.int64)}


def is_floating(kind: TypeProto) -> bool:
    """Whether a tensor holds float32."""
    return bool(kind.tensor_type.elem_type == TensorProto.FLOAT)
