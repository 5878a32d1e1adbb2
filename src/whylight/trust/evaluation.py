"""Metrics of several methods over a dataset: rows are read, explained and judged batch by batch.

    rows ──> images and regions ──each method──> maps ──each metric──> values ──> means, standard errors, mean curves

All is done in the geometry of the model's input: images as the model takes them, maps enlarged to them, boxes and
masks scaled with them.
"""

from __future__ import annotations

import csv
import io
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whylight.contract import Box
from whylight.dataset.table import Dataset, Row, open_dataset
from whylight.drawing.render import enlarged_maps
from whylight.errors import WhylightError
from whylight.files.writing import replacing
from whylight.images.pictures import Picture, quiet_decoders
from whylight.running.explainer import PREDICTED, ClassIndex, Explainer
from whylight.trust.cases import Cases, Explain, FloatArray, Regions, Values, refuse_arrays
from whylight.trust.metrics import Curve, Metric, metric_named, metrics
from whylight.trust.regions import RegionColumns, read_regions, region_columns
from whylight.trust.tally import Score, Tally

BATCH_SIZE = 16


@dataclass(frozen=True)
class EvaluationPlan:
    """What is evaluated.

    Attributes:
        table: the dataset CSV.
        metrics: names; by default all that the dataset allows.
        input_variable: holds the image.
        label_variable: holds the class to explain; None for the class that the model predicts.
        box_variable: holds left, top, right, bottom of the object; by default ``box``, if there is one.
        mask_variable: holds the object's mask; by default ``mask``, if there is one and no box.
        limit: rows; by default all.
        batch_size: images a run of the network.
        threads: batches at once; by default one a core.
        steps: of insertion and deletion; see `Cases`.
        tolerance: of the pointing game; see `Cases`.
        per_image: a CSV to write, with all values of each row.
    """

    table: Path
    metrics: tuple[str, ...] = ()
    input_variable: str = "x"
    label_variable: str | None = "y"
    box_variable: str | None = None
    mask_variable: str | None = None
    limit: int | None = None
    batch_size: int = BATCH_SIZE
    threads: int | None = None
    steps: int | None = None
    tolerance: float | None = None
    per_image: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """How methods did.

    Attributes:
        metrics: in the order asked for.
        scores: by method and metric.
        curves: the mean curve, by method and metric, of the metrics that have one: positions and values.
        rows: the number of images.
    """

    metrics: tuple[Metric, ...]
    scores: dict[str, dict[str, Score]]
    curves: dict[str, dict[str, tuple[Values, Values]]]
    rows: int

    @property
    def methods(self) -> list[str]:
        """In the order asked for."""
        return list(self.scores)


_Measured = dict[str, dict[str, Values | Curve]]
"""By method and metric."""


