"""Derivatives of sampling at computed positions, and of Fourier transforms."""

from functools import reduce
from itertools import product
from math import prod

import numpy as np
from onnx import TensorProto, helper

from whylight.errors import WhylightError
from whylight.gradient.broadcast import indicator
from whylight.gradient.composite import of_formula
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("AffineGrid")
def affine_grid(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """(P^T g)^T, of P theta^T with the points P of a regular grid."""
    sizes = [grad.size(axis) for axis in range(1, grad.rank - 1)]
    steps = [
        np.linspace(-1, 1, size) if node.attributes["align_corners"] else (2 * np.arange(size) + 1) / size - 1
        for size in sizes
    ]
    coordinates = np.meshgrid(*steps, indexing="ij")[::-1]
    points = np.stack([*coordinates, np.ones(sizes)], -1).reshape(-1, len(sizes) + 1)
    flat = op.Reshape(grad, [0, len(points), len(sizes)])
    return op.Transpose(op.MatMul(points.T.astype(grad.dtype), flat), perm=[0, 2, 1])


@rule("GridSample")
def grid_sample(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of the sum over the elements around each point, each times its weight, which depends on the point."""
    return of_formula(op, node, grad, _sampled)


def _sampled(op: GraphBuilder, node: ForwardNode, x: Tensor, grid: Tensor) -> Tensor:
    sizes = [x.size(axis) for axis in range(2, x.rank)]
    flat = op.Reshape(x, [0, x.size(1), prod(sizes)])
    corners = [_corners(op, node, grid, axis, sizes) for axis in range(len(sizes))]
    terms = []
    for taken in product(*corners):
        place = op.Cast(reduce(op.Add, (place for place, _ in taken)), to=TensorProto.INT64)
        places = op.Add(place, np.zeros((1, x.size(1), 1), np.int64))
        terms.append(op.Mul(op.GatherElements(flat, places, axis=2), reduce(op.Mul, (weight for _, weight in taken))))
    points = [grid.size(axis) for axis in range(1, grid.rank - 1)]
    return op.Reshape(op.Sum(*terms), [0, 0, *points])


def _corners(
    op: GraphBuilder, node: ForwardNode, grid: Tensor, axis: int, sizes: list[int]
) -> list[tuple[Tensor, Tensor]]:
    """Along one axis, the elements next to each point: their places in the flat image, and their weights (N, 1, P)."""
    size, dtype = sizes[axis], grid.dtype
    last = len(sizes) - 1 - axis  # the grid's coordinates come in the reverse order of the axes
    unit = op.Reshape(op.Slice(grid, [last], [last + 1], [-1]), [0, 1, -1])
    aligned, border = node.attributes["align_corners"], node.attributes["padding_mode"]
    scale, offset = ((size - 1) / 2, (size - 1) / 2) if aligned else (size / 2, (size - 1) / 2)
    position = op.Add(op.Mul(unit, scale), offset)
    if border == "reflection":
        position = _reflected(op, position, *((0.0, size - 1.0) if aligned else (-0.5, size - 0.5)))
    if border != "zeros":
        position = op.Clip(position, 0.0, size - 1.0)
    nearest = node.attributes["mode"] == "nearest"
    if node.attributes["mode"] not in ("nearest", "linear", "bilinear"):
        raise WhylightError(f"'{node.name}': GridSample in mode '{node.attributes['mode']}' has no derivative rule")
    low = _without_gradient(op, op.Round(position) if nearest else op.Floor(position))
    share = op.Sub(position, low)
    weighted = [(low, None)] if nearest else [(low, op.Sub(1.0, share)), (op.Add(low, 1.0), share)]
    corners = []
    for place, weight in weighted:
        inside = indicator(op, op.And(op.GreaterOrEqual(place, 0.0), op.LessOrEqual(place, size - 1.0)), grid)
        flat = op.Mul(op.Clip(place, 0.0, size - 1.0), np.array(prod(sizes[axis + 1 :]), dtype))
        corners.append((flat, op.Mul(weight, inside) if weight else inside))
    return corners


def _reflected(op: GraphBuilder, position: Tensor, low: float, high: float) -> Tensor:
    """The position, thrown back at both ends as often as it takes."""
    span = high - low
    if span <= 0:
        return op.Mul(position, 0.0)
    distance = op.Mod(op.Abs(op.Sub(position, low)), 2 * span, fmod=1)
    return op.Sub(low + span, op.Abs(op.Sub(distance, span)))


def _without_gradient(op: GraphBuilder, whole: Tensor) -> Tensor:
    """Whole numbers by way of integers, which derivatives do not pass."""
    return op.Cast(op.Cast(whole, to=TensorProto.INT64), to=helper.np_dtype_to_tensor_dtype(whole.dtype))


@rule("DFT")
def fourier_transform(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The transform of g in the other direction, times n or divided by it; the real part where x is real."""
    x, y, inverse = node.input, node.output, node.attributes["inverse"]
    axis = int(node.constant("axis", 2)[0]) % x.rank if node.inputs[2] else x.rank - 2
    length = node.constant("dft_length", 1)
    count = int(length[0]) if length.size else x.size(axis)
    complete = _resized(op, grad, axis, y.size(axis), count)
    back = op.DFT(complete, None, np.array(axis), inverse=1 - inverse)
    back = op.Mul(back, float(1 / count if inverse else count))
    if x.size(-1) == 1:
        back = op.Slice(back, [0], [1], [-1])
    return _resized(op, back, axis, count, x.size(axis))


def _resized(op: GraphBuilder, tensor: Tensor, axis: int, size: int, wanted: int) -> Tensor:
    """The tensor with its last elements along ``axis`` cut off, or zeros after them."""
    pads = np.zeros((2, tensor.rank), np.int64)
    pads[1, axis] = wanted - size
    return op.Pad(tensor, pads.ravel()) if wanted != size else tensor
