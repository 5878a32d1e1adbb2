"""nnabla's category *Math*."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function

_LARGEST_SEQUENCE = 1_000_000


@function("Constant")
def constant(op: GraphBuilder, *, val: float, shape: Sequence[int]) -> Tensor:
    """``val`` everywhere; -1 for the first extent is the batch size."""
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [val])
    if tuple(shape[:1]) != (-1,):
        return op.ConstantOfShape(shape, value=value)
    if not op.inputs:
        raise WhylightError(f"has shape {tuple(shape)}, but the network has no data whose batch size it could take")
    extents = op.Concat(op.extent(op.inputs[0], 0), op.constant(shape[1:], np.int64), axis=0)
    return op.with_shape(op.ConstantOfShape(extents, value=value), (op.inputs[0].shape[0], *shape[1:]))


@function("Arange")
def arange(op: GraphBuilder, *, start: float, stop: float, step: float) -> Tensor:
    """start, start + step, ... before ``stop``; added up in single precision, as nnabla does, which decides the end."""
    values: list[np.float32] = []
    value, increment = np.float32(start), np.float32(step)
    while (value < stop) if increment > 0 else (value > stop):
        _limit_sequence(len(values) + 1)
        values.append(value)
        value += increment
    return op.constant(values, np.float32)


@function("Linspace")
def linspace(op: GraphBuilder, *, start: float, stop: float, num: int) -> Tensor:
    """``num`` values at equal distances from ``start`` to ``stop``."""
    _limit_sequence(num)
    return op.constant(np.linspace(start, stop, num), np.float32)


def _limit_sequence(length: int) -> None:
    if not 0 <= length <= _LARGEST_SEQUENCE:
        raise WhylightError(f"has {length} or more values, expected 0 to {_LARGEST_SEQUENCE}")


@function("Abs")
def absolute(op: GraphBuilder, x: Tensor) -> Tensor:
    """|x|."""
    return op.Abs(x)


@function("Exp")
def exponential(op: GraphBuilder, x: Tensor) -> Tensor:
    """e^x."""
    return op.Exp(x)


@function("Log")
def logarithm(op: GraphBuilder, x: Tensor) -> Tensor:
    """ln(x)."""
    return op.Log(x)


@function("Identity")
def identity(op: GraphBuilder, x: Tensor) -> Tensor:
    """x."""
    return op.Identity(x)


@function("BatchMatmul")
def batch_matmul(op: GraphBuilder, a: Tensor, b: Tensor, *, transpose_a: bool, transpose_b: bool) -> Tensor:
    """The matrix products of the last two axes; earlier axes of size 1 are broadcast."""
    return op.MatMul(_transposed(op, a) if transpose_a else a, _transposed(op, b) if transpose_b else b)


def _transposed(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Transpose(x, perm=[*range(x.rank - 2), x.rank - 1, x.rank - 2])


@function("Round")
def rounded(op: GraphBuilder, x: Tensor) -> Tensor:
    """The nearest integer; halves go away from zero, where ONNX's Round takes the even neighbour."""
    nearest = op.Round(x)
    half = op.Equal(op.Abs(op.Sub(x, nearest)), 0.5)
    return op.Where(half, op.Add(x, op.Mul(op.Sign(x), 0.5)), nearest)


@function("Ceil")
def ceiling(op: GraphBuilder, x: Tensor) -> Tensor:
    """The smallest integer that is not below x."""
    return op.Ceil(x)


@function("Floor")
def floor(op: GraphBuilder, x: Tensor) -> Tensor:
    """The largest integer that is not above x."""
    return op.Floor(x)


@function("Sin")
def sine(op: GraphBuilder, x: Tensor) -> Tensor:
    """sin(x)."""
    return op.Sin(x)


@function("Cos")
def cosine(op: GraphBuilder, x: Tensor) -> Tensor:
    """cos(x)."""
    return op.Cos(x)


@function("Tan")
def tangent(op: GraphBuilder, x: Tensor) -> Tensor:
    """tan(x)."""
    return op.Tan(x)


@function("Sinh")
def hyperbolic_sine(op: GraphBuilder, x: Tensor) -> Tensor:
    """sinh(x)."""
    return op.Sinh(x)


@function("Cosh")
def hyperbolic_cosine(op: GraphBuilder, x: Tensor) -> Tensor:
    """cosh(x)."""
    return op.Cosh(x)


@function("ASin")
def arc_sine(op: GraphBuilder, x: Tensor) -> Tensor:
    """arcsin(x)."""
    return op.Asin(x)


@function("ACos")
def arc_cosine(op: GraphBuilder, x: Tensor) -> Tensor:
    """arccos(x)."""
    return op.Acos(x)


@function("ATan")
def arc_tangent(op: GraphBuilder, x: Tensor) -> Tensor:
    """arctan(x)."""
    return op.Atan(x)


@function("ATan2")
def arc_tangent2(op: GraphBuilder, y: Tensor, x: Tensor) -> Tensor:
    """The angle of the point (x, y), from -pi to pi; 0 for the origin.

    The smaller coordinate is divided by the larger: no point but the origin divides by zero.
    """
    zero, one, pi = (op.constant(value, x.dtype) for value in (0.0, 1.0, np.pi))
    steep = op.Greater(op.Abs(y), op.Abs(x))
    divisor = op.Where(steep, y, op.Where(op.Equal(x, zero), one, x))
    angle = op.Atan(op.Div(op.Where(steep, x, y), divisor))
    half_turn = op.Where(op.Less(x, zero), op.Where(op.Less(y, zero), op.Neg(pi), pi), zero)
    return op.Where(steep, op.Sub(op.Mul(op.Sign(y), np.pi / 2), angle), op.Add(angle, half_turn))


@function("ASinh")
def inverse_hyperbolic_sine(op: GraphBuilder, x: Tensor) -> Tensor:
    """arsinh(x)."""
    return op.Asinh(x)


@function("ACosh")
def inverse_hyperbolic_cosine(op: GraphBuilder, x: Tensor) -> Tensor:
    """arcosh(x)."""
    return op.Acosh(x)


@function("ATanh")
def inverse_hyperbolic_tangent(op: GraphBuilder, x: Tensor) -> Tensor:
    """artanh(x)."""
    return op.Atanh(x)


@function("Erf")
def error_function(op: GraphBuilder, x: Tensor) -> Tensor:
    """erf(x)."""
    return op.Erf(x)
