"""What an ONNX file is made of, looked at before anything is computed from it: functions, names, order, extents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, TensorProto

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.files.onnx_file import OF_ANY_NUMBER
from whylight.graph.tensor import MOST_AXES
from whylight.graph.walks import subgraphs

_LARGEST_EXTENT = 2**40
"""Sizes made of larger ones no longer fit the numbers that libraries count them in."""
_NEWEST_OPSET = 10**4
_DEEPEST_CALLS = 100
"""Functions in functions; exporters write one for each module in a module."""
_BYTES_OF_OPERATOR = 2**15
"""What an operator takes: as it is read, with what is known of its outputs, its derivative, and in the runtime."""

_Key = tuple[str, str, str]


def check_functions(path: Path, model: onnx.ModelProto) -> None:
    """See that the functions of a model end, and how many operators they come to, before they are written out.

    Raises:
        WhylightError: one calls itself, or they are more operators than the file may ask for.
    """
    functions = {_key(each): each for each in model.functions}
    if len(functions) < len(model.functions):
        raise WhylightError(f"{path}: not a valid model: two of its functions have one name")
    counted: dict[_Key, int] = {}

    def count(nodes: Iterable[onnx.NodeProto], calls: tuple[_Key, ...]) -> int:
        total = 0
        for node in all_nodes(nodes):
            key = (node.domain, node.op_type, getattr(node, "overload", ""))
            if key in calls:
                raise WhylightError(f"{path}: the function '{'.'.join(key[:2])}' calls itself, and never ends")
            if key in functions and key not in counted:
                if len(calls) == _DEEPEST_CALLS:
                    raise WhylightError(f"{path}: its functions call others more than {_DEEPEST_CALLS} deep: refused")
                counted[key] = count(functions[key].node, (*calls, key))
            total += counted.get(key, 1)
        return total

    operators = count(model.graph.node, ())
    written = "" if not functions else ", once its functions are written out,"
    check_memory(
        path, f"the {operators:.4g} operators that it has{written}", operators * _BYTES_OF_OPERATOR, model.ByteSize()
    )


def check_graph(path: Path, model: onnx.ModelProto) -> None:
    """See that every tensor is made once, before it is read, and that what the graph takes and gives has a type.

    Raises:
        WhylightError: it is not so.
    """
    for entry in model.opset_import:
        if not 0 < entry.version < _NEWEST_OPSET:
            raise WhylightError(
                f"{path}: operator set {entry.version} of '{entry.domain}': ONNX has none of that number"
            )
    for info in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        _check_type(path, info)
    _check_names(path, model.graph, frozenset())


def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes, and those of the graphs inside them."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from all_nodes(graph.node)


def _key(function: onnx.FunctionProto) -> _Key:
    return function.domain, function.name, getattr(function, "overload", "")


def _check_type(path: Path, info: onnx.ValueInfoProto) -> None:
    kind = info.type.tensor_type
    if kind.elem_type not in TensorProto.DataType.values():
        raise WhylightError(f"{path}: '{info.name}' is of type {kind.elem_type}, which ONNX does not have")
    if len(kind.shape.dim) > MOST_AXES:
        raise WhylightError(f"{path}: '{info.name}' has {len(kind.shape.dim)} axes: more than {MOST_AXES} are not read")
    if (largest := max((extent.dim_value for extent in kind.shape.dim), default=0)) > _LARGEST_EXTENT:
        raise WhylightError(f"{path}: '{info.name}' has the extent {largest}: no network has that, the file is damaged")


def _check_names(path: Path, graph: onnx.GraphProto, around: frozenset[str]) -> None:
    given = [info.name for info in graph.input]
    constants = [tensor.name for tensor in graph.initializer]
    constants += [tensor.values.name for tensor in graph.sparse_initializer]
    made = [name for node in graph.node for name in node.output if name]
    for names in (given, [*constants, *made], [*made, *given]):
        for name, times in Counter(names).items():
            if times > 1:
                raise WhylightError(f"{path}: not a valid model: {times} tensors have the name '{name}'")
    held, everything = {*around, *given, *constants}, {*around, *given, *constants, *made}
    for node in graph.node:
        where = f"{node.op_type} '{node.name or next(iter(node.output), '')}'"
        if "" in node.input and node.op_type.encode() in OF_ANY_NUMBER:
            raise WhylightError(f"{path}: not a valid model: {where} leaves an input out, which it cannot")
        for name in node.input:
            if name and name not in everything:
                raise WhylightError(
                    f"{path}: not a valid model: {where} reads '{name}', which nothing in the file gives; export the "
                    "network again, perhaps with another version of its exporter"
                )
            if name and name not in held:
                raise WhylightError(
                    f"{path}: not a valid model: {where} reads '{name}', which is computed after it, or from its own "
                    "result"
                )
        for attribute in node.attribute:
            if attribute.graphs or attribute.HasField("g") != (attribute.type == AttributeProto.GRAPH):
                raise WhylightError(f"{path}: not a valid model: the attribute '{attribute.name}' of {where} is none")
        for inner in subgraphs(node):
            _check_names(path, inner, frozenset(held))
        held.update(node.output)
    for info in graph.output:
        if info.name not in held:
            raise WhylightError(f"{path}: not a valid model: nothing in the file gives its output '{info.name}'")
