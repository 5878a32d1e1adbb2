"""Linear maps along one axis, as constant matrices: what interpolation, averaging and edge padding have in common."""

from typing import Any

import numpy as np

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

Matrix = np.ndarray[Any, Any]


def mapped(op: GraphBuilder, tensor: Tensor, axis: int, matrix: Matrix) -> Tensor:
    """The tensor with its ``axis`` multiplied by ``matrix`` (old size, new size)."""
    if np.array_equal(matrix, np.eye(len(matrix))):
        return tensor
    matrix = matrix.astype(tensor.dtype)
    last = tensor.rank - 1
    if axis == last:
        return op.MatMul(tensor, matrix)
    if axis == last - 1:
        return op.MatMul(matrix.T, tensor)
    order = [*range(axis), *range(axis + 1, tensor.rank), axis]
    moved = op.MatMul(op.Transpose(tensor, perm=order), matrix)
    return op.Transpose(moved, perm=np.argsort(order).tolist())


def selection(indices: Matrix, size: int) -> Matrix:
    """The matrix (len(indices), size) whose row i holds a one in column indices[i]."""
    return np.equal(indices[:, None], np.arange(size)).astype(np.float32)
