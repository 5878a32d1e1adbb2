"""The part of a network above a layer, a second time: from an altered activation to the class score.

Methods that alter the layer's activation many times an image run only this part. What it reads besides the activation
(a shortcut around the layer) is computed once an image and handed in.
"""

from __future__ import annotations

import numpy as np

from whylight.contract import ALTERED, ALTERED_CLASS_INDEX, ALTERED_SCORE, BESIDE
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape, Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes
from whylight.target.class_score import ClassScore, Weighting
from whylight.target.feature_map import layer_output
from whylight.target.target import Target


def add_head(op: GraphBuilder, target: Target) -> list[Tensor]:
    """Add inputs and outputs for altered activations.

    The inputs are ``altered`` (M, C, h, w), ``altered_class_index`` (M,), -1 for the predicted class, and
    ``beside/<n>/in``, which take what the outputs ``beside/<n>`` give.

    Returns:
        The outputs: ``altered_score`` (M,) and ``beside/<n>``.

    Raises:
        WhylightError: what goes around the layer has no batch axis, and cannot be handed in.
    """
    layer, score = target.layer, target.score
    assert layer is not None
    logits, output = (target.tensor(name) for name in (target.classifier.logits, target.classifier.output))
    image = target.tensor(target.classifier.input.name)
    nodes = dependent_nodes(needed_nodes(op.nodes, [logits.name, output.name]), target.layer_output.name)
    made = {target.layer_output.name, *(name for node in nodes for name in node.output)}
    moving = {image.name, *(name for node in dependent_nodes(op.nodes, image.name) for name in node.output)}
    read = dict.fromkeys(name for node in nodes for name in node.input if name in moving - made)
    original = target.layer_output
    if layer.grid is not None:
        read[original.name] = None  # for its tokens of no place
    batch = image.shape[0] if isinstance(image.shape[0], int) else "M"

    def own_batch(tensor: Tensor) -> Shape:
        fits = tensor.rank and (tensor.shape[0] == batch if isinstance(batch, int) else tensor.shape[0] != 1)
        if not fits or tensor.dtype.kind != "f":
            raise WhylightError(
                f"layer '{layer.name}': '{tensor.name}' of shape {tensor.shape} goes around it and has no batch axis; "
                "choose another layer"
            )
        return (batch, *tensor.shape[1:])

    altered = op.input(ALTERED, own_batch(target.activation))
    class_index = op.input(ALTERED_CLASS_INDEX, (batch,), np.int64)
    beside = {name: op.input(f"{BESIDE}/{i}/in", own_batch(op.tensors[name])) for i, name in enumerate(read)}
    whole = layer_output(op, layer, altered, beside.get(original.name, original))
    copies = op.replayed(nodes, {**beside, original.name: whole})
    again = ClassScore(
        op,
        target.classifier,
        copies[logits.name],
        copies[output.name],
        class_index,
        score.question,
        weighting=Weighting(negates_class_zero=target.weighting.negates_class_zero),
    )
    around = [op.rename(op.Identity(op.tensors[name]), f"{BESIDE}/{i}") for i, name in enumerate(read)]
    return [op.rename(again.value, ALTERED_SCORE), *around]
