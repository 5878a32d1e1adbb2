"""Which pixels the network wants, as the numbers of its first steps suggest: from 0 to 1, or from 0 to 255."""

from __future__ import annotations

from collections.abc import Iterable

import onnx

from whylight.classifier.first_steps import Known, Step, steps

_ARITHMETIC = ("Sub", "Add", "Mul", "Div", "BatchNormalization")
_SAME_PIXELS = ("Cast", "Transpose", "Identity", "Slice", "Pad", "Reshape", "Unsqueeze", "Squeeze")
_LARGEST_FROM_0_TO_1 = 2
"""What is taken off pixels from 0 to 1, or divides them, is not larger."""
_NEAR_0 = 0.1
"""A channel of pixels from 0 to 1 that were not normalized has a larger mean."""


def range_by_numbers(numbers: Iterable[float]) -> float | None:
    """The value of white that the means and divisors of pixels suggest; None where they say nothing, as 0 and 1 do."""
    telling = [number for number in numbers if number not in (0, 1)]
    return (255.0 if max(telling) > _LARGEST_FROM_0_TO_1 else 1.0) if telling else None


def range_by_first_steps(nodes: Iterable[onnx.NodeProto], known: Known, image: str, rank: int) -> float | None:
    """The value of white that the numbers suggest with which the graph begins by preparing pixels itself.

    None where it does not, or they suggest nothing: a normalization that was learned suggests nothing where its means
    are near 0, as they are where pixels were normalized before.

    Args:
        nodes: of the graph, in topological order.
        known: see `whylight.classifier.first_steps.steps`.
        image: the input's name.
        rank: the number of its axes, with the batch.
    """
    as_they_are, prepared = {image}, set[str]()
    numbers = []
    for step in steps(nodes, image, rank, known):
        if step.source not in as_they_are | prepared:
            continue
        if step.node.op_type in _SAME_PIXELS:
            (as_they_are if step.source in as_they_are else prepared).add(step.result)
        elif step.node.op_type in _ARITHMETIC and _is_by_constants(step, known):
            number = _number(step, known) if step.source in as_they_are else None
            if number is None:
                (as_they_are if step.source in as_they_are else prepared).add(step.result)
            else:
                prepared.add(step.result)
                numbers.append(number)
    return range_by_numbers(numbers)


def _is_by_constants(step: Step, known: Known) -> bool:
    """Whether the image is the one thing that it reads that is not constant."""
    others = [name for name in step.node.input if name and name != step.source]
    return all((tensor := known(name)) is not None and tensor.value is not None for name in others)


def _number(step: Step, known: Known) -> float | None:
    """What is taken off pixels, or what they are divided by."""
    tensors = [known(name) for name in step.node.input if name != step.source]
    values = [tensor.value for tensor in tensors if tensor is not None and tensor.value is not None]
    if not values:
        return None
    if step.node.op_type == "BatchNormalization":
        means = values[-2]
        return float(means.max()) if means.min() > _NEAR_0 or means.max() > _LARGEST_FROM_0_TO_1 else 0.0
    number = float(abs(values[0]).max())
    return 1 / number if step.node.op_type == "Mul" and number else number
