"""Other inputs than the image, fixed: their values become part of the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from whylight.errors import WhylightError
from whylight.files.named_values import NamedValue

Array = np.ndarray[Any, Any]


def with_fixed_inputs(path: Path, model: onnx.ModelProto, fixed: Sequence[NamedValue], image: str) -> onnx.ModelProto:
    """The model with constants in place of some of its inputs; itself where there are none.

    A value for one image is repeated for each where the input has the image's batch axis; one with several rows, such
    as the texts that CLIP compares an image with, is taken as it is.

    Args:
        path: the file, for messages.
        model: as it was read, of any operator set.
        fixed: values of inputs that it has.
        image: the name of the input that takes the image.

    Raises:
        WhylightError: a value is not of its input's shape or type.
    """
    if not fixed:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    inputs = {info.name: info for info in graph.input}
    nodes: list[onnx.NodeProto] = []
    for each in fixed:
        info = inputs[each.name]
        value, is_repeated = _fitting(path, info, each.value, inputs[image])
        if not is_repeated:
            graph.initializer.append(numpy_helper.from_array(value, each.name))
            continue
        graph.initializer.append(numpy_helper.from_array(value, f"{each.name}/value"))
        nodes += _repeated(graph, each.name, image, value.ndim)
    kept = [info for info in graph.input if info.name not in {each.name for each in fixed}]
    nodes += graph.node
    del graph.input[:], graph.node[:]
    graph.input.extend(kept)
    graph.node.extend(nodes)
    return copy


def _fitting(path: Path, info: onnx.ValueInfoProto, value: Array, image: onnx.ValueInfoProto) -> tuple[Array, bool]:
    """The value in the input's type and shape, and whether it is to be repeated for each image."""
    value = _in_type(path, info, value)
    extents = info.type.tensor_type.shape.dim
    shape = [extent.dim_value if extent.dim_value > 0 else None for extent in extents]
    has_batch = bool(extents) and _is_same(extents[0], image.type.tensor_type.shape.dim[0])
    text = f"({', '.join(extent.dim_param or str(extent.dim_value or '?') for extent in extents)})"
    if not value.ndim:
        if has_batch or (shape and shape[0] is None):
            shape[0] = 1
        if None in shape:
            raise WhylightError(f"{path}: input '{info.name}' is {text}, of no fixed size: expected an array for it")
        return np.full(shape, value, value.dtype), has_batch
    if value.ndim == len(shape) - 1:
        value = value[np.newaxis]
    expected = [1 if has_batch and not axis and len(value) == 1 else extent for axis, extent in enumerate(shape)]
    if value.ndim != len(shape) or any(e not in (None, found) for e, found in zip(expected, value.shape, strict=True)):
        raise WhylightError(
            f"{path}: input '{info.name}' is {text}, expected an array of that shape, found {value.shape}"
        )
    return value, has_batch and len(value) == 1


def _in_type(path: Path, info: onnx.ValueInfoProto, value: Array) -> Array:
    kind = info.type.tensor_type.elem_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind)) if kind else np.dtype(object)
    name = helper.tensor_dtype_to_string(kind).removeprefix("TensorProto.").lower() if kind else "no tensor"
    if dtype.kind not in "buif":
        raise WhylightError(f"{path}: input '{info.name}' takes {name}, which cannot be fixed: expected numbers")
    with np.errstate(all="ignore"):
        converted: Array = value.astype(dtype)
    if dtype.kind != "f" and not np.array_equal(converted, value):
        raise WhylightError(f"{path}: input '{info.name}' takes {name}, and the value for it holds other numbers")
    return converted


def _is_same(one: onnx.TensorShapeProto.Dimension, other: onnx.TensorShapeProto.Dimension) -> bool:
    """Whether two axes are declared to have the same extent, as far as that is said."""
    return bool(one.dim_value == other.dim_value and one.dim_param == other.dim_param)


def _repeated(graph: onnx.GraphProto, name: str, image: str, rank: int) -> list[onnx.NodeProto]:
    """The nodes that repeat the value of an input for each image, in operators of any set."""
    constants = {"first": np.array([0], np.int64), "once": np.ones(rank - 1, np.int64)}
    graph.initializer.extend(numpy_helper.from_array(value, f"{name}/{key}") for key, value in constants.items())
    return [
        helper.make_node("Shape", [image], [f"{name}/image"], name=f"{name}/image"),
        helper.make_node("Gather", [f"{name}/image", f"{name}/first"], [f"{name}/images"], name=f"{name}/images"),
        helper.make_node("Concat", [f"{name}/images", f"{name}/once"], [f"{name}/times"], name=f"{name}/times", axis=0),
        helper.make_node("Tile", [f"{name}/value", f"{name}/times"], [name], name=f"{name}/repeated"),
    ]
