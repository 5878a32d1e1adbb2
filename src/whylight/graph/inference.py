"""Shapes and types, from the operators' own inference in the ``onnx`` package."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TypeProto, helper, numpy_helper
from onnx.checker import ValidationError
from onnx.defs import SchemaError, get_schema
from onnx.shape_inference import InferenceError, infer_node_outputs, infer_shapes

from whylight.errors import WhylightError
from whylight.graph.tensor import Extent, Operand, Tensor

OPSET = 20
"""The ONNX operator set of every graph whylight writes: the newest one that all current runtimes have."""


IR_VERSION = 9
"""The ONNX file version that belongs to `OPSET`."""


def infer_types(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Name and type of every tensor of the model; its weights are not copied to find them.

    Raises:
        WhylightError: shapes in the model contradict each other.
    """
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    light.graph.value_info.extend(model.graph.value_info)
    declared = {info.name for info in model.graph.input}
    for initializer in model.graph.initializer:
        if int(np.prod(initializer.dims)) <= 64:
            light.graph.initializer.append(initializer)
        elif initializer.name not in declared:
            light.graph.input.append(
                helper.make_tensor_value_info(initializer.name, initializer.data_type, initializer.dims)
            )
    try:
        graph = infer_shapes(light, check_type=True, strict_mode=True, data_prop=True).graph
    except InferenceError as error:
        raise WhylightError(f"the graph's shapes contradict each other: {str(error).splitlines()[-1]}") from error
    return [*graph.input, *graph.value_info, *graph.output]


def number_types(op_type: str, operands: Sequence[Operand]) -> list[np.dtype[Any]]:
    """The type that each operand takes where it is a number: that of the first tensor which the operator binds it to.

    Of Where the operands have one type and the condition another; where no tensor is bound to it, it is that of the
    first tensor.
    """
    bound = _type_parameters(op_type, len(operands))
    tensors = [(kind, x.dtype) for kind, x in zip(bound, operands, strict=True) if isinstance(x, Tensor)]
    first = tensors[0][1] if tensors else np.dtype(np.float32)
    return [next((dtype for other, dtype in tensors if other == kind), first) for kind in bound]


@cache
def _type_parameters(op_type: str, count: int) -> list[str]:
    """The name of the type of each of ``count`` inputs; those that may be of any number have the last one's."""
    try:
        names = [parameter.type_str for parameter in get_schema(op_type, OPSET, "").inputs]
    except SchemaError as error:
        raise WhylightError(f"ONNX has no operator {op_type} in operator set {OPSET}") from error
    return (names + names[-1:] * count)[:count]


def infer_node(node: onnx.NodeProto, inputs: Sequence[Tensor]) -> dict[str, TypeProto]:
    """The types of a node's outputs, by name.

    Raises:
        WhylightError: the operator cannot take inputs of these shapes.
    """
    try:
        schema = get_schema(node.op_type, OPSET, "")
        return infer_node_outputs(
            schema,
            node,
            {x.name: _type_of_tensor(x) for x in inputs},
            {
                x.name: numpy_helper.from_array(x.value, x.name)
                for x in inputs
                if x.value is not None and x.value.size <= 64
            },
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
    except (InferenceError, ValidationError) as error:
        shapes = ", ".join(str(x.shape) for x in inputs)
        reason = str(error).strip().splitlines()[-1]
        raise WhylightError(f"'{node.name}': {node.op_type} cannot take inputs of shape {shapes}: {reason}") from error


def _type_of_tensor(tensor: Tensor) -> TypeProto:
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)


def tensor_of_type(name: str, proto: TypeProto) -> Tensor:
    """The tensor of a type that inference found.

    Raises:
        WhylightError: its rank is not known.
    """
    kind = proto.tensor_type
    if not proto.HasField("tensor_type") or not kind.HasField("shape"):
        raise WhylightError(f"'{name}': the number of its axes is not known before the model runs")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return Tensor(name, tuple(_extent(dimension) for dimension in kind.shape.dim), dtype)


def _extent(dimension: onnx.TensorShapeProto.Dimension) -> Extent:
    if dimension.HasField("dim_value"):
        return dimension.dim_value
    return dimension.dim_param or None


def value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    """Name, type and shape of a tensor, as a graph declares its inputs and outputs."""
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)
