"""nnabla's category *Arithmetic*."""

from functools import reduce

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function


@function("Add2")
def add2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 + x1; axes of size 1 are broadcast, as in all functions of two tensors."""
    return op.Add(x0, x1)


@function("AddN")
def add_n(op: GraphBuilder, x: Tensor, *others: Tensor) -> Tensor:
    """The sum of all inputs."""
    return op.Sum(x, *others)


@function("BcAdd2")
def bc_add2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 + x1."""
    return op.Add(x0, x1)


@function("Sub2")
def sub2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 - x1."""
    return op.Sub(x0, x1)


@function("Mul2")
def mul2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 x1."""
    return op.Mul(x0, x1)


@function("MulN")
def mul_n(op: GraphBuilder, x: Tensor, *others: Tensor) -> Tensor:
    """The product of all inputs."""
    return reduce(op.Mul, others, x)


@function("Div2")
def div2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 / x1."""
    return op.Div(x0, x1)


@function("Pow2")
def pow2(op: GraphBuilder, x0: Tensor, x1: Tensor) -> Tensor:
    """x0 ^ x1."""
    return op.Pow(x0, x1)


@function("AddScalar")
def add_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """x + val."""
    return op.Add(x, val)


@function("MulScalar")
def mul_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """x val."""
    return op.Mul(x, val)


@function("PowScalar")
def pow_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """x ^ val."""
    return op.Pow(x, val)


@function("RSubScalar")
def r_sub_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """val - x."""
    return op.Sub(val, x)


@function("RDivScalar")
def r_div_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """val / x."""
    return op.Div(val, x)


@function("RPowScalar")
def r_pow_scalar(op: GraphBuilder, x: Tensor, *, val: float) -> Tensor:
    """val ^ x."""
    return op.Pow(val, x)
