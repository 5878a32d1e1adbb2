"""The derivative of Resize: per axis, the transposed matrix of the interpolation."""

import numpy as np

from whylight.errors import WhylightError
from whylight.gradient.axis_map import Matrix, mapped, selection
from whylight.gradient.rule import ForwardNode, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("Resize")
def resize(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g times the transposed matrix of the interpolation, axis by axis."""
    x, y, scales = node.input, node.output, node.constant("scales", 2)
    crops = node.attributes["coordinate_transformation_mode"] == "tf_crop_and_resize"
    chosen = node.attributes.get("axes", range(x.rank))
    corners = node.constant("roi", 1) if crops else np.tile([[0.0], [1.0]], len(chosen))
    for index, (axis, (start, end)) in enumerate(zip(chosen, corners.reshape(2, -1).T, strict=True)):
        kept = scales[index] == 1 if scales.size else x.shape[axis] == y.shape[axis]
        if not kept or (start, end) != (0, 1):
            size, count = x.size(axis), y.size(axis)
            positions = _positions(node, size, count, scales[index] if scales.size else count / size, start, end)
            shrinking = scales[index] if scales.size else count / size
            grad = mapped(op, grad, axis % x.rank, _interpolation(node, positions, size, min(1.0, float(shrinking))))
    return grad


def _positions(node: ForwardNode, size: int, count: int, scale: float, start: float, end: float) -> Matrix:
    """Where each of the ``count`` output elements lies between the ``size`` input elements, in ONNX's terms.

    In single precision as ONNX Runtime computes it: the nearest element depends on the rounding.
    """
    indices = np.arange(count, dtype=np.float32)
    centers = (indices + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)
    match node.attributes["coordinate_transformation_mode"]:
        case "half_pixel":
            return centers
        case "pytorch_half_pixel":
            return centers if count > 1 else np.zeros_like(indices)
        case "half_pixel_symmetric":
            return centers + np.float32(size / 2 * (1 - count / (scale * size)))
        case "tf_half_pixel_for_nn":
            return centers + np.float32(0.5)
        case "asymmetric":
            return indices / np.float32(scale)
        case "align_corners":
            return indices * np.float32((size - 1) / max(count - 1, 1))
        case "tf_crop_and_resize" if count == 1:
            return np.array([(start + end) / 2 * (size - 1)])
        case "tf_crop_and_resize":
            return np.linspace(start, end, count) * (size - 1)
        case mode:
            raise WhylightError(f"'{node.name}': Resize with coordinates '{mode}' has no derivative rule")


def _interpolation(node: ForwardNode, positions: Matrix, size: int, shrinking: float) -> Matrix:
    """The matrix (output elements, size) of the interpolation at ``positions``; zero for elements outside."""
    if node.attributes["mode"] == "nearest":
        matrix = selection(_nearest(node, positions).clip(0, size - 1), size)
    else:
        matrix = _weighted(node, positions, size, shrinking if node.attributes["antialias"] else 1.0)
    if node.attributes["coordinate_transformation_mode"] == "tf_crop_and_resize":
        matrix[(positions < 0) | (positions > size - 1)] = 0
    return matrix


def _weighted(node: ForwardNode, positions: Matrix, size: int, shrinking: float) -> Matrix:
    """Every element weighted by its distance; those beyond the edge are copies of it, or do not count.

    With antialias the kernel is as wide as an output element.
    """
    reach = 2 / shrinking
    places = np.arange(np.floor(positions.min() - reach), np.ceil(positions.max() + reach) + 1)
    distances = np.abs(places - positions[:, None]) * shrinking
    if node.attributes["mode"] == "linear":
        weights = np.maximum(1 - distances, 0)
    else:
        weights = _cubic_kernel(distances, node.attributes["cubic_coeff_a"])
    if node.attributes["exclude_outside"]:
        weights = weights * ((places >= 0) & (places < size))
    matrix: Matrix = weights / weights.sum(1, keepdims=True) @ selection(places.clip(0, size - 1), size)
    return matrix


def _cubic_kernel(distances: Matrix, a: float) -> Matrix:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981."""
    near = (a + 2) * distances**3 - (a + 3) * distances**2 + 1
    far = a * (distances**3 - 5 * distances**2 + 8 * distances - 4)
    return np.select([distances < 1, distances < 2], [near, far], 0.0)


def _nearest(node: ForwardNode, positions: Matrix) -> Matrix:
    match node.attributes["nearest_mode"]:
        case "round_prefer_floor":
            return np.ceil(positions - np.float32(0.5))
        case "round_prefer_ceil":
            return np.floor(positions + np.float32(0.5))
        case "floor":
            return np.floor(positions)
        case _:
            return np.ceil(positions)
