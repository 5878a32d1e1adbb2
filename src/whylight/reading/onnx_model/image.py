"""Which input of an ONNX model is the image, and how its pixels have to be prepared."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from whylight.classifier.first_steps import Known
from whylight.classifier.input_axes import layout_by_first_step
from whylight.classifier.input_range import range_by_first_steps
from whylight.contract import Kind, kind_of
from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.tensor import Tensor
from whylight.reading.per_channel import per_channel, refuse_zero, spread

_USUAL_SIZE = 224
_CHANNELS = (3, 1, 4, 2)
_NUMBERS = ("value", "value_float", "value_floats", "value_int", "value_ints")
_PIXEL_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16, TensorProto.UINT8)

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Pixels:
    """How an image becomes the model's input: (value - mean) / std, with values from 0 to ``maximum``.

    Attributes:
        maximum: the value of white, 1 or 255; None where nothing is known.
        mean: one value a channel, or none.
        std: one value a channel, or none.
        channel_order: ``RGB`` or ``BGR``.
    """

    maximum: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channel_order: str = "RGB"


def image_input(
    path: Path, model: onnx.ModelProto, name: str | None, layout: str, size: tuple[int, ...] | None
) -> tuple[str, Shape, str]:
    """The name of the image input, its shape (None is a dynamic batch), and its layout: see `InputFacts`.

    Raises:
        WhylightError: no input is an image, or several are.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = {info.name: info for info in model.graph.input if info.name not in constants}
    listed = ", ".join(f"'{key}' {_text(_declared(info))}" for key, info in inputs.items()) or "none"
    if name is not None and name not in inputs:
        raise WhylightError(f"{path}: no input '{name}'; it has {listed}")
    found = {key: order for key, info in inputs.items() if (order := _image_layout(model, info, layout))}
    found = dict(sorted(found.items(), key=lambda item: len(_declared(inputs[item[0]])) != 4))
    if name is not None:
        found = {key: order for key, order in found.items() if key == name}
    if not found:
        raise WhylightError(
            f"{path}: no input is an image, (N, channels, height, width) or (N, height, width, channels), "
            f"no signal (N, channels, length) and no volume; it has {listed}"
        )
    if len(inputs) > 1:
        others = [key for key in inputs if key != next(iter(found))]
        raise WhylightError(
            f"{path}: beside the image '{next(iter(found))}' the model has the inputs {', '.join(map(repr, others))}, "
            f"expected the image alone: fix their values when the network is exported"
        )
    key, order = next(iter(found.items()))
    return key, _sized(path, model, key, _declared(inputs[key]), order, size), order


def _declared(info: onnx.ValueInfoProto) -> Shape:
    extents = info.type.tensor_type.shape.dim
    return tuple(e.dim_value if e.HasField("dim_value") and e.dim_value > 0 else None for e in extents)


def _text(shape: Shape) -> str:
    return f"({', '.join('?' if extent is None else str(extent) for extent in shape)})"


def _image_layout(model: onnx.ModelProto, info: onnx.ValueInfoProto, layout: str) -> str | None:
    shape = _declared(info)
    if info.type.tensor_type.elem_type not in _PIXEL_TYPES or not 2 <= len(shape) <= 5:
        return None
    if layout != "auto":
        return layout[1:] if len(layout) == len(shape) else None
    first = shape[1] in _CHANNELS
    last = shape[-1] in _CHANNELS
    if len(shape) == 4 and first != last:
        return "CHW" if first else "HWC"
    return layout_by_first_step(model.graph.node, _constants(model), info.name, len(shape)) or _usual_layout(shape)


def _usual_layout(shape: Shape) -> str | None:
    match shape[1:]:
        case (rows, columns):
            return "CL" if columns is None or (rows is not None and rows <= columns) else "LC"
        case (outer, _, inner):
            return "CHW" if outer is not None else "HWC" if inner is not None else None
        case (outer, _, _, inner):
            return "DHWC" if outer not in _CHANNELS and inner in _CHANNELS else "CDHW"
    return None


def _constants(model: onnx.ModelProto) -> Known:
    """The tensors that are constant, of a graph of which no shapes are known."""
    given: dict[str, onnx.TensorProto | onnx.AttributeProto] = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        number = next((each for each in node.attribute if each.name in _NUMBERS), None)
        if node.op_type == "Constant" and number is not None:
            given[node.output[0]] = number

    def constant(name: str) -> Tensor | None:
        if name not in given:
            return None
        found = given[name]
        content = helper.get_attribute_value(found) if isinstance(found, onnx.AttributeProto) else found
        value = numpy_helper.to_array(content) if isinstance(content, TensorProto) else np.asarray(content)
        return Tensor(name, value.shape, value.dtype, value)

    return constant


