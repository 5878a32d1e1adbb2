"""How far a piece of work is: a bar on a terminal, a line now and then elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from whylight.cli.saying import is_quiet, note

_SILENCE = 2.0
"""Seconds after which the first line is due where there is no terminal; each next one waits twice as long."""
_LONGEST_SILENCE = 60.0
_REDRAWN = 0.2
"""Seconds after which a late bar is drawn again."""
_WINDOW = 10.0
"""Seconds that a rate is taken over."""
_SHORTEST = 1.0
"""Seconds that are too few for a rate."""


@dataclass(frozen=True)
class Bar:
    """What a piece of work tells.

    Attributes:
        expect: takes how much there is to do, once that is known.
        advance: takes how much is done since the last call.
    """

    expect: Callable[[int], None]
    advance: Callable[[int], None]


class Rate:
    """How much is done in a second: over the last seconds, never over an instant."""

    def __init__(self, now: float) -> None:
        self._start = now
        self._done: list[tuple[float, int]] = []

    def add(self, count: int, now: float) -> None:
        """Something is done."""
        self._done = [(then, more) for then, more in self._done if now - then < _WINDOW]
        self._done.append((now, count))

    def text(self, unit: str, now: float) -> str:
        """For people; empty as long as nothing is known."""
        seconds = min(now - self._start, _WINDOW)
        done = sum(count for then, count in self._done if now - then < _WINDOW)
        return f"{done / seconds:.1f} {unit}/s" if done and seconds >= _SHORTEST else ""


def progress(doing: str, unit: str = "images", is_short: bool = False) -> AbstractContextManager[Bar]:
    """A progress bar with rate and remaining time on a terminal; elsewhere a line when it takes long.

    Args:
        doing: what is being done, such as "explaining".
        unit: what is counted.
        is_short: whether it mostly takes no time: a bar comes after two seconds.
    """
    if is_quiet():
        return nullcontext(Bar(_nothing, _nothing))
    if not sys.stderr.isatty():
        return _lines(doing, unit)
    return _late_bar(doing, unit) if is_short else _bar(doing, unit)


def _nothing(_: int) -> None:
    pass


@contextmanager
def _bar(doing: str, unit: str) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(doing, total=None, rate="")
        rate = Rate(time.monotonic())

        def expect(total: int) -> None:
            bar.update(task, total=total)

        def advance(count: int) -> None:
            now = time.monotonic()
            rate.add(count, now)
            bar.update(task, advance=count, rate=rate.text(unit, now))

        yield Bar(expect, advance)


class _Count:
    """What is done, of how many (0: unknown), for a thread that shows it."""

    def __init__(self) -> None:
        self.done = 0
        self.total = 0

    def expect(self, total: int) -> None:
        self.total = total

    def advance(self, count: int) -> None:
        self.done += count


@contextmanager
def _late_bar(doing: str, unit: str) -> Iterator[Bar]:
    """A bar from a thread, once two seconds are over: libraries that draw it take time to load."""
    count, ended = _Count(), threading.Event()

    def show() -> None:
        if ended.wait(_SILENCE):
            return
        shown = 0
        with _bar(doing, unit) as bar:
            while not ended.wait(_REDRAWN):
                if count.total:
                    bar.expect(count.total)
                now = count.done
                bar.advance(now - shown)
                shown = now

    with _in_thread(show, ended):
        yield Bar(count.expect, count.advance)


@contextmanager
def _in_thread(work: Callable[[], None], ended: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _lines(doing: str, unit: str) -> Iterator[Bar]:
    """Lines from a thread: they come also where one step takes minutes."""
    count, start, ended = _Count(), time.monotonic(), threading.Event()

    def say() -> None:
        silence = _SILENCE
        while not ended.wait(silence):
            of_all = f" of {count.total}" if count.total else ""
            note(f"{doing}: {count.done}{of_all} {unit} after {time.monotonic() - start:.0f} s")
            silence = min(2 * silence, _LONGEST_SILENCE)

    with _in_thread(say, ended):
        yield Bar(count.expect, count.advance)
