"""A progress bar on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """What a piece of work tells.

    Attributes:
        expect: takes how much there is to do, once that is known.
        advance: takes how much is done since the last call.
    """

    expect: Callable[[int], None]
    advance: Callable[[int], None]


@contextmanager
def progress(doing: str, unit: str = "images") -> Iterator[Bar]:
    """A progress bar with rate and remaining time on a terminal, nothing elsewhere.

    Args:
        doing: what is being done, such as "explaining".
        unit: what is counted.
    """
    if not sys.stderr.isatty():
        yield Bar(lambda _: None, lambda _: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(doing, total=None, rate="")

        def expect(total: int) -> None:
            bar.update(task, total=total)

        def advance(count: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=count, rate=f"{speed:.1f} {unit}/s" if speed else "")

        yield Bar(expect, advance)
