"""One bounded map over threads, for all that has many things to do in their order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """The results of ``function`` for each item, in the items' order.

    Items are taken as results are asked for: the memory is the same however many there are.

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
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, "whylight")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == (ahead or 2 * threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
