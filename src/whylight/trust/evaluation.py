"""Metrics of several methods over a dataset: rows are read, explained and judged batch by batch.

    rows ──> images and regions ──each method──> maps ──each metric──> values ──> means, standard errors, mean curves

All is done in the geometry of the model's input: images as the model takes them, maps enlarged to them, boxes and
masks scaled with them.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.contract import Box
from whylight.dataset.opening import Table, open_dataset
from whylight.dataset.reader import RowReader
from whylight.dataset.table import Dataset, Row
from whylight.drawing.render import enlarged_maps
from whylight.errors import WhylightError
from whylight.files.writing import replacing
from whylight.images.pictures import Picture, quiet_decoders
from whylight.options import ClassIndex
from whylight.parallel import in_batches, ordered_map
from whylight.running.explainer import Explainer
from whylight.running.maps import stretched
from whylight.trust.cases import Cases, Explain, FloatArray, Values, refuse_arrays
from whylight.trust.metrics import Curve, Metric, metric_named, metrics
from whylight.trust.options import EvaluationOptions
from whylight.trust.precomputed import MapSource, PrecomputedMaps, open_maps
from whylight.trust.regions import RegionColumns, read_regions, region_columns
from whylight.trust.tally import Score, Tally

_DEFAULT = EvaluationOptions()


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

    def to_dict(self) -> dict[str, Any]:
        """The scores by method and metric, ready for JSON; None where a number is not known."""
        return {
            "rows": self.rows,
            "scores": {
                method: {name: score.to_dict() for name, score in scores.items()}
                for method, scores in self.scores.items()
            },
        }


_Measured = dict[str, dict[str, Values | Curve]]
"""By method and metric."""


def evaluate_dataset(
    explainers: Mapping[str, Explainer | PrecomputedMaps | MapSource],
    table: Table,
    options: EvaluationOptions = _DEFAULT,
    advance: Callable[[int], None] = lambda _: None,
    model: Explainer | None = None,
) -> Evaluation:
    """Judge the maps of one model's explainers, by method, on a dataset.

    The result does not depend on the threads; what is random depends on the row's number alone.

    Args:
        explainers: by the name that the result gives them. In place of an explainer stand maps from elsewhere: see
            `open_maps`; a metric that asks a method for more maps has no value for these.
        table: the dataset.
        options: what is evaluated.
        advance: told of rows that are done. What it raises stops the work between batches, and is raised again;
            nothing is left.
        model: explains for the model whose maps come from elsewhere; by default the first explainer.

    Raises:
        WhylightError: a metric or variable is missing, a row is bad, a metric needs boxes or more maps that are not
            there, no explainer is given, or the model takes no pictures.
    """
    known = [*([model] if model else []), *(one for one in explainers.values() if isinstance(one, Explainer))]
    if not known:
        raise WhylightError("maps alone cannot be judged: expected an explainer of the model too, as 'model'")
    for explainer in known:
        refuse_arrays(explainer.facts.input)
    facts = known[0].facts
    dataset = open_dataset(table, options.labels_from).of_classes(facts.class_names, facts.class_count)
    columns = region_columns(dataset, options.box_variable, options.mask_variable)
    chosen = _chosen_metrics(options, dataset, columns)
    execution, cores = known[0].execution, os.cpu_count() or 1
    threads = execution.threads or cores
    own = {id(one): one.with_threads(max(1, cores // threads)) for one in known}
    methods = {
        name: own[id(one)] if isinstance(one, Explainer) else _opened(name, one) for name, one in explainers.items()
    }
    judge = _Judge(methods, own[id(known[0])], options, dataset, columns, chosen)
    tallies = {name: {metric.name: Tally() for metric in chosen} for name in methods}
    curves: dict[str, dict[str, tuple[Values, Tally]]] = {name: {} for name in methods}
    count = 0
    rows = islice(dataset.rows(), options.limit)
    batches = in_batches(rows, min(explainer.batch_size for explainer in known))
    with (
        _values_of_rows(options, dataset, list(methods), chosen) as write,
        closing(ordered_map(judge, batches, threads, threads + 1)) as results,
    ):
        for batch, measured in results:
            for name, by_metric in measured.items():
                for metric, value in by_metric.items():
                    if isinstance(value, Curve):
                        curves[name].setdefault(metric, (value.positions, Tally()))[1].add(value.values)
                    tallies[name][metric].add(_numbers(value))
            write(batch, measured)
            count += len(batch)
            advance(len(batch))
        if not count:
            raise WhylightError(f"{dataset.source}: no rows to evaluate")
    return Evaluation(
        metrics=chosen,
        scores={name: {metric: tally.score for metric, tally in by.items()} for name, by in tallies.items()},
        curves={
            name: {metric: (positions, tally.mean) for metric, (positions, tally) in by.items()}
            for name, by in curves.items()
        },
        rows=count,
    )


def _opened(name: str, maps: PrecomputedMaps | MapSource) -> PrecomputedMaps:
    try:
        return maps if isinstance(maps, PrecomputedMaps) else open_maps(maps)
    except WhylightError as error:
        raise WhylightError(f"'{name}': {error}") from error


def _chosen_metrics(options: EvaluationOptions, dataset: Dataset, columns: RegionColumns | None) -> tuple[Metric, ...]:
    if not options.metrics:
        return tuple(metric for metric in metrics().values() if columns or not metric.needs_regions)
    chosen = tuple(metric_named(name) for name in dict.fromkeys(options.metrics))
    for metric in chosen:
        if metric.needs_regions and not columns:
            raise WhylightError(
                f"{dataset.source}: the metric '{metric.name}' needs to know where the object is: expected a variable "
                "'box' (box__0 to box__3: left, top, right, bottom) or 'mask' (an image file), or name one"
            )
    return chosen


class _NoMoreMapsError(WhylightError):
    """A metric asks for maps of other images than those that there are maps of."""


class _Judge:
    """Takes batches of rows through all methods and metrics. Several threads share one."""

    def __init__(
        self,
        methods: Mapping[str, Explainer | PrecomputedMaps],
        model: Explainer,
        options: EvaluationOptions,
        dataset: Dataset,
        columns: RegionColumns | None,
        chosen: Sequence[Metric],
    ) -> None:
        self._methods = methods
        self._model = model
        self._options = options
        self._dataset = dataset
        self._columns = columns
        self._metrics = chosen
        self._reader = RowReader(dataset, options, model)

    def __call__(self, rows: list[Row]) -> tuple[list[Row], _Measured]:
        """These rows, and all their values.

        Raises:
            WhylightError: a row is bad.
        """
        with quiet_decoders():
            pictures, indices = zip(*map(self._reader.read, rows), strict=True)
        facts = self._model.facts.input
        size = (facts.height, facts.width)
        regions = read_regions(self._dataset, self._columns, rows, pictures, size) if self._columns else None
        found: _Measured = {}
        for name, method in self._methods.items():
            if isinstance(method, Explainer):
                cases = explained_cases(method, pictures, indices)
            else:
                cases = self._given_cases(method, rows, pictures, indices)
            cases = replace(
                cases,
                regions=regions,
                seeds=[row.number for row in rows],
                steps=self._options.steps,
                tolerance=self._options.tolerance,
            )
            found[name] = {metric.name: self._value(metric, cases, name) for metric in self._metrics}
        return rows, found

    def _value(self, metric: Metric, cases: Cases, name: str) -> Values | Curve:
        try:
            return metric.function(cases)
        except _NoMoreMapsError:
            if metric.name in self._options.metrics:
                raise WhylightError(
                    f"the metric '{metric.name}' asks for maps of changed images, which '{name}' does not have: "
                    "expected an explainer there, or other metrics"
                ) from None
            return np.full(len(cases), np.nan)

    def _given_cases(
        self,
        maps: PrecomputedMaps,
        rows: Sequence[Row],
        pictures: Sequence[Picture],
        indices: Sequence[ClassIndex],
    ) -> Cases:
        """As `explained_cases`, with maps that are there already."""
        images = self._model.inputs(pictures)
        wanted = np.array([self._model.checked_index(index) for index in indices], np.int64)
        if (wanted < 0).any():
            wanted = np.where(wanted < 0, self._model.probabilities(images).argmax(1), wanted)
        return _cases(
            self._model, images, np.stack([self._given_map(maps, row) for row in rows]), wanted, _no_more_maps
        )

    def _given_map(self, maps: PrecomputedMaps, row: Row) -> FloatArray:
        facts = self._model.facts
        size = (facts.input.height, facts.input.width)
        try:
            found = stretched(maps.map_of(row.number - 1, size)[np.newaxis])
        except WhylightError as error:
            raise self._dataset.row_error(row, error) from error
        crop = facts.input.whole if found.shape[1:] == size else facts.maps[0].crop
        large: FloatArray = enlarged_maps(found, size, crop)[0]
        return large


def explained_cases(explainer: Explainer, pictures: Sequence[Picture], indices: Sequence[ClassIndex]) -> Cases:
    """Pictures, explained, as metrics take them.

    Raises:
        WhylightError: a class index is out of range.
    """
    facts = explainer.facts.input
    explanations = explainer.explain(pictures, indices)
    size = (facts.height, facts.width)
    crop = explanations[0].crop
    maps = enlarged_maps(np.stack([one.cam for one in explanations]), size, crop)
    explained = np.array([one.class_index for one in explanations], np.int64)
    return _cases(explainer, explainer.inputs(pictures), maps, explained, _explanations_of(explainer, size, crop))


def _cases(
    model: Explainer, images: FloatArray, maps: FloatArray, explained: NDArray[np.int64], explain: Explain
) -> Cases:
    facts = model.facts.input
    return Cases(
        images=images,
        maps=maps,
        class_indices=explained,
        probabilities=model.probabilities,
        explain=explain,
        white=facts.maximum / (sum(facts.std) / len(facts.std) if facts.std else 1),
    )


def _explanations_of(explainer: Explainer, size: tuple[int, int], crop: Box) -> Explain:
    def explain(images: FloatArray, class_indices: NDArray[np.int64]) -> FloatArray:
        return enlarged_maps(explainer.stretched(explainer.run_all(images, class_indices)[2:])[0], size, crop)

    return explain


def _no_more_maps(images: FloatArray, class_indices: NDArray[np.int64]) -> FloatArray:
    raise _NoMoreMapsError("these maps are all that there are")


def _numbers(measured: Values | Curve) -> Values:
    return measured.summary if isinstance(measured, Curve) else np.asarray(measured, np.float64)


@contextmanager
def _values_of_rows(
    options: EvaluationOptions, dataset: Dataset, names: Sequence[str], chosen: Sequence[Metric]
) -> Iterator[Callable[[Sequence[Row], _Measured], None]]:
    """Writes each row's values, if that is wanted: one line a row and method."""
    if options.per_image is None:
        yield lambda rows, measured: None
        return
    columns = dataset.columns_of(options.input_variable)
    with replacing(options.per_image) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", options.input_variable, "method", *(metric.name for metric in chosen)])

        def write(rows: Sequence[Row], measured: _Measured) -> None:
            values = {name: {one: _numbers(value) for one, value in measured[name].items()} for name in names}
            for index, row in enumerate(rows):
                for name in names:
                    cells = [f"{values[name][metric.name][index]:.6g}".replace("nan", "") for metric in chosen]
                    writer.writerow([row.number, dataset.cells(row, columns)[0], name, *cells])

        yield write
        text.detach()
