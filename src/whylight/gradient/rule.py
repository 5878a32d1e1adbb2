"""The table of derivative rules, and what a rule sees of the node that it differentiates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.defs import OpSchema, get_schema

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.inference import OPSET
from whylight.graph.tensor import Tensor
from whylight.registry import Registry, origin_of

Gradient = Tensor | Callable[[], Tensor] | None
"""The derivative with respect to one input; a function where its computation is put off until it is wanted."""
Rule = Callable[..., Gradient | tuple[Gradient, ...]]

_MODULES = (
    "activation",
    "arithmetic",
    "indexing",
    "layout",
    "linear",
    "normalization",
    "pooling",
    "recurrent",
    "reduction",
    "resize",
    "sampling",
)
_RULES = Registry[Rule](
    "derivative of the operator", [f"{__package__}.{module}" for module in _MODULES], "whylight.rules"
)


@dataclass(frozen=True)
class ForwardNode:
    """A node of the forward graph.

    ``inputs`` has an entry for each input of the operator, ``attributes`` one for each attribute that is given or
    has a default; inputs and outputs that are absent are None.
    """

    name: str
    operator: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    attributes: Mapping[str, Any]

    @property
    def input(self) -> Tensor:
        """The first input."""
        tensor: Tensor = self.inputs[0]
        return tensor

    @property
    def output(self) -> Tensor:
        """The first output."""
        tensor: Tensor = self.outputs[0]
        return tensor

    def operand(self, name: str, position: int) -> Any:
        """What is an attribute in some operator sets and an input in others: its value or tensor, None if absent."""
        if name in self.attributes:
            return self.attributes[name]
        return self.inputs[position] if position < len(self.inputs) else None

    def constant(self, name: str, position: int) -> np.ndarray[Any, Any]:
        """The value of an `operand` that has to be constant, as a vector; empty if absent.

        Raises:
            WhylightError: it is computed while the model runs.
        """
        operand = self.operand(name, position)
        if operand is None:
            return np.array([], np.int64)
        value = operand.value if isinstance(operand, Tensor) else operand
        if value is None:
            raise WhylightError(
                f"'{self.name}': input '{name}' of {self.operator} is computed by the model; "
                "the derivative needs a constant"
            )
        return np.atleast_1d(value)


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register the derivative of ONNX operators.

    A rule takes the graph builder, the forward node, and the gradient of the node's output. It returns the gradient
    of the first input, or a tuple with those of all inputs. They may have the output's shape where the operator
    broadcasts: they are summed afterwards. The rule of an operator with several outputs that matter takes the
    gradients of all of them (``*grads``), None for those that are not in use.

    The docstrings of the rules say the gradient as a formula in g, the gradient of the output, x or a and b, the
    inputs, and y, the output; after "of" comes the operator's own formula.

    Raises:
        WhylightError: one of the operators has another rule.
    """

    def register(function: Rule) -> Rule:
        for operator in operators:
            _RULES.add(operator, function, origin_of(function))
        return function

    return register


def rules() -> Mapping[str, Rule]:
    """All rules by the name of their operator."""
    return _RULES


def forward_node(op: GraphBuilder, node: onnx.NodeProto) -> ForwardNode:
    """What a rule sees of ``node``."""
    inputs = [op.tensors[name] if name else None for name in node.input]
    inputs += [None] * (_input_count(node.op_type) - len(inputs))
    outputs = [op.tensors[name] if name else None for name in node.output]
    given = {attribute.name: _value(attribute) for attribute in node.attribute}
    attributes = {**_default_attributes(node.op_type), **given}
    return ForwardNode(node.name or node.output[0], node.op_type, tuple(inputs), tuple(outputs), attributes)


@cache
def _default_attributes(operator: str) -> Mapping[str, Any]:
    attributes = get_schema(operator, OPSET, "").attributes
    defaults = {name: attribute.default_value for name, attribute in attributes.items()}
    return {name: _value(default) for name, default in defaults.items() if default.type}


@cache
def _input_count(operator: str) -> int:
    schema = get_schema(operator, OPSET, "")
    variadic = any(x.option == OpSchema.FormalParameterOption.Variadic for x in schema.inputs)
    return 0 if variadic else schema.max_input


def _value(attribute: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value
