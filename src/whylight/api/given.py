"""What every function of the front desk does with what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import Cancelled
from whylight.files.storage import path_of
from whylight.options import listed, parsed

if TYPE_CHECKING:
    from threading import Event


Advance = Callable[[int], None]
"""Is told what is done since it was last called: images, or stages."""


def path_or_none(name: str | Path | None) -> Path | None:
    """A path, if there is one."""
    return None if name is None else path_of(name)


def method_names(value: str | Sequence[str]) -> tuple[str, ...]:
    """The names of methods, each once: a list, or text with commas.

    Raises:
        WhylightError: they are no names.
    """
    return tuple(dict.fromkeys(parsed("methods", value, listed)))


def tell_nobody(_: object) -> None:
    """For who does not want to know."""


def watched(advance: Advance | None, cancel: Event | None) -> Advance:
    """What is called between batches."""

    def watch(done: int) -> None:
        if advance is not None:
            advance(done)
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")

    return watch
