"""Fitting gradients to shapes: broadcasting and its reverse, reshaping, masks."""

import numpy as np
from onnx import helper

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Operand, Tensor


def reduced_to(op: GraphBuilder, gradient: Tensor, tensor: Tensor) -> Tensor:
    """The sum of ``gradient`` over the axes along which ``tensor`` was broadcast."""
    added = gradient.rank - tensor.rank
    stretched = [
        axis for axis in range(added, gradient.rank) if tensor.shape[axis - added] == 1 != gradient.shape[axis]
    ]
    if stretched:
        gradient = op.ReduceSum(gradient, stretched, keepdims=1)
    if added:
        gradient = op.ReduceSum(gradient, list(range(added)), keepdims=0)
    return gradient


def expanded_to(op: GraphBuilder, gradient: Tensor, tensor: Tensor) -> Tensor:
    """``gradient``, of the rank of ``tensor``, repeated along the axes where its size is 1."""
    if gradient.shape == tensor.shape:
        return gradient
    sizes = [1 if size == own else size for size, own in zip(tensor.shape, gradient.shape, strict=True)]
    static = [size for size in sizes if isinstance(size, int)]
    shape: Operand = static if len(static) == len(sizes) else op.Shape(tensor)
    return op.with_shape(op.Expand(gradient, shape), tensor.shape)


def reshaped_to(op: GraphBuilder, gradient: Tensor, tensor: Tensor) -> Tensor:
    """``gradient`` in the shape of ``tensor``."""
    if gradient.shape == tensor.shape:
        return gradient
    sizes = [size if isinstance(size, int) else -1 for size in tensor.shape]
    shape: Operand = sizes if sizes.count(-1) <= 1 else op.Shape(tensor)
    return op.with_shape(op.Reshape(gradient, shape), tensor.shape)


def zeros_like(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """Zeros in the shape of ``tensor``."""
    return expanded_to(op, op.constant(np.zeros([1] * tensor.rank), tensor.dtype), tensor)


def channel_sums(op: GraphBuilder, gradient: Tensor) -> Tensor:
    """The sums over all axes but axis 1."""
    return op.ReduceSum(gradient, [0, *range(2, gradient.rank)], keepdims=0)


def masked(op: GraphBuilder, condition: Tensor, gradient: Tensor) -> Tensor:
    """A finite ``gradient`` where the condition holds, zero elsewhere.

    A product, since ONNX Runtime takes ten times as long for Where.
    """
    return op.Mul(gradient, indicator(op, condition, gradient))


def indicator(op: GraphBuilder, condition: Tensor, like: Tensor) -> Tensor:
    """1 where the condition holds, 0 elsewhere, in the type of ``like``."""
    return op.Cast(condition, to=helper.np_dtype_to_tensor_dtype(like.dtype))


def nonzero(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """``tensor`` with ones in place of zeros: a divisor for what is zero there too."""
    return op.Where(op.Equal(tensor, 0.0), op.constant(1, tensor.dtype), tensor)
