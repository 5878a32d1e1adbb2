"""What an ONNX file says, read from its bytes without the onnx package (onnx.proto), and without its weights."""

import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.external_data import data_file

Content = bytes | mmap.mmap

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 4, 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE_TENSORS = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL_DATA = 13
_BYTES, _FIXED_WIDTHS = 2, {1: 8, 5: 4}

OF_ANY_NUMBER = {b"Concat", b"Max", b"Mean", b"Min", b"Sum", b"Einsum", b"SequenceConstruct", b"FeatureVectorizer"}
"""Operators of which ONNX Runtime reads every input, also one that is left out: then the process dies."""
_DEEPEST = 32
_MOST_FIELDS = 2**20
"""Of one message: what a file holds many of is in messages within."""
_ENDLESS = {b"Loop", b"Scan", b"SequenceMap", b"BeamSearch", b"GreedySearch", b"Sampling"}
_LOOKS_ENDLESS = re.compile(b"|".join(bytes([_NODE_OPERATOR << 3 | _BYTES, len(name)]) + name for name in _ENDLESS))


@dataclass
class Demands:
    """What a graph asks of whoever runs it.

    Attributes:
        data_files: the files that hold its weights.
        may_not_end: whether it holds a loop.
    """

    data_files: set[Path] = field(default_factory=set)
    may_not_end: bool = False


@contextmanager
def content_of(graph: bytes | Path) -> Iterator[Content]:
    """The content of an ONNX file, of which only what is looked at is read."""
    if isinstance(graph, bytes):
        yield graph
        return
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def metadata_of(content: Content) -> dict[str, str]:
    """The entries of a model's metadata.

    Raises:
        ValueError, IndexError: it is no such file.
    """
    found: dict[str, str] = {}
    for number, start, end in _fields(content, 0, len(content)):
        if number == _MODEL_METADATA:
            entry = {part: content[first:last].decode() for part, first, last in _fields(content, start, end)}
            key = entry.get(1, "")
            if key in found:
                raise ValueError(f"its metadata holds '{key}' twice")
            found[key] = entry.get(2, "")
    return found


def looks_endless(content: Content) -> bool:
    """Whether a graph may hold a loop: quick, and sure only where it does not; `check_nodes` knows."""
    return _LOOKS_ENDLESS.search(content) is not None


def check_nodes(content: Content, path: Path | None) -> Demands:
    """See that ONNX Runtime can be given a graph: that it reads no other files, and that nothing kills the process.

    Functions, which are written out when they are loaded, and sparse weights, which are filled up, may come to any
    size; no explainer has them.

    Args:
        content: of an ONNX file.
        path: where it lies; None where it is in memory: then it may not have weights in other files.

    Raises:
        WhylightError: it cannot.
        ValueError, IndexError: it is no such file.
    """
    found = Demands()
    for number, start, end in _fields(content, 0, len(content)):
        if number == _MODEL_GRAPH:
            _check_graph(content, start, end, path, found, 0)
        elif number == _MODEL_FUNCTIONS:
            raise WhylightError("it has functions of its own, which no explainer has")
    return found


def _check_graph(content: Content, start: int, end: int, path: Path | None, found: Demands, depth: int) -> None:
    if depth > _DEEPEST:
        raise WhylightError("its graphs are nested deeper than anybody means")
    for number, first, last in _fields(content, start, end):
        if number == _GRAPH_NODE:
            _check_node(content, first, last, path, found, depth)
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(content, first, last, path, found)
        elif number == _GRAPH_SPARSE_INITIALIZER:
            raise WhylightError("it has sparse weights, which no explainer has")


def _check_node(content: Content, start: int, end: int, path: Path | None, found: Demands, depth: int) -> None:
    operator, leaves_out = b"", False
    for number, first, last in _fields(content, start, end):
        if number == _NODE_INPUT:
            leaves_out = leaves_out or first == last
        elif number == _NODE_OPERATOR:
            operator = content[first:last]
        elif number == _NODE_ATTRIBUTE:
            for part, begin, stop in _fields(content, first, last):
                if part in _ATTRIBUTE_TENSORS:
                    _check_tensor(content, begin, stop, path, found)
                elif part in _ATTRIBUTE_GRAPHS:
                    _check_graph(content, begin, stop, path, found, depth + 1)
                elif part in _ATTRIBUTE_SPARSE_TENSORS:
                    raise WhylightError("it has sparse weights, which no explainer has")
    if leaves_out and operator in OF_ANY_NUMBER:
        raise WhylightError(f"a {operator.decode()} leaves an input out, which it cannot")
    found.may_not_end = found.may_not_end or operator in _ENDLESS


def _check_tensor(content: Content, start: int, end: int, path: Path | None, found: Demands) -> None:
    for number, first, last in _fields(content, start, end):
        if number != _TENSOR_EXTERNAL_DATA:
            continue
        entry = [(part, content[begin:stop]) for part, begin, stop in _fields(content, first, last)]
        if (1, b"location") not in entry:
            continue
        for name in (value.decode() for part, value in entry if part == 2):
            place = None if path is None else data_file(path, name)
            if place is None or not os.path.isfile(place):  # noqa: PTH113  # pathlib's raises for names that are too long
                raise WhylightError(f"weights are in '{name}', expected a file in its own folder")
            found.data_files.add(place)


def _fields(content: Content, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of bytes of a protobuf message: number, first byte, last byte; others are passed over.

    Raises:
        ValueError: it is no such message.
    """
    count = 0
    while position < end:
        count += 1
        if count > _MOST_FIELDS:
            raise ValueError("more fields than anybody writes")
        key, position = _number(content, position)
        if key & 7 == _BYTES:
            length, position = _number(content, position)
            if position + length > end:
                raise ValueError("a field is longer than the message")
            yield key >> 3, position, position + length
            position += length
        elif key & 7 == 0:
            _, position = _number(content, position)
        else:
            position += _FIXED_WIDTHS.get(key & 7, end)


def _number(content: Content, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = content[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise ValueError("a number is too long")
