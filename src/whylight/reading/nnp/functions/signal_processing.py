"""nnabla's category *Signal Processing*."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape, Tensor
from whylight.reading.nnp.functions import function
from whylight.reading.nnp.functions.array_manipulation import reshaped


@function("Interpolate")
def interpolate(
    op: GraphBuilder,
    x: Tensor,
    *,
    output_size: Sequence[int],
    mode: str,
    align_corners: bool,
    half_pixel: bool,
    half_pixel_for_nn: bool,
    channel_last: bool,
) -> Tensor:
    """The last axes (those before the channels, if they come last) resized to ``output_size``.

    Output index i reads the input at i (size - 1) / (output - 1) with ``align_corners``, at
    (i + 1/2) size / output - 1/2 with ``half_pixel``, at (i + 1/2) size / output with ``half_pixel_for_nn`` (which
    only nearest knows), and else at i size / output. nearest rounds that down, linear interpolates; positions outside
    of the input are moved to its edge.
    """
    op.check_size("its result", tuple(output_size))
    if not 1 <= len(output_size) <= min(x.rank - channel_last, 3) or min(output_size) < 1:
        raise WhylightError(
            f"cannot resize its input of shape {x.shape} to {tuple(output_size)}, expected 1 to 3 sizes"
        )
    order = list(range(x.rank))
    if channel_last:
        order.insert(x.rank - 1 - len(output_size), order.pop())
        x = op.Transpose(x, perm=order)
    if mode == "linear":
        y = _linear(op, x, output_size, align_corners, half_pixel)
    elif mode == "nearest":
        y = _nearest(op, x, output_size, align_corners, half_pixel, half_pixel_for_nn)
    else:
        raise WhylightError(f"has the unknown mode '{mode}', expected nearest or linear")
    return op.Transpose(y, perm=[order.index(axis) for axis in range(x.rank)]) if channel_last else y


def _linear(op: GraphBuilder, x: Tensor, output_size: Sequence[int], align_corners: bool, half_pixel: bool) -> Tensor:
    leading, size = x.shape[: -len(output_size)], x.shape[-len(output_size) :]
    shape = (*leading, *output_size)
    if len(leading) != 2:  # ONNX Runtime resizes images with a batch and a channel axis
        numbers = [extent for extent in leading if isinstance(extent, int)]
        images = reshaped(op, x, (prod(numbers) if len(numbers) == len(leading) else None, 1, *size))
        return reshaped(op, _linear(op, images, output_size, align_corners, half_pixel), shape)
    # the one of ONNX's half-pixel modes that reads index 0, as nnabla does, where the output has one element
    positions = "pytorch_half_pixel" if half_pixel else "align_corners" if align_corners else "asymmetric"
    factors = [_factor(x.size(axis), output) for axis, output in enumerate(output_size, 2)]
    return _resized(op, x, factors, shape, mode="linear", coordinate_transformation_mode=positions)


def _factor(size: int, output: int) -> float:
    """The least output / size in single precision that gives ``output`` when the product is rounded down."""
    factor = np.float32(output / size)
    return float(factor if float(factor) * size >= output else np.nextafter(factor, np.float32(np.inf)))


def _resized(op: GraphBuilder, x: Tensor, factors: Sequence[float], shape: Shape, **attributes: Any) -> Tensor:
    """The last axes multiplied by ``factors``.

    Resize could have sizes for some axes instead, but ONNX Runtime loses them when it moves a Transpose past the node.
    """
    scales = np.array([1] * (x.rank - len(factors)) + list(factors), np.float32)
    return op.with_shape(op.Resize(x, None, scales, **attributes), shape)


def _nearest(
    op: GraphBuilder,
    x: Tensor,
    output_size: Sequence[int],
    align_corners: bool,
    half_pixel: bool,
    half_pixel_for_nn: bool,
) -> Tensor:
    axes = range(x.rank - len(output_size), x.rank)
    sizes = [x.size(axis) for axis in axes]
    sources = [
        _nearest_indices(size, output, align_corners, half_pixel, half_pixel_for_nn)
        for size, output in zip(sizes, output_size, strict=True)
    ]
    factors = [output // size for size, output in zip(sizes, output_size, strict=True)]
    repeated = [np.arange(size).repeat(factor) for size, factor in zip(sizes, factors, strict=True)]
    if all(map(np.array_equal, sources, repeated)):
        shape = (*x.shape[: axes.start], *output_size)
        positions = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return _resized(op, x, factors, shape, mode="nearest", **positions)
    for axis, source in zip(axes, sources, strict=True):
        x = op.Gather(x, source, axis=axis)
    return x


def _nearest_indices(
    size: int, output: int, align_corners: bool, half_pixel: bool, half_pixel_for_nn: bool
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The input index of each output index, in the single precision in which nnabla rounds it down."""
    index = np.arange(output, dtype=np.float32)
    half = np.float32(0.5)
    scale = np.float32(size) / np.float32(output)
    if half_pixel_for_nn:
        position = scale * (index + half)
    else:
        if output == 1:
            scale = np.float32(0)
        elif align_corners:
            scale = np.float32(size - 1) / np.float32(output - 1)
        position = np.maximum(scale * (index + half) - half, 0) if half_pixel else scale * index
    return np.minimum(position.astype(np.int64), size - 1)
