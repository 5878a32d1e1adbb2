"""What a network seems to be that is no classifier, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from whylight.graph.tensor import Tensor

_PICKING_BOXES = ("NonMaxSuppression", "RoiAlign", "MaxRoiPool")
_MANY = 32
"""More lists of numbers an image than a person would read: anchors of a detector, steps of a text."""


def seems_to_be(model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: str) -> str | None:
    """What its operators and the shapes of its outputs suggest; None where they suggest nothing.

    Args:
        model: the model.
        tensors: those whose types are known, by name.
        image: the name of its input.
    """
    if picks_boxes(model.graph.node):
        return "a detector, which gives boxes"
    outputs = [tensors[info.name] for info in model.graph.output if info.name in tensors]
    if outputs and all(tensor.dtype.kind in "iu" for tensor in outputs):
        return "a network that gives indices alone: export it with the scores that it picks the largest of"
    dimensions = tensors[image].rank - 2 if image in tensors else 2
    for tensor in outputs:
        extents = tensor.shape[1:]
        if tensor.rank == dimensions + 2 and sum(extent != 1 for extent in extents) >= dimensions > 1:
            if 1 in (extents[0], extents[-1]) or 3 in (extents[0], extents[-1]):
                return "a network that gives a picture: depth, a mask or another image"
            return "a segmenter, which gives scores for each place"
    for tensor in outputs:
        if tensor.rank == 3 and any(isinstance(extent, int) and extent > _MANY for extent in tensor.shape[1:]):
            return "a detector, which gives boxes, or features of places or tokens without a head of classes"
    return None


def picks_boxes(nodes: Iterable[onnx.NodeProto]) -> bool:
    """Whether a graph has operators of detectors."""
    return any(node.op_type in _PICKING_BOXES for node in nodes)
