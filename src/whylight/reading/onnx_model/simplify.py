"""A graph as plain as its shapes allow: constants folded, shape arithmetic done, the batch axis dynamic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TypeProto, helper, numpy_helper

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.graph.demand import bytes_at_once, check_work
from whylight.graph.tensor import BATCH
from whylight.graph.walks import needed_nodes, read_names
from whylight.reading.onnx_model.batch import BatchRepair
from whylight.reading.onnx_model.evaluate import Array, Evaluation, evaluate

_SIZES = (2, 3)
"""Two batch sizes: what is the same at both does not depend on the batch."""
_LOOPS = ("Loop", "Scan", "If", "SequenceMap")


@dataclass(frozen=True)
class Simplified:
    """A graph with the types of its tensors.

    Attributes:
        model: the graph, with a shape for every tensor in its ``value_info``.
        is_dynamic: whether it takes any number of images.
    """

    model: onnx.ModelProto
    is_dynamic: bool


def simplified(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int | None, ...]], dynamic: bool = True
) -> Simplified:
    """Fold what does not depend on the image's pixels.

    Args:
        model: in our operator set.
        shapes: of its inputs; None is the batch axis where that is dynamic. A first axis of a fixed size becomes
            dynamic where the graph allows it.
        dynamic: whether to try that.

    Raises:
        WhylightError: shapes contradict each other, or the graph takes more memory or computing than there is for it.
    """
    is_dynamic = any(None in shape for shape in shapes.values())
    if is_dynamic:
        return _dynamic(model, shapes)
    exported = evaluate(model, {name: [int(extent or 0) for extent in shape] for name, shape in shapes.items()})
    _check_demand(model, exported, {extents[0] or 1 for extents in shapes.values()})
    if dynamic:
        try:
            return _dynamic(model, {name: (None, *shape[1:]) for name, shape in shapes.items()}, BatchRepair(exported))
        except WhylightError:
            pass  # something in it holds on to its batch size: it stays as it is
    _refuse_unknown(model, exported)
    return Simplified(_rewritten(model, exported, exported, shapes), False)


def _dynamic(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int | None, ...]], repair: BatchRepair | None = None
) -> Simplified:
    first, second = (
        evaluate(model, {name: [extent or size for extent in shape] for name, shape in shapes.items()}, repair)
        for size in _SIZES
    )
    _check_demand(model, first, {_SIZES[0]})
    if [node.output for node in first.nodes] != [node.output for node in second.nodes]:
        raise WhylightError("the graph's branches depend on the batch size")
    _refuse_unknown(model, first)
    outputs = [info.name for info in model.graph.output]
    if all(_is_fixed(first.shape(name), second.shape(name)) for name in outputs):
        raise WhylightError(f"no output grows with the batch: {', '.join(map(repr, outputs))}")
    return Simplified(_rewritten(model, first, second, shapes), True)


def _check_demand(model: onnx.ModelProto, known: Evaluation, images: Collection[int]) -> None:
    """See that the graph can be run.

    Raises:
        WhylightError: its tensors take more memory at once than there is for the file, or one image takes more
            multiplications than anybody would wait for.
    """
    outputs = [info.name for info in model.graph.output]
    sizes = {name: known.size(name) for name in known.types}
    constant = sum(sizes[name] for name in known.values if name in sizes)
    computed = {name: size for name, size in sizes.items() if name not in known.values}
    at_once = bytes_at_once(known.nodes, computed, outputs)
    given = sum(sizes[info.name] for info in model.graph.input if info.name not in known.values)
    taken = 4 * constant + 2 * at_once + 3 * given
    check_memory("the graph", "running it on a few images", taken, known.stored)
    check_work(known.nodes, known.shapes(), known.stored, max(images, default=1))


def _is_fixed(before: Sequence[int | None] | None, after: Sequence[int | None] | None) -> bool:
    """Whether the first extent of an output is known not to be in proportion to the batch."""
    if not before or not after or before[0] is None or after[0] is None:
        return before is not None and not before
    return before[0] * _SIZES[1] != after[0] * _SIZES[0]


def _refuse_unknown(model: onnx.ModelProto, known: Evaluation) -> None:
    """Refuse a graph of which no output has a known shape, or a loop hides the shape of what outputs need."""
    outputs = [info.name for info in model.graph.output]
    shapes = [known.shape(name) for name in outputs]
    loops = [node for node in needed_nodes(known.nodes, outputs) if node.op_type in _LOOPS]
    hidden = [name for node in loops for name in node.output if name in known.types and known.shape(name) is None]
    if hidden or all(shape is None or None in shape for shape in shapes):
        foreign = [node for node in needed_nodes(known.nodes, outputs) if node.domain not in ("", "ai.onnx")]
        names = ", ".join(f"{node.op_type} '{node.name or node.output[0]}'" for node in loops or foreign)
        reason = f": {names} hides it" if names else ""
        if loops:
            reason += "; export the network with its loops unrolled"
        elif foreign:
            reason += ", which is no operator of networks: they alone are explained"
        raise WhylightError(f"the shape of '{(hidden or outputs)[0]}' cannot be inferred{reason}")


def _rewritten(
    model: onnx.ModelProto, first: Evaluation, second: Evaluation, shapes: Mapping[str, tuple[int | None, ...]]
) -> onnx.ModelProto:
    constants = {
        name: value
        for name, value in first.values.items()
        if name in second.values and _equal(value, second.values[name])
    }
    nodes: list[onnx.NodeProto] = []
    for node in first.nodes:
        if not all(name in constants for name in node.output if name):
            nodes += _plain(node, first, second, constants)
    # those that are made by operators for other things than networks, such as the name of a class, are left out
    outputs = [info.name for info in model.graph.output if info.name in first.types]
    folded_outputs = [name for name in outputs if name in constants]
    nodes += [helper.make_node("Identity", [f"{name}/value"], [name]) for name in folded_outputs]
    constants |= {f"{name}/value": constants.pop(name) for name in folded_outputs}
    nodes = _with_own_names(needed_nodes(nodes, outputs))
    read = {name for node in nodes for name in read_names(node)}
    given = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in read}
    initializers = [
        given[name] if name in given else numpy_helper.from_array(np.asarray(value, order="C"), name)
        for name, value in constants.items()
        if name in read
    ]
    written = {name for node in nodes for name in node.output if name}
    graph = helper.make_graph(
        nodes,
        model.graph.name or "model",
        [
            helper.make_tensor_value_info(
                info.name, info.type.tensor_type.elem_type, [BATCH if e is None else e for e in shapes[info.name]]
            )
            for info in model.graph.input
            if info.name in shapes
        ],
        [_info(name, first, second) for name in outputs],
        initializers,
        value_info=[_info(name, first, second) for name in sorted(written - set(outputs)) if name in first.types],
    )
    result = helper.make_model(graph, opset_imports=model.opset_import, producer_name=model.producer_name)
    result.ir_version = model.ir_version
    result.metadata_props.extend(model.metadata_props)
    return result


def _with_own_names(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes, without names that several of them have."""
    counts = Counter(node.name for node in nodes)
    for node in nodes:
        if counts[node.name] > 1:
            node.ClearField("name")
    return nodes


