"""The tensors that all of a network leads through: the ends of its blocks and stages."""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from whylight.graph.walks import read_names


def dominators(nodes: Sequence[onnx.NodeProto], source: str, end: str) -> list[str]:
    """The tensors that every way from one tensor to another leads through, in their order, both ends left out.

    Args:
        nodes: those that depend on ``source`` and that ``end`` needs, in topological order.
        source: where the ways begin.
        end: where they end.
    """
    last_reader = {name: index for index, node in enumerate(nodes) for name in read_names(node)}
    last_reader[end] = len(nodes)
    open_until = last_reader.get(source, 0)
    found = []
    for index, node in enumerate(nodes):
        read = [name for name in node.output if name in last_reader]
        if open_until <= index and len(read) == 1 and read[0] != end:
            found.append(read[0])
        open_until = max([open_until, *(last_reader[name] for name in read)])
    return found
