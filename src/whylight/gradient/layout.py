"""Derivatives of operators that only arrange elements: reshape, transpose, join, cut, repeat and pad."""

from itertools import accumulate

import numpy as np

from whylight.gradient.axis_map import mapped, selection
from whylight.gradient.broadcast import reshaped_to, zeros_like
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph import GraphBuilder, Tensor


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g in the shape of x."""
    return reshaped_to(op, grad, node.input)


@rule("Transpose")
def transpose(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g with the axes put back."""
    order = node.attributes.get("perm", range(grad.rank)[::-1])
    return op.Transpose(grad, perm=[int(place) for place in np.argsort(order)])


@rule("Concat")
def concat(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Each operand's part of g."""
    axis = node.attributes["axis"]
    ends = list(accumulate(operand.size(axis) for operand in node.inputs))
    starts = [0, *ends[:-1]]

    def part(index: int) -> Tensor:
        return op.Slice(grad, [starts[index]], [ends[index]], [axis])

    return tuple(lambda index=index: part(index) for index in range(len(ends)))


@rule("Split")
def split(op: GraphBuilder, node: ForwardNode, *grads: Tensor | None) -> Tensor:
    """The parts of g joined."""
    rest = [None] * (len(node.outputs) - len(grads))
    parts = [grad or zeros_like(op, y) for grad, y in zip([*grads, *rest], node.outputs, strict=True)]
    return op.Concat(*parts, axis=node.attributes["axis"])


@rule("Slice")
def cut(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g put back in its place, zeros around it."""
    starts, ends = node.argument("starts", 1), node.argument("ends", 2)
    axes, steps = node.argument("axes", 3), node.argument("steps", 4)
    assert starts is not None
    assert ends is not None
    ...
