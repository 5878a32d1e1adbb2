"""What the parts of one model ask for together."""

from typing import Any

import numpy as np

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.graph.tensor import MOST_AXES

Parameters = dict[str, np.ndarray[Any, Any]]
"""float32 arrays by parameter name."""

_COPIES_OF_CONTENT = 2
"""Of what a file holds: unpacked, and as the library has it that reads it."""
_COPIES_OF_ARRAY = 4
"""As it is read, in float32, in the ONNX graph, and in what the runtime makes of that."""


class Demand:
    """The memory that a model asks for: what its members and arrays state is added up before any is taken.

    Args:
        stored: bytes that its files hold.
    """

    def __init__(self, stored: int) -> None:
        self._stored = stored
        self._size = 0

    def add_content(self, source: str, size: int) -> None:
        """Ask for what a file holds.

        Args:
            source: a file and what is in it, for messages.
            size: bytes, without copies.

        Raises:
            WhylightError: all together is more than the budget.
        """
        self._add(source, _COPIES_OF_CONTENT * size)

    def add_array(self, source: str, size: int) -> None:
        """Ask for an array. See `add_content`.

        Raises:
            WhylightError: all together is more than the budget.
        """
        self._add(source, _COPIES_OF_ARRAY * size)

    def _add(self, source: str, size: int) -> None:
        self._size += size
        check_memory(source, "it and what comes before it", self._size, self._stored)


def element_count(source: object, what: str, shape: tuple[int, ...]) -> int:
    """The number of elements of a shape that a file states.

    Raises:
        WhylightError: no array can have the shape.
    """
    if len(shape) > MOST_AXES:
        raise WhylightError(f"{source}: {what} has {len(shape)} axes, expected at most {MOST_AXES}")
    count = 1
    for extent in shape:
        if extent < 0:
            raise WhylightError(f"{source}: {what} has shape {shape}, expected no negative extents")
        count *= extent
    return count
