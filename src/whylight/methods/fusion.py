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


def mean_of_maps(op: GraphBuilder, maps: Sequence[Tensor]) -> Tensor:
    """The mean of what speaks for the class in each, as parts of its maximum, at the finest resolution."""
    parts = [_part_of_maximum(op, op.Relu(cam)) for cam in maps]
    return op.Div(reduce(op.Add, _at_finest_resolution(op, parts)), np.float32(len(parts)))


def product_of_maps(op: GraphBuilder, maps: Sequence[Tensor]) -> Tensor:
    """The product of all, each stretched to [0, 1], at the finest resolution."""
    stretched = [_part_of_maximum(op, op.Sub(cam, op.ReduceMin(cam, map_axes(cam), keepdims=1))) for cam in maps]
    return reduce(op.Mul, _at_finest_resolution(op, stretched))


def resized(op: GraphBuilder, cam: Tensor, size: Sequence[int]) -> Tensor:
    """A map (N, h, w) at another resolution, by linear interpolation."""
    if [cam.size(axis) for axis in map_axes(cam)] == list(size):
        return cam
    inner = [axis + 1 for axis in map_axes(cam)]
    larger = op.Resize(op.Unsqueeze(cam, [1]), None, None, list(size), axes=inner, mode="linear")
    return op.with_shape(op.Squeeze(larger, [1]), (cam.shape[0], *size))


def _part_of_maximum(op: GraphBuilder, cam: Tensor) -> Tensor:
    return op.Div(cam, op.Max(op.ReduceMax(cam, map_axes(cam), keepdims=1), _TINY))


def _at_finest_resolution(op: GraphBuilder, maps: Sequence[Tensor]) -> list[Tensor]:
    size = max(([cam.size(axis) for axis in map_axes(cam)] for cam in maps), key=prod)
    return [resized(op, cam, size) for cam in maps]
