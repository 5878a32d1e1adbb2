"""The layer that is explained where none is named: the last one with places that all of the score passes through.

    Conv ──> Relu ──> Conv ──┬──> Conv ──> Relu ──┐
                             ├──> Conv ──> Relu ──┼──> Concat ──> Relu* ──> mean over places ──> Gemm
                             └──> MaxPool ────────┘

It is the end of a block, never one of its branches. Of the tensors that hold the same features, the rectified one
before pooling is taken, where there is one; else the block's own end: the sum, the concatenation or the convolution
before it is normalized or pooled (`benchmarks/default_layer.py` compares them).

- Where the network consists of towers that meet only behind their last places, there is one such layer in each, and
  their maps are fused.
- Where the score reads the class token alone, the other tokens behind the last attention have no gradient: the layer
  lies before that attention.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from whylight.graph.tensor import Extent, Shape, Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes, read_names
from whylight.graph.ways import dominators, smallest_cut, ways

if TYPE_CHECKING:
    from whylight.classifier.layer import Layer

_CONVOLUTIONS = ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv")
_PRODUCTS = ("MatMul", "Einsum", "Gemm", "Attention", "MatMulInteger", "QLinearMatMul")
_RECTIFIERS = (
    "Relu", "LeakyRelu", "PRelu", "ThresholdedRelu", "Clip", "Elu", "Selu", "Celu", "Softplus", "Gelu", "Swish",
    "HardSwish", "Mish",
)  # fmt: skip
_BY_ELEMENT = (
    *_RECTIFIERS, "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Abs", "Neg", "Exp", "Log", "Sqrt", "Erf", "Tanh",
    "Sigmoid", "HardSigmoid", "BatchNormalization", "Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear",
)  # fmt: skip
_MOST_TOWERS = 8
_MOST_STEPS = 100
"""Operators between a block's end and what is made of its features: pooling and the like, however it is spelled out."""
_EARLY = 0.5
"""Behind a layer that comes so early, as a share of the convolutions and products, towers are looked for."""


@dataclass(frozen=True)
class DefaultLayers:
    """The layers that are explained where none is named, and why.

    Attributes:
        layers: one; several in a network of towers, which all of the score passes through together.
        reason: what they are.
    """

    layers: tuple[Layer, ...]
    reason: str


def default_layers(
    nodes: Sequence[onnx.NodeProto], layers: Sequence[Layer], tensors: Mapping[str, Tensor], image: str, score: str
) -> DefaultLayers | None:
    """The layers, or None where the network has no feature map behind a convolution or a product.

    Args:
        nodes: of the graph, in topological order.
        layers: all that can be explained, in the order in which they run.
        tensors: shape and type of every tensor, by name.
        image: the input's name.
        score: the name of the tensor of class scores.
    """
    path = ways(nodes, tensors, image, score)
    work = [node for node in path if node.op_type in (*_CONVOLUTIONS, *_PRODUCTS)]
    worked = {name for node in work[:1] for name in (node.output[0], *_behind(path, node.output[0]))}
    worked.update(node.output[0] for node in work)
    blind = _without_gradient(path, layers, tensors, image, score)
    named = {layer.tensor: layer for layer in layers}
    candidates = named.keys() & worked - blind
    found: list[str] = []
    while candidates:
        cut = smallest_cut(path, image, score, candidates, _MOST_TOWERS)
        if not cut:
            break
        found = cut
        before = {name for node in needed_nodes(path, cut) for name in node.output}
        if sum(node.output[0] in before for node in work) > _EARLY * len(work):
            break
        candidates = candidates - before
    if not found:
        return None
    known = named.keys() - blind
    ends = [_block_end(path, tensors, name, known, image) for name in found]
    chosen = tuple(dict.fromkeys(named[_rectified(path, tensors, name, known, score)] for name in ends))
    return DefaultLayers(chosen, _reason(chosen, len(blind) > 0))


def last_convolution(
    nodes: Sequence[onnx.NodeProto], layers: Sequence[Layer], tensors: Mapping[str, Tensor], image: str, score: str
) -> Layer | None:
    """The last convolution in the file's order, as Neural Network Console's plugins choose; see `default_layers`."""
    outputs = {node.output[0] for node in ways(nodes, tensors, image, score)}
    found = [layer for layer in layers if "Conv" in layer.type and "Deconv" not in layer.type]
    return next((layer for layer in reversed(found) if layer.tensor in outputs), None)


def _reason(layers: Sequence[Layer], is_before_attention: bool) -> str:
    if len(layers) > 1:
        return f"the last layers of {len(layers)} towers, which all of the score passes through together"
    if is_before_attention:
        return "the last one before the last attention that all of the score passes through"
    return "the last one with more than one place that all of the score passes through"


def _behind(path: Sequence[onnx.NodeProto], name: str) -> list[str]:
    return [output for node in dependent_nodes(path, name) for output in node.output]


# ---- of the tensors with the same features, the end of a block, or what a rectifier makes of it


