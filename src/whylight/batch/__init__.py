"""A whole dataset: every row of a CSV explained, an overlay each, and the CSV with a column that names them.

    rows ──cut──> shards ──run by an engine──> overlays and journal ──joined──> result CSV

A shard is cut into batches; a batch goes through all stages in one thread (`step.py`), several batches at once
(`engines.py`). What is done is in the journal (`journal.py`): a run that stops anywhere goes on there.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from whylight.batch.engines import Work, run_in_processes, run_in_threads, run_on_ray
from whylight.batch.journal import Journal
from whylight.batch.plan import COLUMNS, MAP_FILES, MAP_TYPES, Plan, Rendering
from whylight.batch.step import BatchResult, RowResult, Step
from whylight.cli.progress import progress
from whylight.dataset.result import writing_result
from whylight.dataset.table import Dataset, Shard, open_dataset
from whylight.errors import WhylightError
from whylight.files.writing import check_writable, save_bytes
from whylight.running.explainer import Explainer

_SMALL_NETWORK = 2**20
"""Bytes of tensors an image below which a network takes less time than the interpreter."""
_MANY_ROWS = 2000
_ROW = re.compile(r"^.*?row \d+ \(line \d+\)(, column '[^']*')?:? ?")
_FILE = re.compile(r"^.*?\.\w+: ")

__all__ = ["COLUMNS", "MAP_FILES", "MAP_TYPES", "Engine", "Plan", "Rendering", "Summary", "explain_dataset"]


@dataclass(frozen=True)
class Engine:
    """What runs the shards.

    Attributes:
        name: ``local`` (this machine) or ``ray`` (a Ray cluster).
        threads: batches under way at once in a process; by default one a core, as memory allows.
        workers: processes of this machine; by default one, or, where the network takes less time than Python does
            to read and write its images, one a core.
        address: of the Ray cluster.
        device: what runs the network: see `whylight.running.explainer.DEVICES`.
    """

    name: str = "local"
    threads: int | None = None
    workers: int | None = None
    address: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        rows: all rows of the dataset.
        skipped: the bad ones, by reason.
        seconds: of this run.
        continued: the rows that an earlier, interrupted run had done already.
    """

    rows: int
    skipped: dict[str, int]
    seconds: float
    continued: int

    @property
    def explained(self) -> int:
        """Rows with an overlay."""
        return self.rows - sum(self.skipped.values())

    @property
    def rate(self) -> float:
        """Rows a second of this run."""
        return (self.rows - self.continued) / self.seconds


