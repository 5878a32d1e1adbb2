"""nnabla's category *Stochasticity*: what chance does to training images is left out, with a warning."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function


@function("Dropout")
def dropout(op: GraphBuilder, x: Tensor) -> Tensor:
    """x: nnabla scales the kept values while training, not at inference."""
    return op.Identity(x)


@function("RandomFlip")
def random_flip(op: GraphBuilder, x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """x, not flipped."""
    if axes:
        _warn(f"RandomFlip of axes {tuple(axes)} is left out: nothing is flipped")
    return op.Identity(x)


@function("RandomShift")
def random_shift(op: GraphBuilder, x: Tensor, *, shifts: Sequence[int]) -> Tensor:
    """x, not shifted."""
    if any(shifts):
        _warn(f"RandomShift by up to {tuple(shifts)} is left out: nothing is shifted")
    return op.Identity(x)


@function("RandomErase")
def random_erase(op: GraphBuilder, x: Tensor, *, prob: float) -> Tensor:
    """x, nothing erased."""
    if prob > 0:
        _warn(f"RandomErase with probability {prob:g} is left out: nothing is erased")
    return op.Identity(x)


@function("RandomCrop")
def random_crop(op: GraphBuilder, x: Tensor, *, shape: Sequence[int]) -> Tensor:
    """The centre of x; ``shape`` is that of the last axes, as many as it has."""
    extents = _last_extents(x, shape)
    if any(extent > x.size(axis) for axis, extent in extents.items()):
        raise WhylightError(f"crops to shape {tuple(shape)}, expected one within that of the input, {x.shape}")
    if any(extent < x.size(axis) for axis, extent in extents.items()):
        _warn(f"RandomCrop to shape {tuple(shape)} takes the centre")
    return _centre(op, x, extents)


@function("ImageAugmentation")
def image_augmentation(
    op: GraphBuilder,
    x: Tensor,
    *,
    shape: Sequence[int],
    pad: Sequence[int],
    min_scale: float,
    max_scale: float,
    angle: float,
    aspect_ratio: float,
    distortion: float,
    flip_lr: bool,
    flip_ud: bool,
    brightness: float,
    contrast: float,
    noise: float,
) -> Tensor:
    """The centre of the images (..., H, W) in the output ``shape``; beyond their edges, the edge goes on.

    That is nnabla's formula with every random number in the middle of its range: no rotation, flip, distortion, change
    of brightness or contrast, and no noise. The scale is 1, or the nearest one of ``min_scale`` to ``max_scale``:
    equal ones resize every image. ``pad`` only widens the range of the random position.
    """
    extents = _last_extents(x, shape)
    height, width = x.rank - 2, x.rank - 1
    pad = pad or (0, 0)
    if len(shape) < 2 or len(pad) != 2 or any(extents[axis] != x.size(axis) for axis in extents if axis < height):
        raise WhylightError(
            f"has output shape {tuple(shape)} and pad {tuple(pad)}, expected a shape that differs from that of the "
            f"input, {x.shape}, in its last two axes only, and two pads"
        )
    scale = min(max(1.0, min_scale), max_scale)
    if scale <= 0:
        raise WhylightError(f"has scales from {min_scale:g} to {max_scale:g}, expected positive ones")
    place_is_fixed = all(
        extents[axis] == (x.size(axis) + 2 * border) * scale for axis, border in zip((height, width), pad, strict=True)
    )
    form_is_fixed = (min_scale, angle, aspect_ratio, distortion) == (max_scale, 0, 1, 0) and not (flip_lr or flip_ud)
    color_is_fixed = (brightness, contrast, noise) == (0, 1, 0)
    if not (place_is_fixed and form_is_fixed and color_is_fixed):
        _warn(f"ImageAugmentation is left out: it takes the centre in shape {tuple(shape)} at scale {scale:g}")
    if scale == 1 and all(extents[axis] <= x.size(axis) for axis in (height, width)):
        return _centre(op, x, extents)
    for axis in (height, width):
        op.check_size("the matrix of its sampling", (3, x.size(axis), extents[axis]), np.float64)  # three at a time
    rows = _sampling(x.size(height), extents[height], scale)
    columns = _sampling(x.size(width), extents[width], scale)
    return op.MatMul(op.MatMul(rows, x), columns.T)


def _warn(message: str) -> None:
    warnings.warn(message, WhylightWarning, stacklevel=2)


def _last_extents(x: Tensor, shape: Sequence[int]) -> dict[int, int]:
    """The extents of ``shape``, which belong to the last axes of x, by axis; a batch axis is not among them."""
    first = x.rank - len(shape)
    batch = len(shape) > 0 and first == 0 and (shape[0] < 0 or not isinstance(x.shape[0], int))
    extents = dict(enumerate(shape[batch:], first + batch))
    if first < 0 or any(extent < 1 for extent in extents.values()):
        raise WhylightError(f"has output shape {tuple(shape)}, which does not fit the input of shape {x.shape}")
    return extents


def _centre(op: GraphBuilder, x: Tensor, extents: dict[int, int]) -> Tensor:
    """``x`` cropped to ``extents``, given by axis; of an odd margin, the larger half is behind."""
    cropped = {axis: extent for axis, extent in extents.items() if extent != x.size(axis)}
    starts = [(x.size(axis) - extent) // 2 for axis, extent in cropped.items()]
    ends = [start + extent for start, extent in zip(starts, cropped.values(), strict=True)]
    return op.Slice(x, starts, ends, list(cropped)) if cropped else op.Identity(x)


def _sampling(size: int, extent: int, scale: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Linear interpolation as a matrix (extent, size): output i is the input at size/2 + (i - extent/2) / scale."""
    places = np.clip(size / 2 + (np.arange(extent) - extent / 2) / scale, 0, size - 1)
    distances = np.abs(places[:, np.newaxis] - np.arange(size))
    return np.asarray(np.maximum(0, 1 - distances), np.float32)
