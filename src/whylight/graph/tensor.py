"""A value of a graph: its name, shape and type."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from whylight.errors import WhylightError

BATCH = "N"
"""The name of the dynamic batch axis."""


MOST_AXES = 32
"""Of a tensor: what all of numpy, ONNX Runtime and nnabla take."""

Extent = int | str | None
"""One axis of a shape: its size, the name of a symbolic size, or None where nothing is known."""


Shape = tuple[Extent, ...]


@dataclass(frozen=True)
class Tensor:
    """A value of the graph: its name, shape and element type, and its content where that is a constant."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    value: np.ndarray[Any, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def size(self, axis: int) -> int:
        """The static size of one axis.

        Raises:
            WhylightError: the size is symbolic or unknown.
        """
        extent = self.shape[axis]
        if not isinstance(extent, int):
            raise WhylightError(
                f"'{self.name}': axis {axis} of shape {self.shape} has no fixed size, and one is needed"
            )
        return extent


Operand = Tensor | np.ndarray[Any, Any] | np.generic | float | Sequence[int] | None
