"""What running a graph takes, by the shapes of its tensors: memory at once, and multiplications."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import prod

import onnx

from whylight.errors import WhylightError
from whylight.graph.walks import read_names

Shapes = Mapping[str, Sequence[int]]
"""By the names of tensors; those that are not known are left out."""

_MOST_MULTIPLICATIONS = 10**12
_OF_A_WEIGHT = 1000
"""Products for each byte of weights that are more than that: a large network uses each weight at many places."""
_OF_A_COMPARISON = 16
"""Products that take as long as one value of a window that is pooled: 1.4e11 of these took two minutes."""
_OF_A_SAMPLE = 64
"""Values that a sampled one is made of at most: 4 along each axis of a volume."""


def bytes_at_once(nodes: Sequence[onnx.NodeProto], sizes: Mapping[str, int], outputs: Collection[str]) -> int:
    """The most memory that the tensors which nodes write take at one time: each from its node to its last reader.

    Args:
        nodes: in the order in which they run.
        sizes: bytes of tensors, by name.
        outputs: tensors that are kept to the end.
    """
    last_reader = {name: index for index, node in enumerate(nodes) for name in read_names(node)}
    last_reader |= dict.fromkeys(outputs, len(nodes))
    freed: dict[int, int] = {}
    now = most = 0
    for index, node in enumerate(nodes):
        for name in node.output:
            size = sizes.get(name, 0)
            last = last_reader.get(name, index)
            freed[last] = freed.get(last, 0) + size
            now += size
        most = max(most, now)
        now -= freed.pop(index, 0)
    return most


def multiplications(node: onnx.NodeProto, shapes: Shapes) -> int:
    """How many values a node multiplies or compares to compute its outputs, or a little more than that.

    Where a shape is not known, or the node runs a graph of its own, it is 0.
    """
    inputs = [shapes.get(name) for name in node.input]
    written = sum(prod(shapes[name]) for name in node.output if name in shapes)
    read = sum(prod(shape) for shape in inputs if shape is not None)

    def shape(index: int) -> Sequence[int]:
        found = inputs[index] if index < len(inputs) else None
        return () if found is None else found

    match node.op_type:
        case "Conv" | "ConvInteger" | "DeformConv":
            return written * prod(shape(1)[1:])
        case "QLinearConv":
            return written * prod(shape(3)[1:])
        case "ConvTranspose":
            return prod(shape(0)) * prod(shape(1)[1:])
        case "MatMul" | "MatMulInteger" | "QLinearMatMul":
            return written * next(reversed(shape(0)), 1)
        case "Gemm":
            return written * (shape(0)[0 if _number(node, "transA", 0) else -1] if shape(0) else 1)
        case "Einsum":
            return _of_einsum(node, [each or () for each in inputs])
        case "LSTM" | "GRU" | "RNN":
            return prod(shape(0)[:2]) * (prod(shape(1)) + prod(shape(2)))
        case "MaxPool" | "AveragePool" | "LpPool":
            kernel = next((each.ints for each in node.attribute if each.name == "kernel_shape"), ())
            return _OF_A_COMPARISON * written * prod(kernel)
        case "LRN":
            return written * _number(node, "size", 1)
        case "NonMaxSuppression":
            return prod(shape(1)) * next(reversed(shape(1)), 1)
        case "Resize" | "Upsample" | "GridSample" | "RoiAlign":
            return written * _OF_A_SAMPLE
    return written + read


def check_work(nodes: Iterable[onnx.NodeProto], shapes: Shapes, stored: int, images: int = 1) -> None:
    """See that running nodes takes a time that people wait for.

    Args:
        nodes: of a graph.
        shapes: of its tensors.
        stored: bytes of weights.
        images: that the shapes are of.

    Raises:
        WhylightError: one image takes more multiplications than anybody would wait for.
    """
    work = sum(multiplications(node, shapes) for node in nodes) // images
    if work > _MOST_MULTIPLICATIONS + _OF_A_WEIGHT * stored:
        raise WhylightError(
            f"the graph computes {work:.2g} products for one image, more than the {_MOST_MULTIPLICATIONS:.0e} that a "
            "processor does in a minute: refused"
        )


def _number(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((each.i for each in node.attribute if each.name == name), default)


def _of_einsum(node: onnx.NodeProto, shapes: Sequence[Sequence[int]]) -> int:
    """The product of the extents of all letters; axes behind an ellipsis count for each operand."""
    equation = next((each.s.decode() for each in node.attribute if each.name == "equation"), "")
    extents: dict[str, int] = {}
    rest = 1
    for term, shape in zip(equation.split("->")[0].split(","), shapes, strict=False):
        before, _, after = term.replace(" ", "").partition("...")
        count = len(shape) - len(after)
        named = [*zip(before, shape, strict=False), *zip(after, shape[max(count, 0) :], strict=False)]
        for letter, extent in named:
            extents[letter] = max(extents.get(letter, 1), extent)
        rest = max(rest, prod(shape[len(before) : max(count, 0)]))
    return rest * prod(extents.values())