def _sized(
    path: Path, model: onnx.ModelProto, name: str, shape: Shape, order: str, wanted: tuple[int, ...] | None
) -> Shape:
    """The shape with a height and a width: the file's own, the ones asked for, its metadata's, or the usual ones."""
    places = [axis for axis, letter in enumerate(order, start=1) if letter != "C"]
    if wanted and (
        len(wanted) != len(places)
        or any(shape[place] not in (None, extent) for place, extent in zip(places, wanted, strict=True))
    ):
        raise WhylightError(
            f"{path}: input '{name}' is {_text(shape)}, an input size of {','.join(map(str, wanted))} does not fit"
        )
    if all(shape[place] is not None for place in places):
        return shape
    kind = kind_of(len(places))
    if kind != "picture" and not wanted:
        expected = "LENGTH" if kind == "signal" else "DEPTH,HEIGHT,WIDTH"
        raise WhylightError(
            f"{path}: input '{name}' is {_text(shape)}, of any size; say which by the option 'input_size': {expected}"
        )
    stated = wanted or _stated_size(_metadata(model))
    size = stated or (_USUAL_SIZE, _USUAL_SIZE)
    filled = list(shape)
    for place, extent in zip(places, size, strict=True):
        filled[place] = filled[place] or extent
    if not stated:
        warnings.warn(
            f"{path}: input '{name}' takes images of any size; {filled[places[1]]} x {filled[places[0]]} is used "
            "(another: the option 'input_size')",
            WhylightWarning,
            stacklevel=2,
        )
    return tuple(filled)


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key.lower(): entry.value for entry in model.metadata_props}


def _stated_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    for key in ("input_size", "image_size", "imgsz", "size"):
        numbers = [int(number) for number in _numbers(metadata.get(key, "")) if number >= 1]
        if numbers:
            return (numbers[-2], numbers[-1]) if len(numbers) > 1 else (numbers[0], numbers[0])
    return None


def _numbers(text: str) -> tuple[float, ...]:
    """The numbers of a list in JSON or in Python, or with commas; none where it is something else."""
    try:
        values = json.loads("[" + text.strip().strip("[]()") + "]")
        return tuple(float(value) for value in values)
    except (ValueError, TypeError):
        return ()


def pixels(
    path: Path,
    model: onnx.ModelProto,
    name: str,
    channels: int,
    kind: Kind,
    input_range: str,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Pixels:
    """How images are prepared: as the options say, else the file's metadata, else as the graph's first steps suggest.

    Where nothing says it, values from 0 to 1 are given, with a warning.

    Raises:
        WhylightError: an option does not fit the model.
    """
    metadata = _metadata(model)
    stated = Pixels(
        _stated_maximum(metadata),
        spread(_numbers(metadata.get("mean", "")), channels),
        spread(_numbers(metadata.get("std", "")), channels),
        "BGR" if metadata.get("image.bitmappixelformat", "").lower().startswith("bgr") else "RGB",
    )
    found = replace(
        stated,
        maximum=float(input_range) if input_range != "auto" else stated.maximum,
        mean=stated.mean if mean is None else per_channel(path, "mean", mean, channels),
        std=stated.std if std is None else per_channel(path, "std", std, channels),
    )
    refuse_zero(path, found.std)
    if found.maximum is not None:
        return found
    if kind != "picture":  # a signal or a volume is given as it is
        return replace(found, maximum=1.0)
    image = next(info for info in model.graph.input if info.name == name)
    if image.type.tensor_type.elem_type == TensorProto.UINT8:
        return replace(found, maximum=255.0)
    if found.mean or found.std:
        return replace(found, maximum=255.0 if max((*found.mean, *found.std)) > 2 else 1.0)
    normalizes, maximum = range_by_first_steps(model.graph.node, _constants(model), name, len(_declared(image)))
    if not normalizes:
        warnings.warn(
            f"{path}: nothing in the file says how pixels are prepared; values from 0 to 1 are given. "
            "If the network was trained otherwise: the option 'input_range', 255, or 'mean' and 'std'",
            WhylightWarning,
            stacklevel=2,
        )
    return replace(found, maximum=maximum)


def _stated_maximum(metadata: Mapping[str, str]) -> float | None:
    ranges = {"nominalrange_0_255": 255.0, "normalized_0_1": 1.0}
    return ranges.get(metadata.get("image.nominalpixelrange", "").lower())
