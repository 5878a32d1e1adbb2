"""Fitting gradients to shapes: broadcasting, its reverse, and masks."""

from math import prod

import numpy as np

from whylight.graph import GraphBuilder, Tensor


def reduced_to(op: GraphBuilder, gradient: Tensor, tensor: Tensor) -> Tensor:
    """The sum of ``gradient`` over the axes along which ``tensor`` was broadcast."""
    added = gradient.rank - tensor.rank
    stretched = [
        axis for axis in range(added, gradient.rank) if tensor.shape[axis - added] == 1 and gradient.shape[axis] != 1
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
    sizes = [
        op.constant([1], np.int64) if size == gradient.shape[axis] else op.extent(tensor, axis)
        for axis, size in enumerate(tensor.shape)
    ]
    return op.with_shape(op.Expand(gradient, op.Concat(*sizes, axis=0)), tensor.shape)


def reshaped_to(op: GraphBuilder, gradient: Tensor, tensor: Tensor) -> Tensor:
    """``gradient`` in the shape of ``tensor``."""
    if gradient.shape == tensor.shape:
        return gradient
    return reshaped(op, gradient, tensor, list(range(tensor.rank)))


def zeros_like(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """Zeros in the shape of ``tensor``."""
    return expanded_to(op, op.constant(np.zeros([1] * tensor.rank), tensor.dtype), tensor)


def masked(op: GraphBuilder, condition: Tensor, gradient: Tensor) -> Tensor:
    """``gradient`` where the condition holds, zero elsewhere."""
    return op.Where(condition, gradient, op.constant(0, gradient.dtype))
