"""The tensors of an ONNX model that are constant, of a graph of which no shapes are known."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from whylight.classifier.first_steps import Known
from whylight.graph.tensor import Tensor

_NUMBERS = ("value", "value_float", "value_floats", "value_int", "value_ints")


def constants(model: onnx.ModelProto) -> Known:
    """The tensors that are constant, of a graph of which no shapes are known."""
    given: dict[str, onnx.TensorProto | onnx.AttributeProto] = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        number = next((each for each in node.attribute if each.name in _NUMBERS), None)
        if node.op_type == "Constant" and number is not None:
            given[node.output[0]] = number

    def constant(name: str) -> Tensor | None:
        if name not in given:
            return None
        found = given[name]
        content = helper.get_attribute_value(found) if isinstance(found, onnx.AttributeProto) else found
        value = numpy_helper.to_array(content) if isinstance(content, TensorProto) else np.asarray(content)
        return Tensor(name, value.shape, value.dtype, value)

    return constant
