"""The weights of an ONNX file: what their shapes take, and those that lie in data files beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from whylight.errors import WhylightError
from whylight.files.budget import check_memory, stored_bytes
from whylight.files.checks import reading
from whylight.files.external_data import data_file
from whylight.graph.tensor import MOST_AXES

_COPIES = 4
"""Of weights: as they are read, in float32, folded, and in the runtime."""
_BITS = {"INT2": 2, "UINT2": 2, "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4}
"""Of the types that share bytes; the others have what numpy gives them."""
_NO_TYPES = (TensorProto.UNDEFINED,)


def check_weights(path: Path, model: onnx.ModelProto) -> None:
    """See that every tensor in a file is of a known type and holds as many numbers as its shape says.

    Raises:
        WhylightError: one does not, or all of them take more memory than the file may ask for.
    """
    taken = stored = 0
    for tensor in tensors(model.graph):
        size = _checked_size(path, tensor)
        taken += size
        stored += 0 if _is_external(tensor) else size
    for sparse in _sparse_tensors(model.graph):
        _check_shape(path, sparse.values.name, sparse.dims)
        taken += prod(sparse.dims) * 8
    stored += sum(stored_bytes(file) for file in _files(path, model))
    check_memory(path, "all of its weights together", _COPIES * taken, stored)


def load_external_data(path: Path, model: onnx.ModelProto) -> None:
    """Put the weights that lie in data files into the model. See `check_weights`, which comes before.

    Raises:
        WhylightError: a data file is missing, not in the model's own folder or truncated.
    """
    for tensor in tensors(model.graph):
        if _is_external(tensor):
            tensor.raw_data = _read(path, tensor)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """All constants of a graph, of its nodes and of the graphs inside these."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (
                *attribute.sparse_tensors,
                *([attribute.sparse_tensor] * attribute.HasField("sparse_tensor")),
            ):
                yield from (sparse.values, sparse.indices)
            for inner in (*attribute.graphs, *([attribute.g] * attribute.HasField("g"))):
                yield from tensors(inner)


def _sparse_tensors(graph: onnx.GraphProto) -> Iterator[onnx.SparseTensorProto]:
    yield from graph.sparse_initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.sparse_tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor
            for inner in (*attribute.graphs, *([attribute.g] * attribute.HasField("g"))):
                yield from _sparse_tensors(inner)


def _checked_size(path: Path, tensor: TensorProto) -> int:
    """The bytes that the numbers of a tensor take.

    Raises:
        WhylightError: its type is unknown, its shape is none, or it does not hold as many numbers.
    """
    _check_shape(path, tensor.name, tensor.dims)
    kinds = TensorProto.DataType
    if tensor.data_type in _NO_TYPES or tensor.data_type not in kinds.values():
        raise WhylightError(
            f"{path}: the weights '{tensor.name}' are of type {tensor.data_type}, which ONNX does not have"
        )
    kind, count = kinds.Name(tensor.data_type), prod(tensor.dims)
    if tensor.HasField("segment"):
        raise WhylightError(f"{path}: the weights '{tensor.name}' are a segment of others, which is not read")
    if _is_external(tensor):
        if kind == "STRING":
            raise WhylightError(f"{path}: '{tensor.name}' is text, which has to be in the file itself")
        return _bytes(kind, tensor.data_type, count)
    if tensor.HasField("raw_data"):
        held, expected = len(tensor.raw_data), _bytes(kind, tensor.data_type, count)
        unit = "bytes"
    else:
        held = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
        expected = (
            _bytes(kind, tensor.data_type, count) if kind in _BITS else count * (2 if kind.startswith("COMPLEX") else 1)
        )
        unit = "numbers"
    if held != expected:
        shape = " x ".join(map(str, tensor.dims)) or "one number"
        raise WhylightError(
            f"{path}: the weights '{tensor.name}' of shape {shape} hold {held} {unit}, expected {expected}: the file "
            "is damaged"
        )
    return _bytes(kind, tensor.data_type, count)


def _check_shape(path: Path, name: str, shape: Sequence[int]) -> None:
    if len(shape) > MOST_AXES:
        raise WhylightError(f"{path}: the weights '{name}' have {len(shape)} axes: more than {MOST_AXES} are not read")
    if any(extent < 0 for extent in shape):
        raise WhylightError(f"{path}: the weights '{name}' have the negative extent {min(shape)}")


def _bytes(kind: str, data_type: int, count: int) -> int:
    bits = _BITS.get(kind) or 8 * helper.tensor_dtype_to_np_dtype(data_type).itemsize
    return -(-count * bits // 8)


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.data_location == TensorProto.EXTERNAL)


def _files(path: Path, model: onnx.ModelProto) -> set[Path]:
    return {_place(path, tensor) for tensor in tensors(model.graph) if _is_external(tensor)}


def _place(path: Path, tensor: TensorProto) -> Path:
    location = _said(tensor).get("location", "")
    place = data_file(path, location)
    if place is None:
        raise WhylightError(
            f"{path}: the weights '{tensor.name}' are in '{location}', expected a file in the model's own folder"
        )
    if not place.is_file():
        found = "is no file" if place.exists() else "is not beside it"
        raise WhylightError(f"{path}: the weights '{tensor.name}' are in '{location}', which {found}")
    return place


def _read(path: Path, tensor: TensorProto) -> bytes:
    said, place = _said(tensor), _place(path, tensor)
    size = _bytes(TensorProto.DataType.Name(tensor.data_type), tensor.data_type, prod(tensor.dims))
    offset, length = _number(path, tensor, "offset", 0), _number(path, tensor, "length", size)
    if length != size:
        raise WhylightError(
            f"{path}: the weights '{tensor.name}' take {length} bytes of '{said['location']}', expected {size}, as "
            "their shape says"
        )
    with reading(path, f"a model with the weights '{tensor.name}' in '{said['location']}'"), place.open("rb") as file:
        if offset + size <= os.fstat(file.fileno()).st_size:
            file.seek(offset)
            return file.read(size)
    raise WhylightError(
        f"{path}: '{said['location']}' is truncated: it does not hold all of the weights '{tensor.name}'"
    )


def _said(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _number(path: Path, tensor: TensorProto, key: str, default: int) -> int:
    text = _said(tensor).get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise WhylightError(
            f"{path}: the weights '{tensor.name}' have the {key} '{text}' in their data file, expected a number of "
            "bytes"
        )
    return int(text)
