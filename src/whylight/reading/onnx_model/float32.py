"""Models in half or double precision, rewritten in float32: what whylight's graphs are in."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

_OTHERS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_TYPE_ATTRIBUTES = {"Cast": "to", "RandomNormal": "dtype", "RandomUniform": "dtype", "EyeLike": "dtype"}


def in_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with float32 in place of every float16, bfloat16 and double: inputs, weights, casts and outputs.

    Values beyond float32's range become its largest. A model that has none of these is given back itself.
    """
    if not _has_others(model.graph):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _rewrite(copy.graph)
    return copy


def _has_others(graph: onnx.GraphProto) -> bool:
    if any(tensor.data_type in _OTHERS for tensor in graph.initializer):
        return True
    if any(info.type.tensor_type.elem_type in _OTHERS for info in (*graph.input, *graph.output)):
        return True
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == _TYPE_ATTRIBUTES.get(node.op_type) and attribute.i in _OTHERS:
                return True
            if attribute.type == AttributeProto.TENSOR and attribute.t.data_type in _OTHERS:
                return True
            if attribute.type == AttributeProto.GRAPH and _has_others(attribute.g):
                return True
    return False


def _rewrite(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    _rewrite_tensors(graph.initializer)
    for info in (*graph.input, *graph.output):
        if info.type.tensor_type.elem_type in _OTHERS:
            info.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == _TYPE_ATTRIBUTES.get(node.op_type) and attribute.i in _OTHERS:
                attribute.i = TensorProto.FLOAT
            elif attribute.type == AttributeProto.TENSOR:
                _rewrite_tensors([attribute.t])
            elif attribute.type == AttributeProto.GRAPH:
                _rewrite(attribute.g)


def _rewrite_tensors(tensors: Iterable[onnx.TensorProto]) -> None:
    for tensor in tensors:
        if tensor.data_type in _OTHERS:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            limit = np.finfo(np.float32).max
            finite = np.isfinite(values)
            clipped = np.where(finite, values.clip(-limit, limit), values).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(clipped, tensor.name))


def element_type(info: onnx.ValueInfoProto) -> str:
    """A tensor's element type, for messages."""
    name: str = helper.tensor_dtype_to_string(info.type.tensor_type.elem_type)
    return name.removeprefix("TensorProto.").lower()
