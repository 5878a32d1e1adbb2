"""A run over a dataset: begun or taken up, recorded batch by batch, and its result CSV written when all is done.

The rows are read three times, from the table as it lies, so that memory does not grow with them: once to cut shards
and check every row, once to explain them, once to write them again with what was found out.
"""

import os
import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from whylight.batch.engines import Work, run_in_processes, run_in_threads, run_on_ray
from whylight.batch.journal import Journal
from whylight.batch.made import Made, Place, names_in, with_row
from whylight.batch.options import BatchOptions
from whylight.batch.plan import Plan
from whylight.batch.step import BatchResult, RowResult, Step
from whylight.contract import Origin
from whylight.dataset.csv_table import CsvTable
from whylight.dataset.opening import Table, open_dataset
from whylight.dataset.result import writing_result
from whylight.dataset.result_facts import ResultFacts
from whylight.dataset.table import Dataset, Shard
from whylight.errors import WhylightError
from whylight.files.storage import is_remote, path_of
from whylight.files.writing import check_writable, refuse_to_replace, save_bytes
from whylight.options import Output, Rendering
from whylight.running.explainer import Explainer

_SMALL_NETWORK = 2**20
"""Bytes of tensors an image below which a network takes less time than the interpreter."""
_MANY_ROWS = 2000
_SHOWN = 3
_AGAIN = "run the same command again: it makes what is missing"
_ROW = re.compile(r"^.*?row \d+( \(line \d+\))?(, column '[^']*')?:? ?")
_FILE = re.compile(r"^.*?\.\w+: ")
_DEFAULT, _PLAIN, _KEEPING = BatchOptions(), Rendering(), Output()


@dataclass(frozen=True)
class BatchSummary:
    """How a run ended.

    Attributes:
        rows: all rows of the dataset.
        skipped: the bad ones, by reason.
        seconds: of this run.
        continued: the rows that an earlier, interrupted run had done already.
        output: the result CSV.
        device: what the network ran on.
    """

    rows: int
    skipped: dict[str, int]
    seconds: float
    continued: int
    output: Path
    device: str

    @property
    def explained(self) -> int:
        """Rows with an overlay."""
        return self.rows - sum(self.skipped.values())

    @property
    def rate(self) -> float:
        """Rows a second of this run."""
        return (self.rows - self.continued) / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "rows": self.rows,
            "explained": self.explained,
            "skipped": dict(self.skipped),
            "seconds": self.seconds,
            "rate": self.rate,
            "continued": self.continued,
            "device": self.device,
            "output": str(self.output),
        }