def evaluate_dataset(
    explainers: Mapping[str, Explainer], plan: EvaluationPlan, advance: Callable[[int], None] = lambda rows: None
) -> Evaluation:
    """Judge the maps of one model's explainers, by method, on a dataset.

    The result does not depend on the batch size or the threads: what is random depends on the row's number alone.

    Args:
        explainers: by the name that the result gives them.
        plan: what is evaluated.
        advance: is told of rows that are done.

    Raises:
        WhylightError: a metric or variable is missing, a row is bad, a metric needs boxes that are not there, or the
            model takes no pictures.
    """
    for explainer in explainers.values():
        refuse_arrays(explainer.facts.input)
    dataset = open_dataset(plan.table)
    columns = region_columns(dataset, plan.box_variable, plan.mask_variable)
    chosen = _chosen_metrics(plan, dataset, columns)
    cores = os.cpu_count() or 1
    threads = plan.threads or cores
    own = {name: explainer.with_threads(max(1, cores // threads)) for name, explainer in explainers.items()}
    judge = _Judge(own, plan, dataset, columns, chosen)
    tallies = {name: {metric.name: Tally() for metric in chosen} for name in explainers}
    curves: dict[str, dict[str, tuple[Values, Tally]]] = {name: {} for name in explainers}
    count = 0
    with _values_of_rows(plan, dataset, list(explainers), chosen) as write:
        for rows, measured in _in_order(judge, plan, dataset, threads):
            for name, by_metric in measured.items():
                for metric, value in by_metric.items():
                    if isinstance(value, Curve):
                        curves[name].setdefault(metric, (value.positions, Tally()))[1].add(value.values)
                    tallies[name][metric].add(_numbers(value))
            write(rows, measured)
            count += len(rows)
            advance(len(rows))
    if not count:
        raise WhylightError(f"{plan.table}: no rows to evaluate")
    return Evaluation(
        metrics=chosen,
        scores={name: {metric: tally.score for metric, tally in by.items()} for name, by in tallies.items()},
        curves={
            name: {metric: (positions, tally.mean) for metric, (positions, tally) in by.items()}
            for name, by in curves.items()
        },
        rows=count,
    )


def _chosen_metrics(plan: EvaluationPlan, dataset: Dataset, columns: RegionColumns | None) -> tuple[Metric, ...]:
    if (
        plan.batch_size < 1
        or (plan.limit is not None and plan.limit < 1)
        or (plan.steps is not None and plan.steps < 1)
    ):
        raise WhylightError("batch size, limit and steps: expected 1 or more")
    if not plan.metrics:
        return tuple(metric for metric in metrics().values() if columns or not metric.needs_regions)
    chosen = tuple(metric_named(name) for name in dict.fromkeys(plan.metrics))
    for metric in chosen:
        if metric.needs_regions and not columns:
            raise WhylightError(
                f"{dataset.path}: the metric '{metric.name}' needs to know where the object is: expected a variable "
                "'box' (box__0 to box__3: left, top, right, bottom) or 'mask' (an image file), or name one"
            )
    return chosen


def _in_order(
    judge: _Judge, plan: EvaluationPlan, dataset: Dataset, threads: int
) -> Iterator[tuple[list[Row], _Measured]]:
    """Batches of rows and their values, in the dataset's order; a few are under way at once."""
    rows = islice(dataset.rows(), plan.limit)
    waiting: deque[tuple[list[Row], Future[_Measured]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(waiting) <= threads and (batch := list(islice(rows, plan.batch_size))):
                    waiting.append((batch, pool.submit(judge, batch)))
                if not waiting:
                    return
                batch, future = waiting.popleft()
                yield batch, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Judge:
    """Takes batches of rows through all methods and metrics. Several threads share one."""

    def __init__(
        self,
        explainers: Mapping[str, Explainer],
        plan: EvaluationPlan,
        dataset: Dataset,
        columns: RegionColumns | None,
        chosen: Sequence[Metric],
    ) -> None:
        self._explainers = explainers
        self._plan = plan
        self._dataset = dataset
        self._columns = columns
        self._metrics = chosen
        self._images = dataset.columns_of(plan.input_variable)
        self._labels = dataset.columns_of(plan.label_variable) if plan.label_variable else None

    def __call__(self, rows: Sequence[Row]) -> _Measured:
        """All values of these rows.

        Raises:
            WhylightError: a row is bad.
        """
        first = next(iter(self._explainers.values()))
        with quiet_decoders():
            pictures, indices = zip(*(self._read(row, first) for row in rows), strict=True)
        size = (first.facts.input.height, first.facts.input.width)
        regions = read_regions(self._dataset, self._columns, rows, pictures, size) if self._columns else None
        return {
            name: self._measured(explainer, rows, pictures, indices, regions)
            for name, explainer in self._explainers.items()
        }

    def _read(self, row: Row, explainer: Explainer) -> tuple[Picture, ClassIndex]:
        path = self._dataset.image_path(row, self._images)
        try:
            picture = explainer.picture(path)
            if self._labels is None:
                return picture, PREDICTED
            label = self._dataset.label(row, self._labels)
            explainer.checked_index(label)
        except WhylightError as error:
            raise self._dataset.row_error(row, error) from error
        return picture, label

    def _measured(
        self,
        explainer: Explainer,
        rows: Sequence[Row],
        pictures: Sequence[Picture],
        indices: Sequence[ClassIndex],
        regions: Regions | None,
    ) -> dict[str, Values | Curve]:
        cases = explained_cases(explainer, pictures, indices)
        cases = replace(
            cases,
            regions=regions,
            seeds=[row.number for row in rows],
            steps=self._plan.steps,
            tolerance=self._plan.tolerance,
        )
        return {metric.name: metric.function(cases) for metric in self._metrics}


def explained_cases(explainer: Explainer, pictures: Sequence[Picture], indices: Sequence[ClassIndex]) -> Cases:
    """Pictures, explained, as metrics take them.

    Raises:
        WhylightError: a class index is out of range.
    """
    facts = explainer.facts.input
    explanations = explainer.explain(pictures, indices)
    size = (facts.height, facts.width)
    crop = explanations[0].crop
    return Cases(
        images=explainer.inputs(pictures),
        maps=enlarged_maps(np.stack([one.cam for one in explanations]), size, crop),
        class_indices=np.array([one.class_index for one in explanations], np.int64),
        probabilities=explainer.probabilities,
        explain=_explanations_of(explainer, size, crop),
        white=facts.maximum / (sum(facts.std) / len(facts.std) if facts.std else 1),
    )


def _explanations_of(explainer: Explainer, size: tuple[int, int], crop: Box) -> Explain:
    def explain(images: FloatArray, class_indices: NDArray[np.int64]) -> FloatArray:
        return enlarged_maps(explainer.stretched(explainer.run_all(images, class_indices)[2:])[0], size, crop)

    return explain


def _numbers(measured: Values | Curve) -> Values:
    return measured.summary if isinstance(measured, Curve) else np.asarray(measured, np.float64)


@contextmanager
def _values_of_rows(
    plan: EvaluationPlan, dataset: Dataset, names: Sequence[str], chosen: Sequence[Metric]
) -> Iterator[Callable[[Sequence[Row], _Measured], None]]:
    """Writes each row's values, if that is wanted: one line a row and method."""
    if plan.per_image is None:
        yield lambda rows, measured: None
        return
    columns = dataset.columns_of(plan.input_variable)
    with replacing(plan.per_image) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", plan.input_variable, "method", *(metric.name for metric in chosen)])

        def write(rows: Sequence[Row], measured: _Measured) -> None:
            for name in names:
                values = {metric: _numbers(value) for metric, value in measured[name].items()}
                for index, row in enumerate(rows):
                    cells = [f"{values[metric.name][index]:.6g}".replace("nan", "") for metric in chosen]
                    writer.writerow([row.number, dataset.cells(row, columns)[0], name, *cells])

        yield write
        text.detach()
