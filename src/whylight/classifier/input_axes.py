"""What the axes of an image input stand for, as the network's first convolution reads them.

    (N, 9, 128) ──Conv of one axis──> CL          (N, 128, 9) ──Transpose──> ──Conv of one axis──> LC

Shapes alone do not say whether two axes are a gray picture or a signal of several channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx

from whylight.classifier.first_steps import Known, steps

_PLACES = {1: "L", 2: "HW", 3: "DHW"}


def layout_by_first_step(nodes: Iterable[onnx.NodeProto], known: Known, image: str, rank: int) -> str | None:
    """The axes after the batch axis, such as ``CL`` or ``CDHW``; None where no convolution or product says it.

    Args:
        nodes: of the graph, in topological order.
        known: see `whylight.classifier.first_steps.steps`.
        image: the input's name.
        rank: the number of its axes, with the batch.
    """
    for step in steps(nodes, image, rank, known):
        if step.source != step.node.input[0]:
            continue
        axes = step.axes
        match step.node.op_type:
            case "Conv":
                return _letters(axes[1], axes[2:], rank)
            case "LSTM" | "GRU" | "RNN":
                return _letters(axes[2], axes[:1], rank)
            case "STFT":
                return _letters(None, axes[1:2], rank)
            case "MatMul" if len(axes) > 2:
                return _letters(axes[-1], axes[1:-1], rank)
    return None


def channels_by_first_step(nodes: Iterable[onnx.NodeProto], known: Known, image: str, rank: int) -> int | None:
    """The number of channels that the first convolution takes; None where none says it. See `layout_by_first_step`."""
    for step in steps(nodes, image, rank, known):
        if step.node.op_type == "Conv" and step.source == step.node.input[0] and step.axes[1] is not None:
            kernel = known(step.node.input[1])
            group = next((attribute.i for attribute in step.node.attribute if attribute.name == "group"), 1)
            return None if kernel is None else kernel.size(1) * group
    return None


def _letters(channels: int | None, places: Sequence[int | None], rank: int) -> str | None:
    found = sorted(axis for axis in places if axis is not None)
    letters = dict(zip(found, _PLACES.get(len(found), ""), strict=False))
    if channels is not None:
        letters[channels] = "C"
    return "".join(letters[axis] for axis in range(1, rank)) if sorted(letters) == list(range(1, rank)) else None
