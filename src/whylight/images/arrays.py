"""Signals and volumes: arrays that a model takes as they are, neither resized nor scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.files.storage import is_remote, local_copy
from whylight.files.values import finite, read_values
from whylight.images.pictures import Picture

if TYPE_CHECKING:
    from whylight.contract import InputFacts

_ENDINGS = (".npy", ".csv")


def read_array(path: Path, facts: InputFacts) -> Picture:
    """A signal or a volume from a .npy or, a signal, from a .csv file.

    Raises:
        WhylightError: it is no such file, cannot be read, or does not have the model's shape.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise WhylightError(
            f"{path}: the model takes {facts.kind}s: expected a .npy or .csv file of {_expected(facts)}"
        )
    if is_remote(path):
        with local_copy(path) as copy:
            return replace(read_array(copy, facts), source=str(path))
    return array_of(read_values(path), facts, str(path))


def array_of(array: Any, facts: InputFacts, source: str = "the array") -> Picture:
    """A signal or a volume that Python code holds, (C, ...) or (..., C); without C where the model has one channel.

    Raises:
        WhylightError: it is no array of real numbers in the model's shape.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        raise WhylightError(f"{source}: the model takes {facts.kind}s: expected an array of numbers {_expected(facts)}")
    values: NDArray[np.float32] = array.astype(np.float32)
    if values.shape == (facts.channels, *facts.size):
        values = np.moveaxis(values, 0, -1)
    elif values.shape == facts.size and facts.channels == 1:
        values = values[..., np.newaxis]
    elif values.shape != (*facts.size, facts.channels):
        raise WhylightError(
            f"{source}: an array of shape {array.shape}: expected {_expected(facts)}, "
            f"as the model takes it: {facts.kind}s are not resized"
        )
    return Picture(finite(values, source), None, source)


def array_inputs(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """Signals (N, C, l) or volumes (N, C, d, h, w) as the model takes them, not yet normalized by a mean."""
    return np.stack([np.moveaxis(picture.pixels, -1, 0) for picture in pictures])


def _expected(facts: InputFacts) -> str:
    shapes = dict.fromkeys([(facts.channels, *facts.size), (*facts.size, facts.channels)])
    return " or ".join(map(str, [*shapes, facts.size] if facts.channels == 1 else shapes))
