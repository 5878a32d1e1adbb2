"""Batches: datasets that are explained in the background, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from whylight.errors import Cancelled, WhylightError

if TYPE_CHECKING:
    from whylight.api import BatchSummary

_MOST = 100
"""Batches that are remembered, and that may wait."""


@dataclass
class Batch:
    """A dataset that is explained.

    Attributes:
        name: what calls know it by.
        output: the CSV that it writes, relative to the folder.
        state: ``waiting``, ``running``, ``done``, ``cancelled`` or ``failed``.
        done: rows that are explained.
        rows: how many there are; None until that is known.
        message: what is to be said of it: that it goes on, or what went wrong.
        summary: what it counted, once it is done.
        cancel: stops it when it is set.
    """

    name: str
    output: str
    state: str = "waiting"
    done: int = 0
    rows: int | None = None
    message: str = ""
    summary: dict[str, Any] | None = None
    cancel: Event = field(default_factory=Event)

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        said = ("output", "state", "done", "rows", "message", "summary")
        return {"batch": self.name, **{name: getattr(self, name) for name in said}}

    def expect(self, rows: int) -> None:
        """Be told how many rows there are."""
        self.rows = rows

    def advance(self, rows: int) -> None:
        """Be told of rows that are done."""
        self.done += rows

    def say(self, message: str) -> None:
        """Be told what a person should know."""
        self.message = message


class Batches:
    """The batches of an app. One runs at a time, in the order in which they came."""

    def __init__(self) -> None:
        """Begin with none."""
        self._worker = ThreadPoolExecutor(1, "batch")
        self._known: dict[str, Batch] = {}
        self._lock = Lock()
        self._count = 0

    def start(self, output: str, run: Callable[[Batch], BatchSummary]) -> Batch:
        """Have a batch run when those before it are done.

        Args:
            output: the CSV that it writes, relative to the folder.
            run: explains the dataset, and tells the batch how it goes.

        Raises:
            WhylightError: another one writes there, or too many wait.
        """
        with self._lock:
            under_way = [each for each in self._known.values() if each.state in ("waiting", "running")]
            if any(each.output == output for each in under_way):
                raise WhylightError(f"{output}: a batch is writing it: cancel that one, or choose another output")
            if len(under_way) >= _MOST:
                raise WhylightError(f"{_MOST} batches wait already: try again when some are done")
            for name in [each.name for each in self._known.values() if each not in under_way][: -_MOST or None]:
                del self._known[name]
            self._count += 1
            batch = Batch(str(self._count), output)
            self._known[batch.name] = batch
        self._worker.submit(_run, batch, run)
        return batch

    def named(self, name: str) -> Batch | None:
        """The batch of that name, if there is one."""
        return self._known.get(name)

    def all(self) -> list[Batch]:
        """All that are remembered, the last one first."""
        with self._lock:
            return list(reversed(self._known.values()))

    def close(self) -> None:
        """Stop all; what they have done is kept, and they go on when they are asked for again."""
        for batch in self.all():
            batch.cancel.set()
        self._worker.shutdown(cancel_futures=True)


def _run(batch: Batch, run: Callable[[Batch], BatchSummary]) -> None:
    if batch.cancel.is_set():
        batch.state = "cancelled"
        return
    batch.state = "running"
    try:
        batch.summary = run(batch).to_dict()
        batch.state = "done"
    except Cancelled:
        batch.state = "cancelled"
    except Exception as error:  # whatever it is, the page has to say it
        batch.message = str(error) if isinstance(error, WhylightError) else f"{type(error).__name__}: {error}"
        batch.state = "failed"
