"""One bounded map over threads, for all that has many things to do in their order, one by one or in batches."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of ``size``; the last one may be shorter."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """The results of ``function`` for each item, in the items' order.

    Items are taken as results are asked for: the memory is the same however many there are. One who asks for no more
    closes the generator (``contextlib.closing``): what is under way comes to its end, and what waits is not begun.

    Args:
        function: called in several threads at once.
        items: may be without end.
        threads: with one, everything is done in the caller's own: another one would take its time to hand over.
        ahead: how many items are under way at a time; by default two a thread.

    Raises:
        Exception: what ``function`` or ``items`` raise, after the results before it; what waits is not begun then.
    """
    if threads == 1:
        yield from map(function, items)
        return
    failures: list[Exception] = []
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, "whylight")
    try:
        for item in _until_failure(items, failures):
            waiting.append(pool.submit(function, item))
            if len(waiting) == (ahead or 2 * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        for failure in failures:
            raise failure
    finally:
        pool.shutdown(cancel_futures=True)


def _until_failure(items: Iterable[Item], failures: list[Exception]) -> Iterator[Item]:
    """The items up to the first that cannot be had; why goes into ``failures``."""
    try:
        yield from items
    except Exception as error:
        failures.append(error)
