"""Who runs the shards: threads of this process, or several processes of this machine."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from whylight.batch.journal import Journal, ShardWriter
from whylight.batch.plan import Plan
from whylight.batch.step import Batch, BatchResult, Step
from whylight.dataset import Dataset, Shard, open_dataset
from whylight.explainer import Explainer

_Waiting = deque[tuple[ShardWriter, Future[BatchResult]]]


def run_in_threads(plan: Plan, step: Step, dataset: Dataset, shards: Iterable[Shard], threads: int) -> Iterator[int]:
    """Run shards in this process, each batch in one thread from its rows to its files.

    At most two batches a thread are under way: the memory is the same however many rows there are.

    Yields:
        Numbers of rows done, as they are done.

    Raises:
        WhylightError: a row is bad and bad rows are not skipped, or a file cannot be written.
    """
    journal = Journal(plan)
    waiting: _Waiting = deque()
    pool = ThreadPoolExecutor(threads, "whylight")
    try:
        for shard in shards:
            known = journal.results(shard)
            yield len(known)
            writer = journal.writer(shard, known)
            for batch in _batches(plan, dataset, shard, len(known)):
                waiting.append((writer, pool.submit(step, batch)))
                if len(waiting) == 2 * threads:
                    yield _recorded(waiting)
        while waiting:
            yield _recorded(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def run_in_processes(plan: Plan, graph: Path, shards: Iterable[Shard], workers: int, threads: int) -> Iterator[int]:
    """Run shards in ``workers`` processes with ``threads`` threads each. See `run_in_threads`."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (plan, graph)) as pool:
        remaining = iter(shards)
        waiting = deque(pool.submit(_run_shard, shard, threads) for shard in islice(remaining, 2 * workers))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(_run_shard, shard, threads) for shard in islice(remaining, 1))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _batches(plan: Plan, dataset: Dataset, shard: Shard, done: int) -> Iterator[Batch]:
    rows = islice(dataset.rows(shard), done, None)
    index = shard.first - 1 + done
    while batch := tuple(islice(rows, plan.batch_size)):
        yield Batch(shard.index, index, batch)
        index += len(batch)


def _recorded(waiting: _Waiting) -> int:
    writer, future = waiting.popleft()
    result = future.result()
    writer.add(result)
    return len(result.rows)


# ---- in a worker process

_worker: tuple[Plan, Step, Dataset] | None = None


def _start_worker(plan: Plan, graph: Path) -> None:
    global _worker  # a process pool has no other place for what its tasks share
    dataset = open_dataset(plan.table)
    _worker = (plan, Step(plan, dataset, Explainer(graph, threads=1)), dataset)


def _run_shard(shard: Shard, threads: int) -> int:
    assert _worker is not None
    plan, step, dataset = _worker
    return sum(run_in_threads(plan, step, dataset, [shard], threads))
