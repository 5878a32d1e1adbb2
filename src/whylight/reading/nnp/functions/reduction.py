"""nnabla's category *Reduction*."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function
from whylight.reading.nnp.functions.array_manipulation import absolute_axes

_END = np.iinfo(np.int64).max


@function("Sum")
def total(op: GraphBuilder, x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """The sum over ``axes``."""
    return _reduced(op, "ReduceSum", x, axes, keep_dims)


@function("CumSum")
def cumulative_sum(op: GraphBuilder, x: Tensor, *, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    """The sum of all values up to each one of ``axis``: without it if ``exclusive``, from the end if ``reverse``."""
    (axis,) = absolute_axes(x, [axis])
    return op.CumSum(x, np.array(axis, np.int64), exclusive=int(exclusive), reverse=int(reverse))


@function("Mean")
def mean(op: GraphBuilder, x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """The mean over ``axes``."""
    return _reduced(op, "ReduceMean", x, axes, keep_dims)


@function("Max")
def maximum(
    op: GraphBuilder, x: Tensor, *, axes: Sequence[int], keep_dims: bool, with_index: bool, only_index: bool
) -> Tensor | tuple[Tensor, ...]:
    """The maximum over ``axes``, its index, or both."""
    return _extreme(op, "Max", x, axes, keep_dims, with_index, only_index)


@function("Min")
def minimum(
    op: GraphBuilder, x: Tensor, *, axes: Sequence[int], keep_dims: bool, with_index: bool, only_index: bool
) -> Tensor | tuple[Tensor, ...]:
    """The minimum over ``axes``, its index, or both."""
    return _extreme(op, "Min", x, axes, keep_dims, with_index, only_index)


@function("Norm")
def norm(op: GraphBuilder, x: Tensor, *, p: float, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """(The sum of |x|^p over ``axes``) ^ (1 / p)."""
    if p < 1:
        raise WhylightError(f"has p = {p:g}, expected 1 or more")
    return op.Pow(_reduced(op, "ReduceSum", op.Pow(op.Abs(x), p), axes, keep_dims), 1 / p)


@function("Prod")
def product(op: GraphBuilder, x: Tensor, *, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """The product over ``axes``."""
    return _reduced(op, "ReduceProd", x, axes, keep_dims)


@function("CumProd")
def cumulative_product(op: GraphBuilder, x: Tensor, *, axis: int, exclusive: bool, reverse: bool) -> Tensor:
    """The product of all values up to each one of ``axis``, with the options of CumSum.

    ONNX has no such operator. Each step multiplies by the values 1, 2, 4, ... places before: after the last one, every
    place holds the product of all before it.
    """
    (axis,) = absolute_axes(x, [axis])
    y = _shifted(op, x, axis, 1, reverse) if exclusive else x
    distance = 1
    while distance < x.size(axis):
        y = op.Mul(y, _shifted(op, y, axis, distance, reverse))
        distance *= 2
    return y


@function("ReduceSum")
def reduce_sum(op: GraphBuilder, x: Tensor) -> Tensor:
    """The sum over all axes."""
    return op.ReduceSum(x, keepdims=0)


@function("ReduceMean")
def reduce_mean(op: GraphBuilder, x: Tensor) -> Tensor:
    """The mean over all axes."""
    return op.ReduceMean(x, keepdims=0)


def _reduced(op: GraphBuilder, operator: str, x: Tensor, axes: Sequence[int], keep_dims: bool) -> Tensor:
    """No axes means no reduction to nnabla, and all axes to ONNX."""
    return op.node(operator, [x, axes], 1, keepdims=int(keep_dims))[0] if axes else x


def _extreme(
    op: GraphBuilder,
    kind: str,
    x: Tensor,
    axes: Sequence[int],
    keep_dims: bool,
    with_index: bool,
    only_index: bool,
) -> Tensor | tuple[Tensor, ...]:
    """The Max or Min over ``axes``, its index among their values counted as one axis, or both.

    The index is a float, as is every value of nnabla.
    """
    y = _reduced(op, f"Reduce{kind}", x, axes, keep_dims)
    if not (with_index or only_index):
        return y
    reduced = sorted(axis % x.rank for axis in axes)
    kept = [axis for axis in range(x.rank) if axis not in reduced]
    flat = op.Reshape(op.Transpose(x, perm=kept + reduced), [0] * len(kept) + [-1])
    index = op.Cast(op.node(f"Arg{kind}", [flat], 1, axis=-1, keepdims=0)[0], to=TensorProto.FLOAT)
    if keep_dims and axes:
        index = op.Unsqueeze(index, reduced)
    return index if only_index else (y, index)


def _shifted(op: GraphBuilder, x: Tensor, axis: int, distance: int, backward: bool) -> Tensor:
    """``x`` moved by ``distance`` towards the end of ``axis`` (or its start), ones filling up behind it."""
    start, end, pads = (distance, _END, [0, distance]) if backward else (0, -distance, [distance, 0])
    return op.Pad(op.Slice(x, [start], [end], [axis]), pads, 1.0, [axis])
