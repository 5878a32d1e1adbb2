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
from whylight.files.budget import check_memory
from whylight.graph.demand import multiplications
from whylight.graph.inference import IR_VERSION, OPSET

Array = np.ndarray[Any, Any]

_LARGE = 2**16
_MOST_WORK = 2**30
"""Values that are computed or moved to fold constants, besides ten times those that the file holds."""
_DEFAULT_DOMAINS = ("", "ai.onnx")
_ELEMENTWISE = {
    *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd", "BitwiseNot"),
    *("BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div", "Elu", "Equal"),
    *("Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf"),
    *("IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not"),
    *("Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh"),
    *("Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor"),
    *("BatchNormalization", "DequantizeLinear", "QuantizeLinear"),
}
_MOVING = {
    *("Concat", "Constant", "ConstantOfShape", "DepthToSpace", "Expand", "EyeLike", "Flatten", "Gather", "Pad"),
    *("Range", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze"),
}
_OVER_AXES = {
    *("ArgMax", "ArgMin", "CumSum", "LogSoftmax", "LpNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum"),
    *("ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    *("LayerNormalization", "Softmax"),
}
_OF_FEW_VALUES = {
    *("Compress", "Conv", "Einsum", "GatherElements", "GatherND", "Gemm", "Hardmax", "InstanceNormalization", "MatMul"),
    *("GroupNormalization", "MeanVarianceNormalization", "NonZero", "OneHot", "ReverseSequence", "ScatterElements"),
    *("ScatterND", "TopK", "Unique"),
}
"""Operators that the evaluator computes value by value, or by more multiplications than values."""
_EVALUATIONS = 3
"""Of one graph at a time: as it was exported, and at two batch sizes."""
_OF_ONE_VALUE = 10
"""How much longer the evaluator takes for a value of these."""
_NO_LARGER_THAN_READ = {"Compress", "NonZero", "Unique"}
"""Operators whose output has an extent that is not known before, but no more values than the input, for each axis."""


@dataclass
class Evaluation:
    """A graph at one batch size.

    Attributes:
        types: the type of every tensor, with its shape where that is known.
        values: the content of tensors that do not depend on the image's pixels.
        nodes: the nodes, with every If whose condition is known replaced by the branch that is taken.
        stored: bytes of the model.
        work: values that were computed or moved to fold constants.
        folded: bytes of constants that were computed.
    """

    types: dict[str, TypeProto] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    stored: int = 0
    work: int = 0
    folded: int = 0

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """A tensor's shape, with None for extents that are not known; None where the rank is not known."""
        kind = self.types.get(name)
        if kind is None or not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
            return None
        return tuple(
            extent.dim_value if extent.HasField("dim_value") else None for extent in kind.tensor_type.shape.dim
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Those that are known wholly, by the names of tensors."""
        found = {name: self.shape(name) for name in self.types}
        return {name: shape for name, shape in found.items() if shape is not None and None not in shape}  # type: ignore[misc]

    def size(self, name: str) -> int:
        """The bytes of a tensor, as far as they are known."""
        shape = self.shape(name)
        if shape is None or None in shape:
            return 0
        return prod(shape) * _ITEM_SIZES.get(self.types[name].tensor_type.elem_type, 1)  # type: ignore[arg-type]


_ITEM_SIZES = {
    kind: helper.tensor_dtype_to_np_dtype(kind).itemsize
    for kind in TensorProto.DataType.values()
    if kind not in (TensorProto.UNDEFINED, TensorProto.STRING)
}

Repair = Callable[["Evaluation", onnx.NodeProto], list[onnx.NodeProto]]
"""What takes the place of a node, seen from what is known before it."""


def evaluate(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], repair: Repair | None = None) -> Evaluation:
    """Walk over the graph once, from given shapes of its inputs.

    Args:
        model: in our operator set.
        shapes: of the graph's inputs.
        repair: what to put in place of each node.

    Raises:
        WhylightError: an operator cannot take inputs of these shapes, or makes a tensor that takes more memory than
            there is for the file.
    """
    known = Evaluation(stored=model.ByteSize())
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
        _check_extents(known, node, name)
    for name, value in _output_values(known, node).items():
        known.values[name] = value
        known.types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def _check_extents(known: Evaluation, node: onnx.NodeProto, name: str) -> None:
    shape = known.shape(name) or ()
    where = f"'{node.name or name}'"
    if any(extent is not None and extent < 0 for extent in shape):
        raise WhylightError(f"{where}: {node.op_type} makes a tensor of the impossible shape {shape}")
    check_memory(where, f"what {node.op_type} makes, of shape {shape},", known.size(name), known.stored)


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
    if node.domain not in _DEFAULT_DOMAINS or not all(name in known.values for name in inputs):
        return {}
    if not (work := _work(known, node)) or known.work + work > _MOST_WORK + 10 * known.stored:
        return {}
    known.work += work
    new = sum(known.size(name) for name in node.output if name)
    check_memory("the graph", "all constants that it computes", _EVALUATIONS * (known.folded + new), known.stored)
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(node, opsets={"": OPSET}).run(
                None, {name: known.values[name] for name in inputs}
            )
    except Exception:  # the evaluator does not have every operator: then the node stays
        return {}
    values = {
        name: np.asarray(value)
        for name, value in zip(node.output, results, strict=False)
        if name and isinstance(value, np.ndarray | np.generic) and np.asarray(value).dtype.kind in "buifcV"
    }
    known.folded += sum(value.nbytes for value in values.values() if value.base is None)
    return values


def _work(known: Evaluation, node: onnx.NodeProto) -> int:
    """How many values the evaluator touches to compute a node, or some more; 0 where it is not to do it.

    It is known from shapes, before anything is computed. Text is never computed on, and filled tensors take less room
    as the nodes that fill them.
    """
    values = [known.values[name] for name in node.input if name]
    read, largest = sum(value.size for value in values), max((value.size for value in values), default=0)
    if node.op_type in _NO_LARGER_THAN_READ:
        written = read
    else:
        shapes = [known.shape(name) for name in node.output if name]
        if any(shape is None or None in shape for shape in shapes):
            return 0
        written = sum(prod(extent or 0 for extent in shape) for shape in shapes if shape)
    if written > max(_LARGE, 2 * largest) or any(value.dtype.kind not in "buifcV" for value in values):
        return 0
    types = [known.types[name].tensor_type.elem_type for name in node.output if name in known.types]
    if TensorProto.STRING in types:
        return 0
    if node.op_type in _ELEMENTWISE or node.op_type in _MOVING or node.op_type in _OVER_AXES:
        return read + written + 1
    if node.op_type in _OF_FEW_VALUES and largest <= _LARGE:
        shapes_read = {name: known.values[name].shape for name in node.input if name}
        shapes_written = {name: known.shape(name) or () for name in node.output if name}
        return _OF_ONE_VALUE * multiplications(node, {**shapes_read, **shapes_written})  # type: ignore[dict-item]
    return 0


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
