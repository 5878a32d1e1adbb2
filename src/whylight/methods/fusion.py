"""How the maps of several layers become one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from whylight.methods.axes import map_axes

if TYPE_CHECKING:
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor

_TINY = np.float32(1e-12)


def mean_of_maps(op: GraphBuilder, maps: Sequence[Tensor], full: list[int]) -> Tensor:
    """The mean of what speaks for the class in each, stretched to [0, 1].

    As in pytorch-grad-cam, and at the resolution of ``full`` where theirs differ. (LayerCAM's paper takes the largest
    of the maps, and saturates those of early layers first; that is a choice for that method alone.)
    """
    sizes = [_size(cam) for cam in maps]
    size = sizes[0] if all(other == sizes[0] for other in sizes) else full
    parts = [resized(op, _stretched(op, op.Relu(cam)), size) for cam in maps]
    return op.Div(reduce(op.Add, parts), np.float32(len(parts)))


def product_of_maps(op: GraphBuilder, maps: Sequence[Tensor], full: list[int]) -> Tensor:
    """The product of all, each stretched to [0, 1], at the finest of their resolutions."""
    size = max((_size(cam) for cam in maps), key=prod)
    return reduce(op.Mul, [resized(op, _stretched(op, cam), size) for cam in maps])


def resized(op: GraphBuilder, cam: Tensor, size: Sequence[int]) -> Tensor:
    """A map (N, h, w) at another resolution, by linear interpolation."""
    if _size(cam) == list(size):
        return cam
    inner = [axis + 1 for axis in map_axes(cam)]
    larger = op.Resize(op.Unsqueeze(cam, [1]), None, None, list(size), axes=inner, mode="linear")
    return op.with_shape(op.Squeeze(larger, [1]), (cam.shape[0], *size))


def _stretched(op: GraphBuilder, cam: Tensor) -> Tensor:
    """To [0, 1]; zeros where it is the same everywhere."""
    above = op.Sub(cam, op.ReduceMin(cam, map_axes(cam), keepdims=1))
    return op.Div(above, op.Max(op.ReduceMax(above, map_axes(cam), keepdims=1), _TINY))


def _size(cam: Tensor) -> list[int]:
    return [cam.size(axis) for axis in map_axes(cam)]
