"""Pictures and volumes that a network takes as one row of numbers: (N, 64) for 8 x 8."""

from __future__ import annotations

from collections.abc import Collection
from math import prod
from pathlib import Path

import onnx
from onnx import helper

from whylight.errors import WhylightError
from whylight.reading.onnx_model.image import CHANNELS, declared, given_inputs

_PLACES = {2: "HW", 3: "DHW"}


def with_places(
    path: Path,
    model: onnx.ModelProto,
    name: str | None,
    layout: str,
    size: tuple[int, ...] | None,
    fixed: Collection[str] = (),
) -> onnx.ModelProto:
    """The model with an input (N, C, H, W) that it flattens itself, where it has one (N, C H W); else itself.

    The order of the axes is that of ``layout``; by default channels come first.

    Args:
        path: the file, for messages.
        model: as it was read.
        name: of the input that takes the image, if it is known.
        layout: see `ModelOptions`.
        size: height and width, or depth, height and width; with fewer numbers the input is a signal.
        fixed: the inputs that have a value.

    Raises:
        WhylightError: the row does not hold as many numbers.
    """
    inputs = {key: info for key, info in given_inputs(model).items() if key not in fixed and name in (None, key)}
    flat = {key: info for key, info in inputs.items() if len(declared(info)) == 2}
    if not size or len(size) not in _PLACES or not flat or len(flat) < len(inputs):
        return model
    key, info = next(iter(flat.items()))
    numbers = declared(info)[1] or prod(size)
    channels, rest = divmod(numbers, prod(size))
    if rest or channels not in CHANNELS:
        raise WhylightError(
            f"{path}: input '{key}' has {numbers} numbers for each image, an input size of {','.join(map(str, size))} "
            f"does not fit"
        )
    extents = dict(zip(_PLACES[len(size)], size, strict=True)) | {"C": channels}
    order = f"{_PLACES[len(size)]}C" if layout.endswith("C") else f"C{_PLACES[len(size)]}"
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    row = f"{key}/row"
    for node in copy.graph.node:
        node.input[:] = [row if each == key else each for each in node.input]
    nodes = [helper.make_node("Flatten", [key], [row], name=row), *copy.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    shape = next(each for each in copy.graph.input if each.name == key).type.tensor_type.shape
    del shape.dim[1:]
    shape.dim.extend(onnx.TensorShapeProto.Dimension(dim_value=extents[letter]) for letter in order)
    return copy