def explain_dataset(
    explainer: Explainer,
    table: Table,
    output: str | Path,
    options: BatchOptions = _DEFAULT,
    rendering: Rendering = _PLAIN,
    replacing: Output = _KEEPING,
    say: Callable[[str], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
    expect: Callable[[int], None] = lambda _: None,
) -> BatchSummary:
    """Explain every row of a dataset.

    The overlay of row i (from 0) is ``<output without .csv>/<i // 1000>/<i>.png``. The result is the input with a
    first column ``gradcam``: the overlays' paths, relative to the result. It appears when all is done. A run that was
    interrupted is taken up where it stopped, if input, model and options are the same.

    Args:
        explainer: what explains; its execution says how many images a run of the network and how many batches at once.
        table: the dataset.
        output: the result CSV: a path or a URL.
        options: what is read and written, and what runs it.
        rendering: how overlays look.
        replacing: what becomes of an earlier result in the same place.
        say: told that a run goes on, or starts over.
        advance: told of rows that are done. What it raises stops the run between batches, and is raised again; a run
            with the same arguments goes on there.
        expect: told of the number of rows, before the first is explained.

    Raises:
        WhylightError: a variable is missing, a row is bad (unless they are skipped), or the output cannot be written.
    """
    facts, place = explainer.facts, path_of(output)
    found = open_dataset(table, options.labels_from)
    dataset = found.of_classes(facts.class_names, facts.class_count).written_to(place)
    source = dataset.path if isinstance(dataset, CsvTable) else dataset
    plan = Plan(source, place, options, rendering, explainer.batch_size, facts.class_names)
    if not place.suffix or (not is_remote(place) and os.path.isdir(place)):  # noqa: PTH112  # any name
        raise WhylightError(f"{place}: expected a CSV to write, such as {place / 'gradcam.csv'}")
    if isinstance(source, Path):
        plan.refuse_to_replace(source)
        refuse_to_replace(source, place)
    checking = Step(plan, dataset, explainer)
    check_writable(plan.output)
    journal, there = Journal(plan), Place(plan, replacing.overwrite)
    there.check()
    check_writable(plan.path(plan.facts_file))
    # every row is looked at before hours of work begin, if a bad one would stop them
    check = partial(checking.check, follow_links=there.made is not None)
    shards = list(dataset.shards(plan.shard_size, check))
    rows = sum(shard.count for shard in shards)
    started = time.perf_counter()
    with journal.locked():
        run = _Run(plan, dataset, explainer, rows)
        key = plan.fingerprint(dataset, f"{explainer.digest()} {run.device}")
        was_there, going_on = journal.is_there, journal.is_of(key)
        there.check()
        if not going_on:
            there.check_files(rows)
        said = _facts(plan, checking.origin, explainer)
        made = there.begin(rows, said, going_on)
        if not going_on:
            journal.begin(key)
        work = [(shard, journal.resume(shard, map(checking.stamp, dataset.rows(shard)))) for shard in shards]
        continued = sum(done for _, done in work)
        _say_how_it_begins(say, was_there and not going_on, continued, plan)
        expect(rows)
        advance(continued)
        with closing(run.results(work, key)) as results:
            for result in results:
                journal.add(result)
                advance(len(result.rows))
        skipped = _write_result(plan, dataset, journal, shards, made, said)
        journal.remove()
    return BatchSummary(rows, skipped, time.perf_counter() - started, continued, plan.output, run.device)


class _Run:
    """Who does the work of a plan: how many threads of how many processes, or a cluster.

    Attributes:
        device: what the network runs on; of a cluster's nodes, what is asked for.
    """

    def __init__(self, plan: Plan, dataset: Dataset, explainer: Explainer, rows: int) -> None:
        self._plan = plan
        self._explainer = explainer
        self.device = explainer.execution.device
        if plan.options.engine == "ray":
            return
        cores = os.cpu_count() or 1
        self._workers = plan.options.workers or 1
        self._threads = self._fitting_threads(cores)
        # a few batches share the cores by running each on several
        under_way = max(1, min(self._workers * self._threads, -(-rows // plan.batch_size)))
        own = explainer.with_threads(max(1, cores // under_way))
        self.device = own.device
        self._step = Step(plan, dataset, own)
        if plan.options.workers is None and self._is_limited_by_python() and rows >= _MANY_ROWS:
            self._workers = cores
            self._threads = self._fitting_threads(cores)

    def results(self, work: list[Work], key: str) -> Generator[BatchResult, None, None]:
        """What has become of each batch."""
        if self._plan.options.engine == "ray":
            return run_on_ray(self._plan, self._explainer.content(), work, self.device, key)
        if self._workers == 1:
            return run_in_threads(self._step, work, self._threads)
        graph = _graph_file(self._explainer, self._plan)
        return run_in_processes(self._step, self._plan, graph, work, self._workers, self._threads, self.device)

    def _is_limited_by_python(self) -> bool:
        """Threads share one interpreter: it is the limit where the network takes less time than it does.

        Processes help then, if the run is longer than they take to start.
        """
        return self.device == "cpu" and self._explainer.facts.activation_bytes < _SMALL_NETWORK

    def _fitting_threads(self, cores: int) -> int:
        """One thread a core, fewer where a quarter of the free memory would not hold their batches."""
        if self._explainer.execution.threads:
            return self._explainer.execution.threads
        needed = self._plan.batch_size * self._explainer.facts.activation_bytes
        return max(1, min(cores // self._workers, _free_memory() // 4 // max(needed, 1)))


def _facts(plan: Plan, origin: Origin, explainer: Explainer) -> ResultFacts:
    """What is true of all overlays."""
    facts, of_map = explainer.facts, explainer.facts.maps[0]
    variable = None if origin == "predicted" else plan.options.label_variable
    return ResultFacts(
        origin, variable, of_map.method, of_map.layer, facts.model, facts.score, class_names=facts.class_names
    )


def _graph_file(explainer: Explainer, plan: Plan) -> Path:
    """The explainer graph as a file that other processes can open."""
    if not isinstance(explainer.graph, bytes):
        return Path(explainer.graph)
    path = plan.run_folder / "explainer.onnx"
    save_bytes(explainer.graph, path)
    return path


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this platform
        return 4 * 2**30


def _say_how_it_begins(say: Callable[[str], None], is_other: bool, continued: int, plan: Plan) -> None:
    if is_other:
        say(f"{plan.output}: an interrupted run had another input, model or options: starting over")
    elif continued:
        say(f"{plan.output}: going on after {continued} rows of an interrupted run")


def _write_result(
    plan: Plan, dataset: Dataset, journal: Journal, shards: Iterable[Shard], made: Made, facts: ResultFacts
) -> dict[str, int]:
    """Join the journal and the dataset; the reasons of bad rows, counted.

    Raises:
        WhylightError: the journal was damaged meanwhile, or files that were written are gone.
    """
    reasons: Counter[str] = Counter()
    explained: list[list[int]] = []
    gone: list[str] = []
    listed = lru_cache(maxsize=2)(lambda folder: frozenset(names_in(plan.path(folder))))
    with writing_result(dataset, plan.output, plan.added_columns) as writer:
        for shard in shards:
            results = journal.results(shard)
            if len(results) != shard.count:
                raise WhylightError(f"{plan.run_folder}: damaged while the run was at work: {_AGAIN}")
            for index, (row, result) in enumerate(zip(dataset.rows(shard), results, strict=True), shard.first - 1):
                overlay = "" if result.checksum is None else plan.overlay(index)
                cells = _added_cells(plan, result, index, shard)
                writer.write(row, overlay, cells)
                if overlay:
                    with_row(explained, index)
                    for name in (overlay, plan.map_file(index, shard.index)) if plan.options.save_cam else (overlay,):
                        folder, _, file = name.rpartition("/")
                        if file not in listed(folder):
                            gone.append(name)
                if result.error:
                    reasons[_reason(result.error)] += 1
        if gone:
            shown = ", ".join(gone[:_SHOWN]) + (", ..." if len(gone) > _SHOWN else "")
            raise WhylightError(f"{plan.output}: {len(gone)} of the run's files are gone: {shown}: {_AGAIN}")
        rows = tuple((first, count) for first, count in explained)
        replace(made, rows=rows, checksum=writer.checksum).save(plan, facts)  # known before the file is there
    return dict(reasons)


def _added_cells(plan: Plan, result: RowResult, index: int, shard: Shard) -> list[str]:
    cells = list(result.cells)
    if plan.options.save_cam:
        cells.append("" if result.checksum is None else plan.map_file(index, shard.index))
    if plan.skips_errors:
        cells.append(result.error)
    return cells


def _reason(error: str) -> str:
    """An error without the row and the file it is about, so that like ones are counted together."""
    return _FILE.sub("", _ROW.sub("", error))
