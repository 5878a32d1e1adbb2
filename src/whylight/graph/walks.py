"""Walks over the nodes of a graph: what a tensor needs, what depends on it, what a node reads."""

from collections.abc import Iterable, Mapping, Sequence

import onnx


def needed_nodes(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Those of ``nodes`` (in topological order) that one of ``outputs`` depends on, in their order."""
    wanted = set(outputs)
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(name for name in read_names(node) if name)
    return kept[::-1]


def part_of(model: onnx.ModelProto, outputs: Iterable[str]) -> onnx.ModelProto:
    """The part of ``model`` that leads to some of its outputs, with the inputs and constants that it reads."""
    part, wanted = onnx.ModelProto(), set(outputs)
    part.CopyFrom(model)
    graph = part.graph
    nodes = needed_nodes(model.graph.node, wanted)
    read = {name for node in nodes for name in read_names(node)} | wanted
    del graph.node[:], graph.input[:], graph.output[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.input.extend(info for info in model.graph.input if info.name in read)
    graph.output.extend(info for info in model.graph.output if info.name in wanted)
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    return part


def dependent_nodes(nodes: Sequence[onnx.NodeProto], source: str) -> list[onnx.NodeProto]:
    """Those of ``nodes`` (in topological order) that depend on the tensor ``source``, in their order."""
    reached = {source}
    kept: list[onnx.NodeProto] = []
    for node in nodes:
        if reached.intersection(read_names(node)):
            kept.append(node)
            reached.update(node.output)
    return kept


def read_names(node: onnx.NodeProto) -> set[str]:
    """The names of the tensors that a node reads, in its subgraphs too."""
    graphs = subgraphs(node)
    inner = {name for graph in graphs for each in graph.node for name in read_names(each)}
    return {*node.input, *inner, *(info.name for graph in graphs for info in graph.output)}


def renamed_tensors(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """``model`` with some of its tensors called otherwise; the model itself where it has none of them."""
    if not tensor_names(model.graph).intersection(names):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _rename(copy.graph, names)
    return copy


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """In the graphs inside nodes too, which may read tensors of the graph around them."""
    for node in graph.node:
        for listed in (node.input, node.output):
            listed[:] = [names.get(name, name) for name in listed]
        for inner in subgraphs(node):
            _rename(inner, names)
    for named in (graph.input, graph.output, graph.value_info, graph.initializer):
        for tensor in named:
            tensor.name = names.get(tensor.name, tensor.name)


def tensor_names(graph: onnx.GraphProto) -> set[str]:
    """The names of all tensors of a graph, and of the graphs inside its nodes."""
    names = {tensor.name for named in (graph.input, graph.output, graph.initializer) for tensor in named}
    for node in graph.node:
        names.update(node.input, node.output)
        for inner in subgraphs(node):
            names |= tensor_names(inner)
    return names


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside a node: the branches of an If, the body of a Loop."""
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def rename_captured(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename what a subgraph reads of the graph around it."""
    own = {name for node in graph.node for name in node.output} | {info.name for info in graph.input}
    for node in graph.node:
        node.input[:] = [name if name in own else names.get(name, name) for name in node.input]
        for inner in subgraphs(node):
            rename_captured(inner, {old: new for old, new in names.items() if old not in own})
