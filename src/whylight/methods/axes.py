"""Sums and means over the axes of feature maps (N, C, h, w); of (N, C, l) and (N, C, d, h, w) as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor


def spatial_axes(tensor: Tensor) -> list[int]:
    """All axes but batch and channels."""
    return list(range(2, tensor.rank))


def spatial_mean(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 1, 1)."""
    return op.ReduceMean(tensor, spatial_axes(tensor), keepdims=1)


def spatial_sum(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 1, 1)."""
    return op.ReduceSum(tensor, spatial_axes(tensor), keepdims=1)


def channel_sum(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, h, w)."""
    return op.ReduceSum(tensor, [1], keepdims=0)


def channel_mean(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, h, w)."""
    return op.ReduceMean(tensor, [1], keepdims=0)


def map_axes(cam: Tensor) -> list[int]:
    """All axes of a map (N, h, w) but the batch."""
    return list(range(1, cam.rank))
