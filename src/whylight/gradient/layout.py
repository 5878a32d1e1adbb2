"""Derivatives of operators that only arrange elements: reshape, transpose, join, cut, repeat and pad."""

from functools import partial
from itertools import accumulate

import numpy as np

from whylight.gradient.axis_map import Matrix, mapped, selection
from whylight.gradient.broadcast import reshaped_to, zeros_like
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

_LARGEST_SIZE = np.iinfo(np.int32).max


@rule("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g in the shape of x."""
    return reshaped_to(op, grad, node.input)


@rule("Transpose")
def transpose(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g with the axes put back."""
    order = node.attributes.get("perm", range(grad.rank)[::-1])
    return op.Transpose(grad, perm=np.argsort(order).tolist())


@rule("Expand")
def expand(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The sum of g over the repetitions."""
    return grad


@rule("Tile")
def tile(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The sum of g over the repetitions."""
    sizes: list[int] = []
    repetitions: list[int] = []
    for axis, count in enumerate(node.constant("repeats", 1)):
        if count != 1:
            repetitions.append(len(sizes))
            sizes.append(int(count))
        extent = node.input.shape[axis]
        sizes.append(extent if isinstance(extent, int) else -1)
    return op.ReduceSum(op.Reshape(grad, sizes), repetitions, keepdims=0) if repetitions else grad


@rule("Concat")
def concat(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Each operand's part of g."""
    axis = node.attributes["axis"]
    extents = [operand.shape[axis] for operand in node.inputs]
    if all(isinstance(extent, int) for extent in extents):
        ends = [op.constant([end], np.int64) for end in accumulate(operand.size(axis) for operand in node.inputs)]
    else:  # along the batch
        ends = list(accumulate((op.extent(operand, axis) for operand in node.inputs), op.Add))
    starts = [op.constant([0], np.int64), *ends]

    def part(index: int) -> Tensor:
        cut = op.Slice(grad, starts[index], ends[index], [axis])
        return op.with_shape(cut, node.inputs[index].shape)

    return tuple(partial(part, index) for index in range(len(node.inputs)))


@rule("Split")
def split(op: GraphBuilder, node: ForwardNode, *grads: Tensor | None) -> Tensor:
    """The gradients of the parts, joined."""
    parts = [grad or zeros_like(op, y) for grad, y in zip(grads, node.outputs, strict=True)]
    return op.Concat(*parts, axis=node.attributes["axis"])


@rule("Slice")
def cut(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g in its place, zeros around it."""
    starts, ends, axes, steps = (
        node.constant(name, position) for position, name in enumerate(("starts", "ends", "axes", "steps"), start=1)
    )
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = int(axes[index]) % grad.rank if axes.size else index
        step = int(steps[index]) if steps.size else 1
        if (start, step) == (-1, -1) and end <= -_LARGEST_SIZE:
            grad = op.Slice(grad, [start], [end], [axis], [step])
        elif (start, step) != (0, 1) or end < _LARGEST_SIZE:
            size = node.input.size(axis)
            grad = put_back(op, grad, axis, np.arange(size)[int(start) : int(end) : step], size)
    return grad


def put_back(op: GraphBuilder, grad: Tensor, axis: int, places: Matrix, size: int) -> Tensor:
    """A tensor of ``size`` along ``axis`` that has the elements of ``grad`` at ``places``, and zeros elsewhere.

    Where the places do not follow each other, each of the new ones takes an element of ``grad``, or the zero that is
    put after them.
    """
    pads = np.zeros((2, grad.rank), np.int64)
    if (np.diff(places) == 1).all():
        start = places[0] if len(places) else 0
        pads[:, axis] = start, size - start - len(places)
        return op.Pad(grad, pads.ravel())
    sources = np.full(size, len(places))
    sources[places] = np.arange(len(places))
    pads[1, axis] = 1
    return op.Gather(op.Pad(grad, pads.ravel()), sources, axis=axis)


@rule("Pad")
def pad(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g without the padding; what was padded with copies of elements is added to them."""
    x, pads, axes = node.input, node.constant("pads", 1).reshape(2, -1), node.constant("axes", 3)
    chosen = [int(axis) % x.rank for axis in axes] if axes.size else list(range(x.rank))
    mode = node.attributes["mode"]
    if mode == "constant":
        cuts = np.zeros((2, x.rank), np.int64)
        cuts[:, chosen] = -pads
        return op.Pad(grad, cuts.ravel())
    for axis, (begin, end) in zip(chosen, pads.T, strict=True):
        if begin or end:
            size = x.size(axis)
            sources = np.pad(np.arange(size), (max(begin, 0), max(end, 0)), mode)
            sources = sources[max(-begin, 0) : len(sources) - max(-end, 0)]
            grad = mapped(op, grad, axis, selection(sources, size))
    return grad


@rule("CenterCropPad")
def center_crop_pad(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g, cropped where zeros were put around and the other way round."""
    x, pads = node.input, np.zeros((2, grad.rank), np.int64)
    for axis in node.attributes.get("axes", range(grad.rank)):
        missing = x.size(axis) - grad.size(axis)
        begin = abs(missing) // 2 * np.sign(missing)
        pads[:, axis] = begin, missing - begin
    return op.Pad(grad, pads.ravel())


@rule("Col2Im")
def columns_to_image(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """For each element of each block, g at the place that it was added to; none for those outside the image."""
    x, image, block = node.input, node.constant("image_shape", 1), node.constant("block_shape", 2)
    count = len(block)
    strides, dilations = (node.attributes.get(name, [1] * count) for name in ("strides", "dilations"))
    pads = np.reshape(node.attributes.get("pads", [0] * 2 * count), (2, count))
    padded = op.Pad(grad, np.concatenate([[0, 0], pads[0], [0, 0], pads[1]]))
    sizes = image + pads.sum(0)
    places = np.zeros((1, 1), np.int64)
    for axis in range(count):
        reach = (block[axis] - 1) * dilations[axis]
        starts = np.arange(0, sizes[axis] - reach, strides[axis])
        positions = np.arange(block[axis])[:, None] * dilations[axis] + starts
        places = places[:, None, :, None] * sizes[axis] + positions[:, None]
        places = places.reshape(places.shape[0] * places.shape[1], -1)
    flat = op.Reshape(padded, [0, padded.size(1), int(sizes.prod())])
    return reshaped_to(op, op.Gather(flat, places, axis=2), x)


@rule("DepthToSpace")
def depth_to_space(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """Each block of g back in the channels, in their order."""
    block = node.attributes["blocksize"]
    if node.attributes["mode"] == "DCR":
        return op.SpaceToDepth(grad, blocksize=block)
    blocks = op.Reshape(grad, [0, grad.size(1), node.input.size(2), block, node.input.size(3), block])
    return reshaped_to(op, op.Transpose(blocks, perm=[0, 1, 3, 5, 2, 4]), node.input)


@rule("SpaceToDepth")
def space_to_depth(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The channels of g back in their blocks."""
    return op.DepthToSpace(grad, blocksize=node.attributes["blocksize"], mode="DCR")


@rule("Trilu")
def triangle(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """The same triangle of g."""
    return op.Trilu(grad, node.inputs[1], upper=node.attributes["upper"])


@rule("ReverseSequence")
def reverse_sequence(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g, reversed once more."""
    return op.ReverseSequence(grad, node.inputs[1], **node.attributes)
