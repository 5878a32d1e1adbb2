"""nnabla's category *Neural Network Activation Functions*."""

from whylight.graph import GraphBuilder, Tensor
from whylight.nnp.functions import function


@function("ELU")
def elu(op: GraphBuilder, x: Tensor, *, alpha: float) -> Tensor:
    """alpha (exp(x) - 1) below zero."""
    return op.Elu(x, alpha=alpha)
