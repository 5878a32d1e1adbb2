"""The map over threads: order, how many are under way, errors, and stopping early."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from whylight.parallel import ordered_map


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_items_order(threads: int) -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item % 5 == 0 else 0)
        return item * item

    assert list(ordered_map(slow_first, range(30), threads)) == [item * item for item in range(30)]


@pytest.mark.parametrize(("threads", "ahead", "expected"), [(1, None, 1), (3, None, 6), (3, 4, 4)])
def test_only_a_few_are_under_way(threads: int, ahead: int | None, expected: int) -> None:
    taken, given, most = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(40):
            taken += 1
            yield item

    for _ in ordered_map(lambda item: item, items(), threads, ahead):
        most = max(most, taken - given)
        given += 1
    assert (given, most) == (40, expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_after_the_results_before_it(threads: int) -> None:
    def odd(item: int) -> int:
        if item == 5:
            raise ValueError("five")
        return item

    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("no more")

    for results, kind in (
        (ordered_map(odd, range(9), threads), ValueError),
        (ordered_map(odd, items(), threads), OSError),
    ):
        found: list[int] = []
        with pytest.raises(kind):
            found.extend(results)
        assert found == [0, 1, 2, 3, 4]


def test_closed_early_what_waits_is_not_begun_and_what_runs_ends() -> None:
    begun, ended = [], []

    def slow(item: int) -> int:
        begun.append(item)
        time.sleep(0.05)
        ended.append(item)
        return item

    with closing(ordered_map(slow, range(100), 2, ahead=20)) as results:
        assert next(results) == 0
    assert sorted(begun) == sorted(ended)
    assert len(begun) < 10


def test_one_thread_is_the_callers_own() -> None:
    found = set(ordered_map(lambda _: threading.get_ident(), range(3), 1))
    assert found == {threading.get_ident()}
    assert threading.get_ident() not in set(ordered_map(lambda _: threading.get_ident(), range(3), 2))
