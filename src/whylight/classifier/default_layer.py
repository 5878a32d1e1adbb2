"""The layer that is explained where none is named.

For a convolutional network it is the last convolution before the spatial axes are lost. A network that goes on for
long after its last convolution, as transformers and mixers do, is explained at the last feature map or token tensor
that all of the score passes through. Where the score reads the class token alone, the other tokens behind the last
attention have no gradient: there it is the last such tensor before that attention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import onnx

from whylight.graph.dominators import dominators
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes

if TYPE_CHECKING:
    from whylight.classifier.layer import Layer

_MANY = 4
"""More matrix products than this after the last convolution are no part of its block."""
_PRODUCTS = ("MatMul", "Einsum", "Gemm", "Attention")


def default_layer(
    nodes: Sequence[onnx.NodeProto], layers: Sequence[Layer], tensors: Mapping[str, Tensor], image: str, score: str
) -> Layer | None:
    """The layer, or None where no convolution and no other tensor suits."""
    path = dependent_nodes(needed_nodes(nodes, [score]), image)
    convolutions = [layer for layer in layers if "Conv" in layer.type and "Deconv" not in layer.type]
    order = {name: index for index, node in enumerate(path) for name in node.output}
    if convolutions:
        last = convolutions[-1]
        after = path[order[last.tensor] + 1 :]
        products = [node for node in after if node.op_type in _PRODUCTS and tensors[node.output[0]].rank > 2]
        if len(products) <= _MANY:
            return last
    through = set(dominators(path, image, score))
    candidates = [layer for layer in layers if layer.tensor in through]
    candidates = _before_last_attention(path, layers, tensors, image) or candidates
    return candidates[-1] if candidates else convolutions[-1] if convolutions else None


def _before_last_attention(
    path: Sequence[onnx.NodeProto], layers: Sequence[Layer], tensors: Mapping[str, Tensor], image: str
) -> list[Layer]:
    """The layers that the last attention reads all of, where only tokens without a place are picked out behind it."""
    depends = {name for node in path for name in node.output} | {image}
    tokens = {layer.tensor: layer for layer in layers if layer.grid is not None and layer.tokens_before}
    picks = [
        (index, tokens[node.input[0]])
        for index, node in enumerate(path)
        if node.op_type in ("Gather", "Slice")
        and node.input[0] in tokens
        and _keeps_few(tensors[node.input[0]], tensors[node.output[0]], tokens[node.input[0]])
    ]
    if not picks:
        return []
    last, picked_from = picks[-1]
    channels = tensors[picked_from.tensor].shape[2 if picked_from.channels_last else 1]
    for node in reversed(path[:last]):
        if node.op_type in _PRODUCTS and sum(name in depends for name in node.input) > 1:
            through = dominators(needed_nodes(path, node.output), image, node.output[0])
            return [layer for layer in layers if layer.tensor in through and channels in tensors[layer.tensor].shape]
    return []


def _keeps_few(before: Tensor, after: Tensor, layer: Layer) -> bool:
    axis = 1 if layer.channels_last else 2
    kept = after.shape[axis] if after.rank == before.rank else 1
    return isinstance(kept, int) and kept <= layer.tokens_before
