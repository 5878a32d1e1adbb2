"""What every function of the front desk does with what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import Cancelled, WhylightError
from whylight.files.storage import local_path_of
from whylight.options import listed, parsed

if TYPE_CHECKING:
    from threading import Event


Advance = Callable[[int], None]
"""Is told what is done since it was last called: images, or stages."""


def path_or_none(name: str | Path | None) -> Path | None:
    """A path, if there is one."""
    return None if name is None else local_path_of(name)


def method_names(value: str | Sequence[str]) -> tuple[str, ...]:
    """The names of methods: a list, or text with commas.

    Raises:
        WhylightError: they are no names.
    """
    return parsed("methods", value, listed)


def tell_nobody(_: object) -> None:
    """For who does not want to know."""


def watched(advance: Advance | None, cancel: Event | None) -> Advance:
    """What is called between batches.

    Raises:
        WhylightError: ``advance`` cannot be called, or ``cancel`` is no event.
    """
    if not (advance is None or callable(advance)):
        raise WhylightError(f"advance: expected a function, found {type(advance).__name__}")
    if not (cancel is None or hasattr(cancel, "is_set")):
        raise WhylightError(f"cancel: expected a threading.Event, found {type(cancel).__name__}")

    def watch(done: int) -> None:
        if advance is not None:
            advance(done)
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")

    return watch
