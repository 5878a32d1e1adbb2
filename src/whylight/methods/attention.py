"""Vision transformers: what the class score owes to each layer's attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from whylight.errors import WhylightError
from whylight.methods import method

if TYPE_CHECKING:
    import onnx

    from whylight.classifier.classifier import Classifier
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target


@method("legrad", "the positive gradients of every layer's attention", "Bousselham et al. 2025, ICCV", sees_layer=False)
def legrad(op: GraphBuilder, target: Target) -> Tensor:
    """LeGrad: mean_l mean_h,i ReLU(dS_l/dA_lhi), A_lh the attention of head h in block l, i its queries.

    S_l is the class score that the network's head gives for the mean of the tokens behind block l, whatever tokens the
    head reads after the last block; attention to tokens of no place in the image (class token, registers) is left out.

    Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
    ICCV 2025, equations 6 to 9.

    Raises:
        WhylightError: the network has no self-attention of all tokens to all tokens.
    """
    blocks = _blocks(target.classifier)
    if not blocks:
        raise WhylightError(
            f"{target.classifier.path}: method 'legrad' takes vision transformers whose tokens attend to all tokens; "
            "the network has no such attention; use gradcam"
        )
    parts = [_block_map(op, target, attention, tokens, blocks[-1][1]) for attention, tokens in blocks]
    total = op.Div(reduce(op.Add, parts), np.float32(len(parts)))
    count = target.classifier.tensors[blocks[0][0]].size(-1)
    before, rows, columns = _grid(target.classifier, blocks[-1][1], count)
    places = op.Slice(total, [before], [before + rows * columns], [1])
    batch = total.shape[0]
    return op.with_shape(op.Reshape(places, [0, rows, columns]), (batch, rows, columns))


def _block_map(op: GraphBuilder, target: Target, attention: str, tokens: str, last_tokens: str) -> Tensor:
    """The positive gradient (N, T) of one block's score by its attention, the mean over heads and queries."""
    weights, output = target.tensor(attention), target.tensor(tokens)
    mean = op.ReduceMean(output, [1], keepdims=1)
    alike = op.with_shape(op.Expand(mean, op.Shape(output)), output.shape)
    (slope,) = target.score_with(last_tokens, alike).gradients([weights], target.weighting)
    keys = weights.size(weights.rank - 1)
    by_query = op.Reshape(op.Relu(slope), op.Concat(op.extent(output, 0), [-1, keys], axis=0))
    return op.with_shape(op.ReduceMean(by_query, [1], keepdims=0), (output.shape[0], keys))


def _blocks(classifier: Classifier) -> list[tuple[str, str]]:
    """Each block's attention, (N, heads, T, T) or (N heads, T, T), and the tokens behind it, (N, T, C), by name.

    There are none where any attention is of windows, or where blocks differ in their tokens: their maps have no sum,
    and the head that reads the last ones does not take the others.
    """
    from whylight.graph.ways import dominators

    nodes, tensors = classifier.path_nodes, classifier.tensors
    computed = {name for node in nodes for name in node.output}
    attentions = [node.output[0] for node in nodes if _is_attention(node, tensors)]
    blocks = []
    for attention, following in pairwise([*attentions, classifier.logits]):
        between = _between(nodes, attention, following)
        # A bias is added to the tokens of a block too; what ends the block is a sum of two that the image gives.
        sums = {node.output[0] for node in between if node.op_type == "Add" and computed.issuperset(node.input)}
        size = tensors[attention].shape[-1]
        candidates = [
            name
            for name in dominators(between, attention, following)
            if name in sums and tensors[name].rank == 3 and tensors[name].shape[1] == size
        ]
        if not candidates:
            return []
        blocks.append((attention, candidates[-1]))
    alike = {tensors[tokens].shape[1:] for _, tokens in blocks}
    return blocks if len(alike) == 1 else []


def _is_attention(node: onnx.NodeProto, tensors: Mapping[str, Tensor]) -> bool:
    """Whether it weighs all tokens for each token: a Softmax over the last axis of square matrices."""
    if node.op_type != "Softmax":
        return False
    tensor = tensors[node.output[0]]
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    queries, keys = tensor.shape[-2:] if tensor.rank > 2 else (None, None)
    return axis in (-1, tensor.rank - 1) and isinstance(keys, int) and queries == keys > 1


def _between(nodes: Sequence[onnx.NodeProto], source: str, end: str) -> list[onnx.NodeProto]:
    from whylight.graph.walks import dependent_nodes, needed_nodes

    return dependent_nodes(needed_nodes(nodes, [end]), source)


def _grid(classifier: Classifier, tokens: str, count: int) -> tuple[int, int, int]:
    """How many of ``count`` tokens come before those of the image's places, and the places' rows and columns.

    Where the model's reader does not know, the places are as many as fit of the image's proportions, the last ones.
    """
    if not classifier.input.is_picture:
        raise WhylightError(f"{classifier.path}: method 'legrad' takes pictures; use gradcam")
    for layer in classifier.layers:
        if layer.tensor == tokens and layer.grid and len(layer.grid) == 2:
            return layer.tokens_before, layer.grid[0], layer.grid[1]
    height, width = classifier.input.size
    grids = [(rows, rows * width // height) for rows in range(1, count + 1) if rows * width % height == 0]
    rows, columns = max((grid for grid in grids if grid[0] * grid[1] <= count), default=(1, count))
    return count - rows * columns, rows, columns
