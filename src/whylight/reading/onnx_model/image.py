"""Which input of an ONNX model is the image."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
from onnx import TensorProto

from whylight.classifier.input_axes import channels_by_first_step, layout_by_first_step
from whylight.contract import kind_of
from whylight.errors import WhylightError, nearest
from whylight.graph.walks import read_names
from whylight.reading.onnx_model.constants import constants
from whylight.reading.onnx_model.metadata import metadata, numbers

_USUAL_SIZE = 224
CHANNELS = (3, 1, 4, 2)
"""The numbers of channels by which an axis is known to be that of the channels."""
_PIXEL_TYPES = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16, TensorProto.UINT8)
_WHOLE_NUMBERS = (TensorProto.INT64, TensorProto.INT32)
BYTES = (TensorProto.UINT8, TensorProto.UINT16, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64)
"""Types that hold pixels from 0 to 255 as whole numbers; the larger ones also hold what is no picture."""

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class ImageInput:
    """The input that takes the image.

    Attributes:
        name: its name.
        shape: its extents; None is a dynamic batch.
        layout: see `InputFacts`.
        is_open: whether the file leaves its size open.
        notes: what was guessed.
    """

    name: str
    shape: Shape
    layout: str
    is_open: bool = False
    notes: tuple[str, ...] = ()


def image_input(
    path: Path,
    model: onnx.ModelProto,
    name: str | None,
    layout: str,
    size: tuple[int, ...] | None,
    fixed: Collection[str] = (),
) -> ImageInput:
    """The input that takes the image, with all extents but that of a dynamic batch.

    Args:
        path: the file, for messages.
        model: the model.
        name: of the input, if it is known.
        layout: see `ModelOptions`.
        size: see `ModelOptions`.
        fixed: the inputs that have a value.

    Raises:
        WhylightError: no input is an image, or several are.
    """
    inputs = given_inputs(model)
    for each in fixed:
        if each not in inputs:
            raise WhylightError(f"{path}: no input '{each}' to fix; the nearest are {nearest(each, inputs)}")
        del inputs[each]
    listed = ", ".join(f"'{key}' {_text(declared(info))}" for key, info in inputs.items()) or "none"
    if name is not None and name not in inputs:
        raise WhylightError(f"{path}: no input '{name}'; it has {listed}")
    found = {key: order for key, info in inputs.items() if (order := _image_layout(model, info, layout, size))}
    found = dict(sorted(found.items(), key=lambda item: len(declared(inputs[item[0]])) != 4))
    if name is not None:
        found = {key: order for key, order in found.items() if key == name}
    if not found:
        raise WhylightError(
            f"{path}: no input is an image, (N, channels, height, width) or (N, height, width, channels), "
            f"no signal (N, channels, length) and no volume; it has {listed}{_hint(inputs.values())}"
        )
    if len(inputs) > 1:
        other, *_ = others = [key for key in inputs if key != next(iter(found))]
        listed = ", ".join(f"'{key}' {_text(declared(inputs[key]))}" for key in others)
        raise WhylightError(
            f"{path}: beside the image '{next(iter(found))}' the model has the inputs {listed}: say their values by "
            f"the option 'fix', such as {other}=0.5 or {other}=values.npy"
        )
    key, order = next(iter(found.items()))
    image = _sized(path, model, _with_channels(path, model, ImageInput(key, declared(inputs[key]), order)), size)
    if layout == "auto" and order in ("HW", "CL", "LC") and not size and not _first_layout(model, inputs[key]):
        kind = {"HW": "a gray picture", "CL": "a signal, channels first", "LC": "a signal, channels last"}[order]
        note = f"{path}: input '{key}' {_text(image.shape)} is taken as {kind} (another: the option 'layout')"
        return replace(image, notes=(*image.notes, note))
    return image


def _with_channels(path: Path, model: onnx.ModelProto, image: ImageInput) -> ImageInput:
    """The input with a fixed number of channels: the file's own, or that of the first convolution."""
    place = image.layout.find("C") + 1
    if not place or image.shape[place] is not None:
        return image
    channels = channels_by_first_step(model.graph.node, constants(model), image.name, len(image.shape))
    if channels is None:
        raise WhylightError(
            f"{path}: input '{image.name}' {_text(image.shape)} has no fixed number of channels, and no convolution "
            "says it: export the network with a fixed one"
        )
    return replace(image, shape=(*image.shape[:place], channels, *image.shape[place + 1 :]))


def _hint(inputs: Collection[onnx.ValueInfoProto]) -> str:
    """What the inputs seem to be that are no image."""
    for info in inputs:
        if len(declared(info)) == 2 and info.type.tensor_type.elem_type in _PIXEL_TYPES:
            length = declared(info)[1] or "LENGTH"
            return (
                f"; if '{info.name}' is a picture in one row, say its height and width by the option 'input_size', "
                f"H,W; if it is a signal, its length, {length}"
            )
    if inputs and all(info.type.tensor_type.elem_type in _WHOLE_NUMBERS for info in inputs):
        return ": it seems to be a language model"
    return ""