def _equal(one: Array, other: Array) -> bool:
    return one is other or (
        one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    )


def _plain(
    node: onnx.NodeProto, first: Evaluation, second: Evaluation, constants: dict[str, Array]
) -> list[onnx.NodeProto]:
    """The node, with a constant shape where only the batch in it was computed."""
    if node.op_type != "Reshape" or node.input[1] in constants:
        return [node]
    one, other = (evaluation.values.get(node.input[1]) for evaluation in (first, second))
    if one is None or other is None or one.shape != other.shape:
        return [node]
    one, other = (np.array(each.shape(node.output[0]) or (), object) for each in (first, second))
    if None in one or None in other or len(one) != len(other) or (one != other).sum() != 1:
        return [node]
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[1] = f"{node.output[0]}/batched_shape"
    constants[copy.input[1]] = np.where(one == other, one, -1).astype(np.int64)
    return [copy]


def _info(name: str, first: Evaluation, second: Evaluation) -> onnx.ValueInfoProto:
    kind = TypeProto()
    kind.CopyFrom(first.types[name])
    if kind.HasField("tensor_type") and kind.tensor_type.HasField("shape"):
        others = second.shape(name) or ()
        for extent, other in zip(kind.tensor_type.shape.dim, others, strict=False):
            if not extent.HasField("dim_value") or extent.dim_value != other:
                extent.dim_param = _symbol(extent.dim_value, other)
    return helper.make_value_info(name, kind)


def _symbol(one: int, other: int | None) -> str:
    """The name of an extent that is ``one`` at the first of `_SIZES` and ``other`` at the second."""
    if not one or not other:
        return "?"
    times = other - one
    rest = one - _SIZES[0] * times
    return f"{'' if times == 1 else times}{BATCH}" + (f"{rest:+}" if rest else "")
