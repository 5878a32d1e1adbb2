"""Derivatives of operators that are written in other operators, and differentiated as these."""

from collections.abc import Callable

import numpy as np

from whylight.gradient import gradient
from whylight.gradient.rule import ForwardNode, Gradient
from whylight.graph import GraphBuilder, Tensor

Formula = Callable[..., Tensor]
"""The operator in other operators: the builder, the node and its inputs in, the output out."""


def of_formula(op: GraphBuilder, node: ForwardNode, grad: Tensor, formula: Formula) -> tuple[Gradient, ...]:
    """The derivatives of ``formula``, which computes the node's output once more from inputs of its own.

    Inputs that are constant have none.
    """
    inputs = [_own(op, x) for x in node.inputs]
    free = [x for x, given in zip(inputs, node.inputs, strict=True) if x is not given]
    slopes = iter(gradient(op, formula(op, node, *inputs), grad, free))
    return tuple(next(slopes) if x is not given else None for x, given in zip(inputs, node.inputs, strict=True))


def _own(op: GraphBuilder, x: Tensor | None) -> Tensor | None:
    """A copy of what may be differentiated by: inputs that depend on each other become independent."""
    return op.Identity(x) if x and x.value is None and np.issubdtype(x.dtype, np.floating) else x
