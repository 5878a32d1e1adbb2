"""Activations and gradients in one order of axes, whatever the network's own is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

if TYPE_CHECKING:
    from whylight.classifier.layer import Layer


def feature_map(op: GraphBuilder, layer: Layer, tensor: Tensor) -> Tensor:
    """A layer's activation, or the gradient with respect to it, as (N, C, h, w).

    Channels are moved to the second axis. Of tokens (N, T, C) or (N, C, T), those that belong to no place in the image
    (class token, registers) are left out, and the others are laid out in their grid.
    """
    if layer.channels_last:
        rank = tensor.rank
        tensor = op.Transpose(tensor, perm=[0, rank - 1, *range(1, rank - 1)])
    if layer.grid is None:
        return tensor
    count = 1
    for extent in layer.grid:
        count *= extent
    if tensor.size(2) != count:
        tensor = op.Slice(tensor, [layer.tokens_before], [layer.tokens_before + count], [2])
    channels = tensor.size(1)
    shape = (tensor.shape[0], channels, *layer.grid)
    batch = shape[0] if isinstance(shape[0], int) else -1
    return op.with_shape(op.Reshape(tensor, [batch, channels, *layer.grid]), shape)


def layer_output(op: GraphBuilder, layer: Layer, maps: Tensor, original: Tensor) -> Tensor:
    """Feature maps (N, C, h, w) as the layer's output, the inverse of `feature_map`.

    Tokens that belong to no place in the image are those of the ``original`` output.
    """
    places = list(range(2, maps.rank))
    if layer.grid is None:
        return op.Transpose(maps, perm=[0, *places, 1]) if layer.channels_last else maps
    axis, count = (1, original.size(1)) if layer.channels_last else (2, original.size(2))
    tokens = op.Reshape(maps, [0, 0, -1])
    if layer.channels_last:
        tokens = op.Transpose(tokens, perm=[0, 2, 1])
    end = layer.tokens_before + int(np.prod(layer.grid))
    around = [
        op.Slice(original, [first], [last], [axis])
        for first, last in ((0, layer.tokens_before), (end, count))
        if first < last
    ]
    if around:
        before, after = around[: layer.tokens_before > 0], around[layer.tokens_before > 0 :]
        tokens = op.Concat(*before, tokens, *after, axis=axis)
    return op.with_shape(tokens, (maps.shape[0], *original.shape[1:]))