def explain_dataset(
    explainer: Explainer,
    plan: Plan,
    *,
    engine: Engine = Engine(),
    say: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Explain every row of a dataset CSV.

    The overlay of row i (from 0) is ``<output without .csv>/<i // 1000>/<i>.png``. The result is the input with a
    first column ``gradcam``: the overlays' paths, relative to the result. It appears when all is done. A run that was
    interrupted is taken up where it stopped, if input, model and options are the same.

    Args:
        explainer: what explains.
        plan: input, output and options.
        engine: what runs the shards.
        say: told that a run goes on, or starts over.

    Raises:
        WhylightError: a variable is missing, a row is bad (unless they are skipped), or the output cannot be written.
    """
    _check(plan, engine)
    dataset = open_dataset(plan.table)
    step = Step(plan, dataset, explainer)
    check_writable(plan.output)
    shards = _checked_shards(plan, dataset, step)
    journal = Journal(plan)
    rows = sum(shard.count for shard in shards)
    started = time.perf_counter()
    with journal.locked(), progress("explaining", rows) as advance:
        beginning = journal.begin(plan.fingerprint(f"{explainer.digest()} {explainer.device}"))
        work = [(shard, journal.resume(shard)) for shard in shards]
        continued = sum(done for _, done in work)
        _say_how_it_begins(say, beginning, continued, plan)
        advance(continued)
        for result in _run(plan, dataset, explainer, work, engine):
            journal.add(result)
            advance(len(result.rows))
        skipped = _write_result(plan, dataset, journal, shards)
        journal.remove()
    return Summary(rows, skipped, time.perf_counter() - started, continued)


def _run(plan: Plan, dataset: Dataset, explainer: Explainer, work: list[Work], engine: Engine) -> Iterator[BatchResult]:
    if engine.name == "ray":
        return run_on_ray(plan, explainer.content(), work, engine.address, engine.device)
    cores = os.cpu_count() or 1
    rows = sum(shard.count - done for shard, done in work)
    workers = engine.workers or _fitting_workers(explainer, rows, cores)
    threads = engine.threads or _fitting_threads(explainer, plan, cores // workers)
    # a few batches share the cores by running each on several
    under_way = max(1, min(workers * threads, -(-rows // plan.batch_size)))
    own = Explainer(explainer.graph, threads=max(1, cores // under_way), device=engine.device)
    step = Step(plan, dataset, own)
    if workers == 1:
        return run_in_threads(step, work, threads)
    return run_in_processes(step, plan, _graph_file(explainer, plan), work, workers, threads, engine.device)


def _graph_file(explainer: Explainer, plan: Plan) -> Path:
    """The explainer graph as a file that other processes can open."""
    if not isinstance(explainer.graph, bytes):
        return Path(explainer.graph)
    path = plan.run_folder / "explainer.onnx"
    save_bytes(explainer.graph, path)
    return path


def _fitting_workers(explainer: Explainer, rows: int, cores: int) -> int:
    """Threads share one interpreter: where it is the limit, and the run is longer than processes take to start."""
    is_limit = explainer.device == "cpu" and explainer.facts.activation_bytes < _SMALL_NETWORK
    return cores if is_limit and rows >= _MANY_ROWS else 1


def _fitting_threads(explainer: Explainer, plan: Plan, cores: int) -> int:
    """One thread a core, fewer where a quarter of the free memory would not hold their batches."""
    needed = plan.batch_size * explainer.facts.activation_bytes
    return max(1, min(cores, _free_memory() // 4 // max(needed, 1)))


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return 4 * 2**30


def _check(plan: Plan, engine: Engine) -> None:
    for name, number in (("number of workers", engine.workers), ("number of threads", engine.threads)):
        if number is not None and number < 1:
            raise WhylightError(f"{name} {number}: expected 1 or more")
    if plan.batch_size < 1:
        raise WhylightError(f"batch size {plan.batch_size}: expected 1 or more")
    for name in plan.columns:
        if name not in COLUMNS:
            raise WhylightError(f"no column '{name}' to add: expected some of {', '.join(COLUMNS)}")


def _checked_shards(plan: Plan, dataset: Dataset, step: Step) -> list[Shard]:
    """The shards; every row is looked at before hours of work begin, if a bad one would stop them."""
    shards = list(dataset.shards(plan.shard_size))
    if not plan.skip_errors:
        for row in dataset.rows():
            step.checked(row)
    return shards


def _say_how_it_begins(say: Callable[[str], None], beginning: str, continued: int, plan: Plan) -> None:
    if beginning == "changed":
        say(f"{plan.output}: an interrupted run had another input, model or options: starting over")
    elif continued:
        say(f"{plan.output}: going on after {continued} rows of an interrupted run")


def _write_result(plan: Plan, dataset: Dataset, journal: Journal, shards: Iterable[Shard]) -> dict[str, int]:
    """Join the journal and the dataset; the reasons of bad rows, counted."""
    reasons: Counter[str] = Counter()
    with writing_result(dataset, plan.output, plan.added_columns) as writer:
        for shard in shards:
            results = journal.results(shard, verify=False)
            for index, (row, result) in enumerate(zip(dataset.rows(shard), results, strict=True), shard.first - 1):
                overlay = "" if result.checksum is None else plan.overlay(index)
                writer.write(row, overlay, _added_cells(plan, result, index, shard))
                if result.error:
                    reasons[_reason(result.error)] += 1
    return dict(reasons)


def _added_cells(plan: Plan, result: RowResult, index: int, shard: Shard) -> list[str]:
    cells = list(result.cells)
    if plan.map_files:
        cells.append("" if result.checksum is None else plan.map_file(index, shard.index))
    if plan.skip_errors:
        cells.append(result.error)
    return cells


def _reason(error: str) -> str:
    """An error without the row and the file it is about, so that like ones are counted together."""
    return _FILE.sub("", _ROW.sub("", error))
