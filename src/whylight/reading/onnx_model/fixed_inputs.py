"""Other inputs than the image, fixed: their values become part of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    named = _named_extents(inputs, fixed)
    rows = 1
    for each in sorted(fixed, key=lambda each: -each.value.ndim):  # numbers come behind arrays, whose extents they take
        given = _Input(path, inputs[each.name], inputs[image], named)
        value = given.fitting(each.value, rows)
        if given.batch is None and value.ndim:
            rows = len(value)
        if given.batch is None or value.shape[given.batch] != 1:
            graph.initializer.append(numpy_helper.from_array(value, each.name))
            continue
        graph.initializer.append(numpy_helper.from_array(value, f"{each.name}/value"))
        nodes += _repeated(graph, each.name, image, given.batch, value.ndim)
    kept = [info for info in graph.input if info.name not in {each.name for each in fixed}]
    nodes += graph.node
    del graph.input[:], graph.node[:]
    graph.input.extend(kept)
    graph.node.extend(nodes)
    return copy


def _named_extents(inputs: Mapping[str, onnx.ValueInfoProto], fixed: Sequence[NamedValue]) -> dict[str, int]:
    """The extents of axes that the file has names for, by these, as far as arrays say them."""
    named: dict[str, int] = {}
    for each in fixed:
        declared = inputs[each.name].type.tensor_type.shape.dim
        if each.value.ndim == len(declared):
            named |= {axis.dim_param: n for axis, n in zip(declared, each.value.shape, strict=True) if axis.dim_param}
    return named


class _Input:
    """An input that gets a value.

    Attributes:
        batch: its axis that is the image's batch axis too, as far as is said; None where there is none.
    """

    def __init__(
        self, path: Path, info: onnx.ValueInfoProto, image: onnx.ValueInfoProto, named: Mapping[str, int]
    ) -> None:
        axes, batch = info.type.tensor_type.shape.dim, image.type.tensor_type.shape.dim[0]
        self._name = f"{path}: input '{info.name}'"
        self._kind = info.type.tensor_type.elem_type
        self._text = f"({', '.join(axis.dim_param or str(axis.dim_value or '?') for axis in axes)})"
        self._shape = [axis.dim_value if axis.dim_value > 0 else None for axis in axes]
        self._named = [named.get(axis.dim_param) for axis in axes]
        same = [place for place, axis in enumerate(axes) if axis.dim_param and axis.dim_param == batch.dim_param]
        if not same and axes and (axes[0].dim_value, axes[0].dim_param) == (batch.dim_value, batch.dim_param):
            same = [0]
        self.batch = same[0] if same else None

    def fitting(self, value: Array, rows: int) -> Array:
        """The value in the input's type and shape; along the batch axis it may have one entry.

        Args:
            value: a number or an array.
            rows: how many a number gets where the first axis is open, and not that of images.

        Raises:
            WhylightError: it does not fit.
        """
        value = self._in_type(value)
        if not value.ndim:
            shape = [known or extent for known, extent in zip(self._named, self._shape, strict=True)]
            once = 0 if self.batch is None else self.batch
            if shape and self._named[once] is None and (self.batch is not None or shape[0] is None):
                shape[once] = rows if self.batch is None else 1
            if None in shape:
                raise WhylightError(f"{self._name} is {self._text}, of no fixed size: expected an array for it")
            return np.full([extent or 1 for extent in shape], value, value.dtype)
        if value.ndim == len(self._shape) - 1:
            value = np.expand_dims(value, self.batch or 0)
        fits = value.ndim == len(self._shape) and all(
            extent in (None, found) or (place == self.batch and found == 1)
            for place, (extent, found) in enumerate(zip(self._shape, value.shape, strict=True))
        )
        if not fits:
            raise WhylightError(f"{self._name} is {self._text}, expected an array of that shape, found {value.shape}")
        return value

    def _in_type(self, value: Array) -> Array:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(self._kind)) if self._kind else np.dtype(object)
        name = helper.tensor_dtype_to_string(self._kind).removeprefix("TensorProto.").lower() if self._kind else "none"
        if dtype.kind not in "buif":
            raise WhylightError(f"{self._name} takes {name}, which cannot be fixed: expected numbers")
        with np.errstate(all="ignore"):
            converted: Array = value.astype(dtype)
        if dtype.kind != "f" and not np.array_equal(converted, value):
            raise WhylightError(f"{self._name} takes {name}, and the value for it holds other numbers")
        return converted


def _repeated(graph: onnx.GraphProto, name: str, image: str, axis: int, rank: int) -> list[onnx.NodeProto]:
    """The nodes that repeat the value of an input for each image, in operators of any set."""
    constants = {"first": np.array([0]), "before": np.ones(axis), "after": np.ones(rank - axis - 1)}
    graph.initializer.extend(
        numpy_helper.from_array(v.astype(np.int64), f"{name}/{key}") for key, v in constants.items()
    )
    times = [f"{name}/before", f"{name}/images", f"{name}/after"]
    return [
        helper.make_node("Shape", [image], [f"{name}/image"], name=f"{name}/image"),
        helper.make_node("Gather", [f"{name}/image", f"{name}/first"], [f"{name}/images"], name=f"{name}/images"),
        helper.make_node("Concat", times, [f"{name}/times"], name=f"{name}/times", axis=0),
        helper.make_node("Tile", [f"{name}/value", f"{name}/times"], [name], name=f"{name}/repeated"),
    ]
