"""The derivative of an operator that whylight does not differentiate."""

from whylight.gradient.rule import ForwardNode, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("Det")
def det(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """G, of matrices with one entry."""
    return op.Unsqueeze(grad, [node.output.rank, node.output.rank + 1])
