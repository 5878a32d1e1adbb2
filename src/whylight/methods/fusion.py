"""How the maps of several layers become one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from whylight.methods.axes import map_axes

if TYPE_CHECKING:
    from whylight.graph import GraphBuilder, Tensor

_TINY = np.float32(1e-12)


def mean_of_maps(op: GraphBuilder, maps: Sequence[Tensor], image: Sequence[int]) -> Tensor:
    """The mean of what speaks for the class in each, stretched to [0, 1].

    As in pytorch-grad-cam, and at the resolution of the image where theirs differ. (LayerCAM's paper takes the largest
    of the maps, and saturates those of early layers first; that is a choice for that method alone.)
    """
    parts = [_stretched(op, op.Relu(cam)) for cam in maps]
    if len({tuple(cam.size(axis) for axis in map_axes(cam)) for cam in maps}) > 1:
        parts = [resized(op, part, image) for part in parts]
    return op.Div(reduce(op.Add, parts), np.float32(len(parts)))


def product_of_maps(op: GraphBuilder, maps: Sequence[Tensor], image: Sequence[int]) -> Tensor:
    """The product of all, each stretched to [0, 1], at the finest resolution of them, whatever the image's is."""
    size = max(([cam.size(axis) for axis in map_axes(cam)] for cam in maps), key=prod)
    return reduce(op.Mul, [resized(op, _stretched(op, cam), size) for cam in maps])


def resized(op: GraphBuilder, cam: Tensor, size: Sequence[int]) -> Tensor:
    """A map (N, h, w) at another resolution, by linear interpolation."""
    if [cam.size(axis) for axis in map_axes(cam)] == list(size):
        return cam
    inner = [axis + 1 for axis in map_axes(cam)]
    larger = op.Resize(op.Unsqueeze(cam, [1]), None, None, list(size), axes=inner, mode="linear")
    return op.with_shape(op.Squeeze(larger, [1]), (cam.shape[0], *size))


def _stretched(op: GraphBuilder, cam: Tensor) -> Tensor:
    """A map (N, h, w) from 0 to 1."""
    above = op.Sub(cam, op.ReduceMin(cam, map_axes(cam), keepdims=1))
    return op.Div(above, op.Max(op.ReduceMax(above, map_axes(cam), keepdims=1), _TINY))
