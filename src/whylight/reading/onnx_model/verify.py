"""The check that a rewritten model still computes what the file computes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.trial import Deadline, Trial
from whylight.reading.onnx_model.float32 import in_float32

Array = np.ndarray[Any, Any]

_COPIES = 6
"""Of the images: themselves, twice as many, of another type, and on the way into the runtime."""


def outputs_differ(
    path: Path,
    original: onnx.ModelProto,
    rewritten: onnx.ModelProto,
    shape: tuple[int | None, ...],
    image: str,
    loose: bool,
    deadline: Deadline,
) -> str | None:
    """Run both on random images.

    Args:
        path: the model's file, for messages.
        original: the model as it was read.
        rewritten: with the same outputs, float32, its image input of the same name.
        shape: of the original's image input; the batch axis is None where it is dynamic.
        image: the name of the image input.
        loose: whether the original computes in half precision.
        deadline: when all runs have to be at their end.

    Returns:
        What differs; None where nothing does, or, with a warning, where ONNX Runtime cannot load the original.

    Raises:
        WhylightError: ONNX Runtime stops in one of the two, or it does not end.
    """
    fixed = shape[0] or 2
    images = np.random.default_rng(0).random((fixed, *[extent or 1 for extent in shape[1:]]), np.float32)
    stored, beside = original.ByteSize(), _COPIES * images.nbytes
    try:
        session = _session_of_original(original, deadline, stored, beside)
    except Exception as error:  # ONNX Runtime's errors share no base class
        warnings.warn(
            f"{path}: the converted model could not be compared with the file's, which ONNX Runtime cannot run: "
            f"{_first_line(error)}",
            WhylightWarning,
            stacklevel=2,
        )
        return None
    try:
        if "int" in session.inputs[image].type:
            images = np.floor(images * 255)
        expected = _run(session, image, images)
    except Exception as error:
        extents = " x ".join(map(str, images.shape[1:]))
        raise WhylightError(f"the file does not run on an image of {extents}: {_first_line(error)}") from error
    del session  # what it holds of memory is the other's to have
    try:
        beside += 2 * sum(values.nbytes for values in expected.values())
        new = Trial(rewritten.SerializeToString(), deadline, stored, beside)
        found = _run(new, image, images)
        rows = new.inputs[image].shape[0]
        if not isinstance(rows, int):
            growing = {info.name for info in rewritten.graph.output if _is_symbolic(info)}
            found_twice = _run(new, image, np.concatenate([images[::-1], images]))
            for name, values in found_twice.items():
                if name in growing and not any(
                    _close(_second_half(values, fixed, apart), found[name], loose) for apart in (False, True)
                ):
                    return f"output '{name}' of an image beside others"
    except Exception as error:
        raise WhylightError(f"ONNX Runtime cannot run the model: {_first_line(error)}") from error
    return next((f"output '{name}'" for name in found if not _close(found[name], expected[name], loose)), None)


def run_model(model: onnx.ModelProto, image: str, images: Array) -> Mapping[str, Array]:
    """The outputs of a model for images, by their names.

    Raises:
        WhylightError: ONNX Runtime cannot run it.
    """
    try:
        return _run(Trial(model.SerializeToString(), Deadline(model.ByteSize()), model.ByteSize()), image, images)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise WhylightError(f"ONNX Runtime cannot run the model: {_first_line(error)}") from error


def _session_of_original(original: onnx.ModelProto, deadline: Deadline, stored: int, beside: int) -> Trial:
    """A session of the model as it was read.

    ONNX Runtime has some operators in float32 alone: a model of another precision is then run in that one.
    """
    try:
        return Trial(original.SerializeToString(), deadline, stored, beside)
    except Exception:
        single = in_float32(original)
        if single is original:
            raise
        return Trial(single.SerializeToString(), deadline, stored, beside)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _run(session: Trial, image: str, images: Array) -> Mapping[str, Array]:
    types: dict[str, Any] = {"tensor(float16)": np.float16, "tensor(double)": np.float64}
    types |= {f"tensor({name})": np.dtype(name) for name in ("uint8", "uint16", "int16", "int32", "int64")}
    names = [name for name, kind in session.outputs.items() if kind.startswith("tensor(")]
    values = session.run(names, {image: images.astype(types.get(session.inputs[image].type, np.float32), copy=False)})
    return dict(zip(names, values, strict=True))


def _is_symbolic(info: onnx.ValueInfoProto) -> bool:
    """Whether the first axis of an output may be that of the batch."""
    extents = info.type.tensor_type.shape.dim
    return bool(extents) and not extents[0].HasField("dim_value")


def _second_half(values: Array, count: int, apart: bool) -> Array:
    """Of the rows of twice as many images those of the last ``count``.

    Where there are several rows an image, they lie together, or ``apart``: the first ones of all images first.
    """
    rows = len(values) // (2 * count)
    if apart and rows * 2 * count == len(values):
        return values.reshape(rows, 2 * count, *values.shape[1:])[:, count:].reshape(-1, *values.shape[1:])
    return values[len(values) // 2 :]


def _close(found: Array, expected: Array, loose: bool) -> bool:
    if found.dtype.kind != "f":
        return found.shape == expected.shape and (loose or bool((found == expected).mean() >= 0.5))
    expected = expected.astype(np.float32)
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=1e-6))
    tolerance = (5e-2 if loose else 1e-3) * scale
    return found.shape == expected.shape and bool(np.allclose(found, expected, rtol=0, atol=tolerance, equal_nan=True))
