"""Numbers and arrays by name, as text or as Python holds them: ``meta=0.5``, ``text=tokens.npy``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.files.storage import local_path_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NamedValue:
    """A number or an array that has a name.

    Attributes:
        name: the name.
        value: the numbers.
    """

    name: str
    value: NDArray[Any]

    def __str__(self) -> str:
        """Name and number, or what tells an array from all others."""
        if not self.value.ndim:
            return f"{self.name}={self.value}"
        from hashlib import sha256

        digest = sha256(self.value.tobytes()).hexdigest()[:16]
        return f"{self.name}={self.value.dtype} {self.value.shape} {digest}"


def named_values(value: Any) -> tuple[NamedValue, ...]:
    """``"meta=0.5"``, ``["meta=0.5", "text=tokens.npy"]`` or ``{"meta": 0.5, "text": array}``.

    Raises:
        ValueError: it is none of these.
        WhylightError: a file cannot be read.
    """
    pairs = value.items() if isinstance(value, Mapping) else [value] if isinstance(value, str | NamedValue) else value
    found = tuple(_named(pair) for pair in pairs)
    if len({each.name for each in found}) < len(found):
        raise ValueError("a name is given twice")
    return found


def _named(pair: Any) -> NamedValue:
    if isinstance(pair, NamedValue):
        return pair
    if isinstance(pair, str):
        name, _, given = pair.partition("=")
        pair = (name.strip(), given.strip())
    if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) and all(map(_is_given, pair))):
        raise ValueError("expected a name, =, and a number or a .npy or .csv file")
    return NamedValue(pair[0], _numbers(*pair))


def _is_given(value: Any) -> bool:
    return not isinstance(value, str) or bool(value)


def _numbers(name: str, given: Any) -> NDArray[Any]:
    import numpy as np

    for kind in (int, float) if isinstance(given, str) else ():
        with suppress(ValueError):
            return np.array(kind(given))
    if isinstance(given, str | Path):
        from whylight.files.values import read_values

        return np.array(read_values(local_path_of(given)))
    array = np.array(given.detach().cpu() if hasattr(given, "detach") else given)
    if array.dtype.kind not in "buif":
        raise ValueError(f"expected numbers for '{name}', found {type(given).__name__}")
    return array