def given_inputs(model: onnx.ModelProto) -> dict[str, onnx.ValueInfoProto]:
    """The inputs that have no value in the file, by their names."""
    constant = {tensor.name for tensor in model.graph.initializer}
    return {info.name: info for info in model.graph.input if info.name not in constant}


def without_unread_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without inputs that no node reads; itself where there are none."""
    read = {name for node in model.graph.node for name in read_names(node)}
    read.update(info.name for info in model.graph.output)
    read.update(tensor.name for tensor in model.graph.initializer)  # old files list constants among the inputs
    if all(info.name in read for info in model.graph.input):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.input[:]
    copy.graph.input.extend(info for info in model.graph.input if info.name in read)
    return copy


def declared(info: onnx.ValueInfoProto) -> Shape:
    """The extents of an input; None where they are not fixed."""
    extents = info.type.tensor_type.shape.dim
    return tuple(e.dim_value if e.HasField("dim_value") and e.dim_value > 0 else None for e in extents)


def _text(shape: Shape) -> str:
    return f"({', '.join('?' if extent is None else str(extent) for extent in shape)})"


def _image_layout(
    model: onnx.ModelProto, info: onnx.ValueInfoProto, layout: str, size: tuple[int, ...] | None
) -> str | None:
    shape = declared(info)
    kind = info.type.tensor_type.elem_type
    is_picture = kind in BYTES and len(shape) == 4 and bool({shape[1], shape[-1]}.intersection(CHANNELS))
    if not (kind in _PIXEL_TYPES or is_picture) or not 2 <= len(shape) <= 5:
        return None
    if layout != "auto":
        return layout[1:] if len(layout) == len(shape) else None
    if size and (len(shape), len(size)) in ((2, 1), (3, 2)):
        return "L" if len(size) == 1 else "HW"
    first = shape[1] in CHANNELS
    last = shape[-1] in CHANNELS
    if len(shape) == 4 and first != last:
        return "CHW" if first else "HWC"
    return _first_layout(model, info) or _usual_layout(shape)


def _first_layout(model: onnx.ModelProto, info: onnx.ValueInfoProto) -> str | None:
    return layout_by_first_step(model.graph.node, constants(model), info.name, len(declared(info)))


def _usual_layout(shape: Shape) -> str | None:
    match shape[1:]:
        case (rows, columns) if rows == columns and rows is not None:
            return "HW"
        case (rows, columns):
            return "CL" if columns is None or (rows is not None and rows <= columns) else "LC"
        case (outer, _, inner):
            return "CHW" if outer is not None else "HWC" if inner is not None else None
        case (outer, _, _, inner):
            return "DHWC" if outer not in CHANNELS and inner in CHANNELS else "CDHW"
    return None


def _sized(path: Path, model: onnx.ModelProto, image: ImageInput, wanted: tuple[int, ...] | None) -> ImageInput:
    """The input with all extents: the file's own, the ones asked for, its metadata's, or the usual ones."""
    name, shape = image.name, image.shape
    places = [axis for axis, letter in enumerate(image.layout, start=1) if letter != "C"]
    if wanted and len(wanted) == 1:
        wanted *= len(places)
    if wanted and (
        len(wanted) != len(places)
        or any(shape[place] not in (None, extent) for place, extent in zip(places, wanted, strict=True))
    ):
        raise WhylightError(
            f"{path}: input '{name}' is {_text(shape)}, an input size of {','.join(map(str, wanted))} does not fit"
        )
    if all(shape[place] is not None for place in places):
        return image
    kind = kind_of(len(places))
    if kind != "picture" and not wanted:
        expected = "LENGTH" if kind == "signal" else "DEPTH,HEIGHT,WIDTH"
        raise WhylightError(
            f"{path}: input '{name}' is {_text(shape)}, of any size; say which by the option 'input_size': {expected}"
        )
    stated = wanted or _stated_size(metadata(model))
    size = stated or (_USUAL_SIZE, _USUAL_SIZE)
    filled = list(shape)
    for place, extent in zip(places, size, strict=True):
        filled[place] = filled[place] or extent
    note = (
        f"{path}: input '{name}' takes images of any size; {filled[places[0]]} x {filled[places[-1]]} is used "
        "(another: the option 'input_size')"
    )
    return replace(image, shape=tuple(filled), is_open=True, notes=() if stated else (note,))


def _stated_size(said: Mapping[str, str]) -> tuple[int, int] | None:
    for key in ("input_size", "image_size", "imgsz", "size"):
        extents = [int(number) for number in numbers(said.get(key, "")) if number >= 1]
        if extents:
            return (extents[-2], extents[-1]) if len(extents) > 1 else (extents[0], extents[0])
    return None
