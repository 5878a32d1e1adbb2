"""A whole dataset: every row of a CSV explained, an overlay each, and the CSV with a column that names them."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePath

from PIL import Image

from whylight.dataset import Dataset, Row, writing_result
from whylight.errors import WhylightError
from whylight.explainer import PREDICTED, ClassIndex, Explainer, Explanation
from whylight.images import Picture
from whylight.output import check_writable, save_image

_ROWS_A_FOLDER = 1000
_THREADS = 4

Render = Callable[[Explanation], Image.Image]


@dataclass(frozen=True)
class Summary:
    """How a run ended: the number of rows, of overlays written, and of bad rows left out."""

    rows: int
    explained: int
    skipped: int


@dataclass(frozen=True)
class _Job:
    """One row on its way, and what has become of it so far."""

    index: int
    row: Row
    class_index: ClassIndex = PREDICTED
    picture: Picture | None = None
    error: str = ""


def explain_dataset(
    explainer: Explainer,
    dataset: Dataset,
    output: Path,
    *,
    input_variable: str = "x",
    label_variable: str | None = "y",
    batch_size: int = 16,
    skip_errors: bool = False,
    render: Render = Explanation.overlay,
) -> Summary:
    """Explain every row of a dataset CSV.

    The overlay of row i (from 0) is ``<output without .csv>/<i // 1000>/<i>.png``. The result is the input with a
    first column ``gradcam``: the overlays' paths, relative to ``output``. It appears when all is done.

    Args:
        explainer: what explains.
        dataset: the rows.
        output: the CSV to write.
        input_variable: the variable that holds the image.
        label_variable: the variable that names the class to explain; None explains the predicted class.
        batch_size: images a run of the network.
        skip_errors: leave the cell of a bad row empty, say why in a last column ``error``, and go on.
        render: makes the overlay.

    Raises:
        WhylightError: a variable is missing, a row is bad (unless they are skipped), or the output cannot be
            written. What this run wrote is removed.
    """
    if batch_size < 1:
        raise WhylightError(f"batch size {batch_size}: expected 1 or more")
    run = _Run(explainer, dataset, output, input_variable, label_variable, skip_errors, render)
    check_writable(output)
    if not skip_errors:
        for _ in run.jobs():
            pass  # every row is looked at before hours of work begin
    rows = explained = 0
    with (
        ThreadPoolExecutor(_THREADS) as threads,
        run.removed_on_failure(),
        writing_result(dataset, output, has_errors=skip_errors) as result,
        _progress(dataset.count_rows()) as advance,
    ):
        for batch in run.decoded(threads, batch_size):
            overlays = run.explained(threads, batch)
            for job in batch:
                result.write(job.row, overlays.get(job.index), job.error)
                advance()
            rows, explained = rows + len(batch), explained + len(overlays)
    return Summary(rows, explained, rows - explained)


class _Run:
    """One run over a dataset: what it needs, and what it has written."""

    def __init__(
        self,
        explainer: Explainer,
        dataset: Dataset,
        output: Path,
        input_variable: str,
        label_variable: str | None,
        skip_errors: bool,
        render: Render,
    ) -> None:
        self._explainer = explainer
        self._dataset = dataset
        self._output = output
        self._images = dataset.columns_of(input_variable)
        self._labels = dataset.columns_of(label_variable) if label_variable else None
        self._skip_errors = skip_errors
        self._render = render
        self._written: list[Path] = []

    def jobs(self) -> Iterator[_Job]:
        """The rows with their class index, checked."""
        for index, row in enumerate(self._dataset.rows()):
            yield self._guarded(_Job(index, row), self._labelled)

    def decoded(self, threads: ThreadPoolExecutor, batch_size: int) -> Iterator[list[_Job]]:
        """Batches of jobs with their pictures; the next batch is decoded while one is explained."""
        waiting: deque[list[Future[_Job]]] = deque()
        for batch in _batches(self.jobs(), batch_size):
            waiting.append([threads.submit(self._guarded, job, self._read) for job in batch])
            if len(waiting) > 1:
                yield [future.result() for future in waiting.popleft()]
        for futures in waiting:
            yield [future.result() for future in futures]

    def explained(self, threads: ThreadPoolExecutor, batch: list[_Job]) -> dict[int, PurePath]:
        """Write the overlays of a batch: their paths, relative to the output's folder, by the row's index."""
        good = {job.index: (job.picture, job.class_index) for job in batch if job.picture and not job.error}
        if not good:
            return {}
        pictures, class_indices = zip(*good.values(), strict=True)
        explanations = self._explainer.explain(pictures, class_indices)
        paths = [self._overlay_path(index) for index in good]
        for _ in threads.map(self._save, explanations, paths):
            pass
        return {index: path.relative_to(self._output.parent) for index, path in zip(good, paths, strict=True)}

    @contextmanager
    def removed_on_failure(self) -> Iterator[None]:
        """Remove the overlays that this run wrote when it fails."""
        try:
            yield
        except BaseException:
            for path in self._written:
                path.unlink(missing_ok=True)
            for folder in [*{path.parent for path in self._written}, self._output.with_suffix("")]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            raise

    def _guarded(self, job: _Job, step: Callable[[_Job], _Job]) -> _Job:
        if job.error:
            return job
        try:
            return step(job)
        except WhylightError as error:
            if not self._skip_errors:
                raise
            return replace(job, error=str(error))

    def _labelled(self, job: _Job) -> _Job:
        row = job.row
        self._dataset.image_path(row, self._images)
        if self._labels is None:
            return job
        label = self._dataset.label(row, self._labels)
        try:
            self._explainer.checked_index(label)
        except WhylightError as error:
            raise WhylightError(f"{self._dataset.path}: row {row.number} (line {row.line}): {error}") from None
        return replace(job, class_index=label)

    def _read(self, job: _Job) -> _Job:
        path = self._dataset.image_path(job.row, self._images)
        try:
            return replace(job, picture=self._explainer.picture(path))
        except WhylightError as error:
            place = f"{self._dataset.path}: row {job.row.number} (line {job.row.line})"
            raise WhylightError(f"{place}: {error}") from error

    def _save(self, explanation: Explanation, path: Path) -> None:
        save_image(self._render(explanation), path)
        self._written.append(path)

    def _overlay_path(self, index: int) -> Path:
        return self._output.with_suffix("") / f"{index // _ROWS_A_FOLDER:04d}" / f"{index}.png"


def _batches(jobs: Iterable[_Job], size: int) -> Iterator[list[_Job]]:
    iterator = iter(jobs)
    while batch := list(islice(iterator, size)):
        yield batch


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar with rate and remaining time on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
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
        task = bar.add_task("explaining", total=total, rate="")

        def advance() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.1f} images/s" if speed else "")

        yield advance