def _block_end(
    path: Sequence[onnx.NodeProto], tensors: Mapping[str, Tensor], name: str, known: Collection[str], image: str
) -> str:
    """The first tensor, that is a layer, from which ``name`` is made by normalizing, rectifying and pooling alone."""
    nodes = needed_nodes(path, [name])
    made_by = _makers(nodes)
    found = name
    for earlier in reversed(dominators(nodes, image, name)):
        between = nodes[made_by[earlier] + 1 : made_by[found] + 1]
        if len(between) > _MOST_STEPS:
            break
        moving = {earlier, *(output for node in between for output in node.output)}
        if not all(_keeps_features(node, tensors, moving) for node in between):
            break
        if earlier in known:
            found = earlier
    return found


def _makers(nodes: Sequence[onnx.NodeProto]) -> dict[str, int]:
    """Which node makes each tensor.

    Of nodes on ways, all of which lead through two tensors, those between the makers of the two are the ones that lead
    from one to the other: what comes before a tensor that all ways lead through is before it in the file too.
    """
    return {name: index for index, node in enumerate(nodes) for name in node.output}


def _keeps_features(node: onnx.NodeProto, tensors: Mapping[str, Tensor], moving: Collection[str]) -> bool:
    """Whether it mixes no channels, puts none side by side, and adds no numbers of places, as position embeddings are.

    Two tensors may be added: normalization is written as ``x * a + (b - mean * a)`` too. Where branches are, one of
    them has a convolution or a product.

    Args:
        node: between the two tensors.
        tensors: shape and type of every tensor, by name.
        moving: the tensors on the way between the two.
    """
    if node.op_type in (*_CONVOLUTIONS, *_PRODUCTS):
        return False
    if node.op_type == "Concat":
        return len(read_names(node).intersection(moving)) < 2
    others = [tensors[name] for name in node.input if name in tensors and name not in moving]
    return node.op_type not in ("Add", "Sum") or all(sum(extent != 1 for extent in each.shape) < 2 for each in others)


def _rectified(
    path: Sequence[onnx.NodeProto], tensors: Mapping[str, Tensor], end: str, known: Collection[str], score: str
) -> str:
    """The last rectified tensor, that is a layer, made of ``end`` element by element; ``end`` where there is none."""
    behind = dependent_nodes(path, end)
    made_by = {end: -1} | _makers(behind)
    found = start = end
    for name in dominators(behind, end, score):
        between = behind[made_by[start] + 1 : made_by[name] + 1]
        if tensors[name].shape != tensors[end].shape or any(node.op_type not in _BY_ELEMENT for node in between):
            break
        if name in known and _rectifies(between):
            found = name
        start = name
    return found


def _rectifies(between: Sequence[onnx.NodeProto]) -> bool:
    """Whether nodes from one tensor to the next are a rectifier, or spell one out: x times a function of x."""
    *steps, last = between
    return (last.op_type in _RECTIFIERS and not steps) or (last.op_type == "Mul" and len(steps) > 0)


# ---- class tokens


def _without_gradient(
    path: Sequence[onnx.NodeProto], layers: Sequence[Layer], tensors: Mapping[str, Tensor], image: str, score: str
) -> set[str]:
    """Of what none but tokens without a place reaches the score: all between the last attention and their reading."""
    counts = {_token_count(tensors, layer): layer.tokens_before for layer in layers if layer.tokens_before}
    moving = {image, *(name for node in path for name in node.output)}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in path:
        for name in read_names(node):
            readers.setdefault(name, []).append(node)
    blind: set[str] = set()

    def reads_no_place(node: onnx.NodeProto) -> bool:
        if _picks(node, readers, tensors, counts):
            return True
        mixes = node.op_type in _CONVOLUTIONS or _is_attention(node, moving)
        goes_on = [name for name in node.output if name in readers or name == score]
        return not mixes and blind.issuperset(goes_on)

    for node in reversed(path):
        blind.update(name for name in node.output if name in readers and all(map(reads_no_place, readers[name])))
    return blind


def _token_count(tensors: Mapping[str, Tensor], layer: Layer) -> Extent:
    return tensors[layer.tensor].shape[1 if layer.channels_last else 2]


def _picks(
    node: onnx.NodeProto, read: Collection[str], tensors: Mapping[str, Tensor], counts: Mapping[Extent, int]
) -> bool:
    """Whether it keeps, of an axis of as many tokens as in ``counts``, no more than have no place."""
    if node.op_type not in ("Gather", "Slice", "Split"):
        return False
    before = tensors[node.input[0]].shape
    kept = [tensors[name].shape for name in node.output if name in read]
    for axis, count in enumerate(before):
        extents = [_extent_of(shape, axis, before) for shape in kept]
        numbers = [extent for extent in extents if isinstance(extent, int)]
        if count in counts and len(numbers) == len(kept) and sum(numbers) <= counts[count]:
            return True
    return False


def _extent_of(shape: Shape, axis: int, before: Shape) -> Extent:
    """What is left of an axis: 1 where it is gone."""
    if shape == (*before[:axis], *before[axis + 1 :]):
        return 1
    return shape[axis] if len(shape) == len(before) else None


def _is_attention(node: onnx.NodeProto, moving: Collection[str]) -> bool:
    """Whether it is a product of two tensors that both come of the image."""
    return node.op_type in _PRODUCTS and sum(name in moving for name in node.input) > 1
