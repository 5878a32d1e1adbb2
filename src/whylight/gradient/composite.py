"""Derivatives of operators that are written in other operators, and differentiated as these."""

from collections.abc import Callable

import numpy as np

from whylight.gradient import gradient
from whylight.gradient.rule import ForwardNode, Gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

Formula = Callable[..., Tensor]
"""The operator in other operators: the builder, the node and its inputs in, the output out."""


def of_formula(op: GraphBuilder, node: ForwardNode, grad: Tensor, formula: Formula) -> tuple[Gradient, ...]:
    """The derivatives of ``formula``, which computes the node's output once more from copies of the inputs.

    Inputs that are constant have none.
    """
    own = {x.name: op.Identity(x) for x in node.inputs if x and _is_free(x)}
    y = formula(op, node, *(own.get(x.name, x) if x else None for x in node.inputs))
    slopes = dict(zip(own, gradient(op, y, grad, list(own.values())), strict=True))
    return tuple(slopes.get(x.name) if x else None for x in node.inputs)


def _is_free(x: Tensor) -> bool:
    """Whether it may be differentiated by; a copy of it does not depend on the other inputs."""
    return x.value is None and np.issubdtype(x.dtype, np.floating)
