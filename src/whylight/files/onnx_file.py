"""What an ONNX file says, read from its bytes without the onnx package (onnx.proto), and without its weights."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.external_data import data_file

Content = bytes | mmap.mmap

_MODEL_GRAPH, _MODEL_METADATA, _MODEL_FUNCTIONS = 7, 14, 25
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE = 1, 4, 5
_FUNCTION_NODE = 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_GRAPH = 5, 6
_TENSOR_EXTERNAL_DATA = 13
_BYTES, _FIXED_WIDTHS = 2, {1: 8, 5: 4}

OF_ANY_NUMBER = {b"Concat", b"Max", b"Mean", b"Min", b"Sum", b"Einsum", b"SequenceConstruct", b"FeatureVectorizer"}
"""Operators of which ONNX Runtime reads every input, also one that is left out: then the process dies."""
_DEEPEST = 32


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
    found = {}
    for number, start, end in _fields(content, 0, len(content)):
        if number == _MODEL_METADATA:
            entry = {part: content[first:last].decode() for part, first, last in _fields(content, start, end)}
            found[entry.get(1, "")] = entry.get(2, "")
    return found


def check_nodes(content: Content, path: Path | None) -> None:
    """See that ONNX Runtime can be given a graph: that it reads no other files, and that no node kills the process.

    Args:
        content: of an ONNX file.
        path: where it lies; None where it is in memory: then it may not have weights in other files.

    Raises:
        WhylightError: it cannot.
        ValueError, IndexError: it is no such file.
    """
    for number, start, end in _fields(content, 0, len(content)):
        if number == _MODEL_GRAPH:
            _check_graph(content, start, end, path, 0)
        elif number == _MODEL_FUNCTIONS:
            for part, first, last in _fields(content, start, end):
                if part == _FUNCTION_NODE:
                    _check_node(content, first, last, path, 0)


def _check_graph(content: Content, start: int, end: int, path: Path | None, depth: int) -> None:
    if depth > _DEEPEST:
        raise WhylightError("its graphs are nested deeper than anybody means")
    for number, first, last in _fields(content, start, end):
        if number == _GRAPH_NODE:
            _check_node(content, first, last, path, depth)
        elif number == _GRAPH_INITIALIZER:
            _check_tensor(content, first, last, path)


def _check_node(content: Content, start: int, end: int, path: Path | None, depth: int) -> None:
    operator, leaves_out = b"", False
    for number, first, last in _fields(content, start, end):
        if number == _NODE_INPUT:
            leaves_out = leaves_out or first == last
        elif number == _NODE_OPERATOR:
            operator = content[first:last]
        elif number == _NODE_ATTRIBUTE:
            for part, begin, stop in _fields(content, first, last):
                if part == _ATTRIBUTE_TENSOR:
                    _check_tensor(content, begin, stop, path)
                elif part == _ATTRIBUTE_GRAPH:
                    _check_graph(content, begin, stop, path, depth + 1)
    if leaves_out and operator in OF_ANY_NUMBER:
        raise WhylightError(f"a {operator.decode()} leaves an input out, which it cannot")


def _check_tensor(content: Content, start: int, end: int, path: Path | None) -> None:
    for number, first, last in _fields(content, start, end):
        if number == _TENSOR_EXTERNAL_DATA:
            entry = {part: content[begin:stop] for part, begin, stop in _fields(content, first, last)}
            name = entry.get(2, b"").decode()
            if entry.get(1) == b"location" and (path is None or data_file(path, name) is None):
                raise WhylightError(f"weights are in '{name}', expected a file in its own folder")


def _fields(content: Content, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of bytes of a protobuf message: number, first byte, last byte; others are passed over.

    Raises:
        ValueError: it is no such message.
    """
    while position < end:
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
