"""What a network seems to be that is no classifier, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import onnx

from whylight.graph.tensor import Tensor

DETECTOR = "a detector, which gives boxes"

FEW = 32
"""Lists of scores an image that a person would read; more are anchors of a detector, steps of a text."""

_PICKING_BOXES = ("NonMaxSuppression", "RoiAlign", "MaxRoiPool")
_BOX = 4
_COLORS = (1, 3)
_BETWEEN = ("Expand", "Clip", "Max", "Reshape", "Unsqueeze", "Sqrt", "Add", "Pow", "Cast", "Identity")
"""Operators from the sum of squares to what is divided by."""


def seems_to_be(model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: str) -> str | None:
    """What its operators and the shapes of its outputs suggest; None where they suggest nothing.

    Args:
        model: the model.
        tensors: those whose types are known, by name.
        image: the name of its input.
    """
    if picks_boxes(model.graph.node):
        return DETECTOR
    names = {info.name for info in model.graph.output}
    if any(node.op_type == "TopK" and names.intersection(node.output) for node in model.graph.node):
        return "a network that gives its largest scores alone: export it with all of them"
    outputs = [tensors[info.name] for info in model.graph.output if info.name in tensors]
    if outputs and all(tensor.dtype.kind in "iu" for tensor in outputs):
        return "a network that gives indices alone: export it with the scores that it picks the largest of"
    dimensions = tensors[image].rank - 2
    for tensor in outputs:
        extents = tensor.shape[1:]
        if tensor.rank == dimensions + 2 and sum(extent != 1 for extent in extents) >= dimensions > 1:
            if {extents[0], extents[-1]}.intersection(_COLORS):
                return "a network that gives a picture, such as a mask, a depth or another image"
            return "a segmenter, which gives scores for each place, or a network without its head of classes"
    lists = [tensor.shape[1:] for tensor in outputs if tensor.rank == 3]
    if len(lists) > 1 and any(_BOX in extents for extents in lists):
        return DETECTOR
    if any(isinstance(extent, int) and extent > FEW for extents in lists for extent in extents):
        return (
            "a detector, which gives boxes, a recognizer of text, which gives scores for each step, or a network "
            "without its head of classes"
        )
    return None


def picks_boxes(nodes: Iterable[onnx.NodeProto]) -> bool:
    """Whether a graph has operators of detectors."""
    return any(node.op_type in _PICKING_BOXES for node in nodes)


def is_of_length_1(nodes: Sequence[onnx.NodeProto], output: str) -> bool:
    """Whether an output is divided by its own length at the end, as embeddings are and scores are not."""
    producers = {name: node for node in nodes for name in node.output}
    last = producers.get(output)
    while last is not None and last.op_type == "Identity":
        last = producers.get(last.input[0])
    if last is None or last.op_type != "Div":
        return last is not None and last.op_type == "LpNormalization"
    node, passed = producers.get(last.input[1]), set[str]()
    while node is not None and node.op_type in _BETWEEN:
        passed.add(node.op_type)
        node = producers.get(node.input[0])
    if node is None:
        return False
    return node.op_type == "ReduceL2" or ("Sqrt" in passed and node.op_type in ("ReduceSum", "ReduceSumSquare"))
