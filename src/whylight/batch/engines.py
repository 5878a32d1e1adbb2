"""Who runs the shards: threads of this process, several processes of this machine, or a Ray cluster.

An engine takes shards with the number of their rows that are done already, and yields batch results as they are done,
those of one shard in order. What is recorded and where is not its business.
"""

import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice, takewhile
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.batch.plan import Plan
from whylight.batch.step import BatchResult, Step
from whylight.batch.worker import start
from whylight.dataset.opening import open_dataset
from whylight.dataset.table import Shard
from whylight.errors import WhylightError
from whylight.files.bands import keeping_memory
from whylight.parallel import ordered_map
from whylight.running.explainer import Explainer

Work = tuple[Shard, int]
"""A shard, and the number of its rows that are done."""


def run_in_threads(step: Step, work: Iterable[Work], threads: int) -> Generator[BatchResult, None, None]:
    """Run shards in this process, each batch in one thread from its rows to its files.

    At most two batches a thread are under way: the memory is the same however many rows there are.

    Raises:
        WhylightError: a row is bad and bad rows are not skipped, or a file cannot be written.
    """
    with keeping_memory(threads):
        yield from ordered_map(step, (batch for shard, done in work for batch in step.batches(shard, done)), threads)


def run_in_processes(
    step: Step, plan: Plan, graph: Path, work: Iterable[Work], workers: int, threads: int, device: str
) -> Generator[BatchResult, None, None]:
    """Run shards in ``workers`` processes, this one among them, with ``threads`` threads each. See `run_in_threads`.

    Closed early, the other processes end after the batches that they are at.
    """
    context = get_context("spawn")
    stop = context.Event()
    content = pickle.dumps((_make_ready, (plan, graph, device)))
    pool = ProcessPoolExecutor(workers - 1, context, start, (content, stop))
    try:
        remaining = iter(work)
        waiting = deque(pool.submit(_run_shard, one, threads) for one in islice(remaining, 2 * (workers - 1)))
        while waiting:
            if not waiting[0].done() and (own := next(remaining, None)):
                yield from run_in_threads(step, [own], threads)
                continue
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(_run_shard, one, threads) for one in islice(remaining, 1))
    except BrokenProcessPool as error:
        raise WhylightError(
            "a worker process ended, perhaps for want of memory: run the same command again, with fewer workers or a "
            "smaller batch size; it goes on where it stopped"
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def run_on_ray(
    plan: Plan, graph: bytes, work: Iterable[Work], device: str, key: str
) -> Generator[BatchResult, None, None]:
    """Run shards as tasks of a Ray cluster, one core each; a task whose node is lost runs again on another.

    Args:
        plan: its paths must name the same files on every node.
        graph: the explainer graph; Ray ships it once a node.
        work: the shards.
        device: see `Explainer`.
        key: the plan's fingerprint.

    Raises:
        WhylightError: Ray is not installed, or as in `run_in_threads`.
    """
    ray = _ray()
    own = not ray.is_initialized()
    if own:
        ray.init(address=plan.options.address, log_to_driver=False, logging_level="error")
    task = ray.remote(num_cpus=1, max_retries=10)(_run_shard_on_ray)
    shared = ray.put(np.frombuffer(graph, np.uint8)), ray.put(plan), device, key
    waiting: list[Any] = []
    try:
        remaining = iter(work)
        limit = max(4, 2 * int(ray.cluster_resources().get("CPU", 1)))
        waiting = [task.remote(*shared, one) for one in islice(remaining, limit)]
        while waiting:
            (ready, *_), waiting = ray.wait(waiting, num_returns=1)
            yield from _ray_result(ray, ready)
            waiting += [task.remote(*shared, one) for one in islice(remaining, 1)]
    finally:
        for reference in waiting:
            ray.cancel(reference)
        if own:
            ray.shutdown()


# ---- in a worker

_steps: dict[str, Step] = {}
"""The worker's own step, made once: by the plan's fingerprint."""
_stops: list[Event] = []
"""What tells a process to stop."""


def _worker_step(plan: Plan, graph: Callable[[], bytes | Path], device: str, key: str) -> Step:
    if key not in _steps:
        _steps.clear()
        explainer = Explainer(graph(), device=device)
        if plan.class_names:  # they may have been given to the explainer, not to its graph
            explainer = explainer.with_class_names(plan.class_names)
        _steps[key] = Step(plan, open_dataset(plan.table), explainer.with_threads(1))
    return _steps[key]


def _make_ready(plan: Plan, graph: Path, device: str, stop: Event) -> None:
    _stops.append(stop)
    _worker_step(plan, lambda: graph, device, "process")


def _run_shard(work: Work, threads: int) -> list[BatchResult]:
    with closing(run_in_threads(_steps["process"], [work], threads)) as results:
        return list(takewhile(lambda _: not _stops[0].is_set(), results))


def _run_shard_on_ray(graph: NDArray[np.uint8], plan: Plan, device: str, key: str, work: Work) -> list[BatchResult]:
    return list(run_in_threads(_worker_step(plan, graph.tobytes, device, key), [work], threads=1))


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise WhylightError("Ray is not installed: pip install 'whylight[ray]'") from None
    return ray


def _ray_result(ray: Any, reference: Any) -> list[BatchResult]:
    try:
        results: list[BatchResult] = ray.get(reference)
    except WhylightError as error:
        raise WhylightError(str(getattr(error, "cause", error))) from error
    return results
