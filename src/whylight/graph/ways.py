"""The ways that values take from one tensor to another, and the tensors that all of them lead through."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product

import onnx

from whylight.graph.tensor import Tensor
from whylight.graph.walks import needed_nodes, read_names

_OF_SHAPE_ALONE = ("Shape", "Size")
_ROUNDING = ("Cast", "CastLike", "QuantizeLinear", "DynamicQuantizeLinear")
"""Operators whose result holds the values that they read, though it is of another type."""


def ways(nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, Tensor], source: str, end: str) -> list[onnx.NodeProto]:
    """The nodes on ways from ``source`` to ``end`` that carry values.

    What reads the shape of a tensor, compares its values, or picks the largest of them, carries none of them on.

    Args:
        nodes: of the graph, in topological order.
        tensors: type of every tensor, by name.
        source: where the ways begin.
        end: where they end.
    """
    reached, kept = {source}, []
    for node in nodes:
        read = reached.intersection(read_names(node))
        if not read or node.op_type in _OF_SHAPE_ALONE:
            continue
        loses = node.op_type not in _ROUNDING and any(_holds_reals(tensors, name) for name in read)
        carried = [name for name in node.output if name and not (loses and not _holds_reals(tensors, name))]
        if carried:
            kept.append(node)
            reached.update(carried)
    return needed_nodes(kept, [end])


def _holds_reals(tensors: Mapping[str, Tensor], name: str) -> bool:
    return name not in tensors or tensors[name].dtype.kind == "f"


def dominators(nodes: Sequence[onnx.NodeProto], source: str, end: str) -> list[str]:
    """The tensors that every way from one tensor to another leads through, in their order, both ends left out.

    Args:
        nodes: those on the ways, in topological order.
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


def smallest_cut(
    nodes: Sequence[onnx.NodeProto], source: str, end: str, candidates: Collection[str], most: int
) -> list[str]:
    """The fewest of some tensors that every way leads through one of; of several such sets the one nearest to the end.

    It is a maximum flow (Ford and Fulkerson 1956) in which a candidate lets through one unit, and all else any number.

    Args:
        nodes: those on the ways, in topological order.
        source: where the ways begin.
        end: where they end.
        candidates: the tensors to choose from.
        most: how many there may be.

    Returns:
        The tensors, in their order; none where some way leads through no candidate, or more than ``most`` are needed.
    """
    network = _Flow(nodes, source, end, frozenset(candidates))
    for _ in range(most + 1):
        if not network.augment():
            before_end = network.before_end()
            order = [name for node in nodes for name in node.output]
            return [name for name in order if (name, _OUT) in before_end and (name, _IN) not in before_end]
    return []


_IN, _OUT = 0, 1
_Point = tuple[str, int]
"""Where a tensor begins, or where it ends."""


class _Flow:
    """Units that flow from the source to the end; a candidate's beginning and its end are joined by one unit."""

    def __init__(self, nodes: Sequence[onnx.NodeProto], source: str, end: str, candidates: frozenset[str]) -> None:
        self._start, self._end = (source, _OUT), (end, _IN)
        self._candidates = candidates
        self._next: dict[_Point, set[_Point]] = {}
        self._previous: dict[_Point, set[_Point]] = {}
        self._units: dict[tuple[_Point, _Point], int] = {}
        made = {name for node in nodes for name in node.output if name}
        for name in made - {end}:
            self._join((name, _IN), (name, _OUT))
        given = made | {source}
        for node in nodes:
            for read, written in product(read_names(node) & given, filter(None, node.output)):
                self._join((read, _OUT), (written, _IN))

    def augment(self) -> bool:
        """Send one more unit; whether that was possible."""
        came_from: dict[_Point, _Point] = {self._start: self._start}
        waiting = [self._start]
        while waiting and self._end not in came_from:
            point = waiting.pop()
            for other in (*self._next.get(point, ()), *self._previous.get(point, ())):
                if other not in came_from and self._has_room(point, other):
                    came_from[other] = point
                    waiting.append(other)
        if self._end not in came_from:
            return False
        point = self._end
        while point != self._start:
            before = came_from[point]
            if self._units.get((point, before), 0):
                self._units[point, before] -= 1
            else:
                self._units[before, point] = self._units.get((before, point), 0) + 1
            point = before
        return True

    def before_end(self) -> set[_Point]:
        """From where more could still flow to the end."""
        found, waiting = {self._end}, [self._end]
        while waiting:
            point = waiting.pop()
            for other in (*self._previous.get(point, ()), *self._next.get(point, ())):
                if other not in found and self._has_room(other, point):
                    found.add(other)
                    waiting.append(other)
        return found

    def _join(self, first: _Point, second: _Point) -> None:
        self._next.setdefault(first, set()).add(second)
        self._previous.setdefault(second, set()).add(first)

    def _has_room(self, first: _Point, second: _Point) -> bool:
        """Whether a unit can flow from one to the other, or one that flows the other way be taken back."""
        if self._units.get((second, first), 0):
            return True
        if second not in self._next.get(first, ()):
            return False
        is_inside = first[0] == second[0] and first[0] in self._candidates
        return not is_inside or not self._units.get((first, second), 0)
