"""Operators that are called by their ONNX names: the nodes of a graph.

For a type checker the stub beside this file takes its place. It declares the operators one by one, so that a misspelt
one is an error before anything runs; ``make operators`` writes it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from whylight.graph.tensor import Operand, Tensor


class Operators(ABC):
    """What can append a node to a graph, and therefore has a method for every operator that has one output."""

    @abstractmethod
    def node(self, op_type: str, operands: Sequence[Operand], outputs: int, **attributes: Any) -> tuple[Tensor, ...]:
        """Append one ONNX node with any number of outputs."""

    def __getattr__(self, op_type: str) -> Callable[..., Tensor]:
        """``op.Relu(x)``: append one ONNX node with one output."""
        if not op_type[:1].isupper():
            raise AttributeError(op_type)

        def call(*operands: Operand, **attributes: Any) -> Tensor:
            return self.node(op_type, operands, 1, **attributes)[0]

        return call
