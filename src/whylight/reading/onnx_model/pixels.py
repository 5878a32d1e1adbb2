"""How an image's pixels have to be prepared for an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from whylight.classifier.input_range import range_by_first_steps, range_by_numbers
from whylight.contract import Kind
from whylight.reading.onnx_model.constants import constants
from whylight.reading.onnx_model.image import BYTES
from whylight.reading.onnx_model.metadata import metadata, numbers
from whylight.reading.per_channel import per_channel, refuse_zero, spread


@dataclass(frozen=True)
class Pixels:
    """How an image becomes the model's input: (value - mean) / std, with values from 0 to ``maximum``.

    Attributes:
        maximum: the value of white, 1 or 255; None where nothing is known.
        mean: one value a channel, or none.
        std: one value a channel, or none.
        channel_order: ``RGB`` or ``BGR``.
        notes: what was guessed.
    """

    maximum: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channel_order: str = "RGB"
    notes: tuple[str, ...] = ()


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

    Where nothing says it, it is values from 0 to 1, with a note.

    Raises:
        WhylightError: an option does not fit the model.
    """
    said = metadata(model)
    stated = Pixels(
        _stated_maximum(said),
        spread(numbers(said.get("mean", "")), channels),
        spread(numbers(said.get("std", "")), channels),
        "BGR" if said.get("image.bitmappixelformat", "").lower().startswith("bgr") else "RGB",
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
    if image.type.tensor_type.elem_type in BYTES:
        return replace(found, maximum=255.0)
    if found.mean or found.std:
        maximum = range_by_numbers((*found.mean, *found.std))
        guess = "mean and std leave open whether white is 1 or 255"
    else:
        rank = len(image.type.tensor_type.shape.dim)
        maximum = range_by_first_steps(model.graph.node, constants(model), name, rank)
        guess = "nothing in the file says how pixels are prepared"
    if maximum is not None:
        return replace(found, maximum=maximum)
    given = "" if found.mean or found.std else ", without mean and std"
    note = (
        f"{path}: {guess}; values from 0 to 1 are given{given}. If the network was trained otherwise: the option "
        "'input_range', 255, or 'mean' and 'std'"
    )
    return replace(found, maximum=1.0, notes=(note,))


def _stated_maximum(said: Mapping[str, str]) -> float | None:
    ranges = {"nominalrange_0_255": 255.0, "normalized_0_1": 1.0}
    return ranges.get(said.get("image.nominalpixelrange", "").lower())
