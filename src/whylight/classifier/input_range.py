"""Which pixels the network wants, as the numbers of its first steps suggest: from 0 to 1, or from 0 to 255."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from whylight.classifier.first_steps import Known, Step, straight_steps

_ARITHMETIC = ("Sub", "Add", "Mul", "Div", "BatchNormalization")
_SAME_PIXELS = ("Cast", "Transpose", "Identity")
_LARGEST_FROM_0_TO_1 = 2
"""What is taken off pixels from 0 to 1, or divides them, is not larger."""


def range_by_first_steps(nodes: Iterable[onnx.NodeProto], known: Known, image: str, rank: int) -> tuple[bool, float]:
    """Whether the graph begins by preparing pixels itself, and the value of white that its numbers suggest.

    Args:
        nodes: of the graph, in topological order.
        known: see `whylight.classifier.first_steps.steps`.
        image: the input's name.
        rank: the number of its axes, with the batch.
    """
    normalizes, number = False, None
    for step in straight_steps(nodes, image, rank, known):
        if step.node.op_type in _ARITHMETIC:
            normalizes = True
            number = _number(step, known) if number is None else number
        elif step.node.op_type not in _SAME_PIXELS:
            break
    return normalizes, 255.0 if number is not None and number > _LARGEST_FROM_0_TO_1 else 1.0


def _number(step: Step, known: Known) -> float | None:
    """What is taken off pixels, or what they are divided by."""
    tensors = [known(name) for name in step.node.input[1:]]
    values = [tensor.value for tensor in tensors if tensor is not None and tensor.value is not None]
    if not values:
        return None
    number = float(abs(values[-2 if len(values) > 2 else 0]).max())  # of a BatchNormalization the mean
    return 1 / number if step.node.op_type == "Mul" and number else number
