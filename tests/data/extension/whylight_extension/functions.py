"""A function of nnabla networks."""

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function


@function("Determinant")
def determinant(op: GraphBuilder, x: Tensor) -> Tensor:
    """The determinants of matrices with one entry: x."""
    return op.Det(op.Unsqueeze(x, [x.rank, x.rank + 1]))
