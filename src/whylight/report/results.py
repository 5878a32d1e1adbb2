"""The rows of a result CSV: the image, its overlay, the true class, what the model predicted, and what went wrong."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whylight.dataset.csv_table import open_csv
from whylight.dataset.result_facts import ResultFacts
from whylight.dataset.table import Dataset, Row
from whylight.errors import WhylightError, WhylightWarning
from whylight.options import PREDICTED

_OVERLAY, _ERROR = "gradcam", "error"
_PREDICTED, _PROBABILITY, _RANK = "predicted", "probability", "rank"
_OUTPUT = "y'"
"""What Neural Network Console names the output of a classifier for the label ``y``."""
_SOFTMAX_TOLERANCE = 1e-2
_ROWS_LOOKED_AT = 1000
"""Rows among which one with an overlay is looked for."""

Positions = tuple[int, ...]
Prediction = tuple[int, float | None]
"""The predicted class, and its probability where that is known."""
Predict = Callable[[Sequence[str], int | None], Prediction | None]
"""What a row's cells, and its true class, say of the model's decision."""


@dataclass(frozen=True)
class Entry:
    """What the page shows of a row.

    Attributes:
        image: the image file; None where the row names none.
        overlay: the overlay's file; None where the row has none.
        truth: the true class.
        predicted: the predicted class.
        explained: the class that the overlay explains, where that is known.
        confidence: the predicted class's probability, as the model gives it.
        error: why the row has no overlay, or cannot be read; empty where all is well.
        cells: of the columns that hold nothing of the above: see `Results.columns`.
    """

    image: Path | None = None
    overlay: Path | None = None
    truth: int | None = None
    predicted: int | None = None
    explained: int | None = None
    confidence: float | None = None
    error: str = ""
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """A dataset or its result, opened: its columns are known, its rows are read when they are asked for.

    Attributes:
        dataset: the file, or the images.
        names: the classes' names, each of them once; empty where the classes have none.
        images: where the image stands, one position.
        overlays: where the overlay stands, one position; None where nothing is explained yet.
        truths: where the true class stands; None where the CSV has no such variable.
        errors: where the error stands; None where the CSV has no such column.
        predict: reads the model's decision.
        facts: what is true of all overlays; None where the run did not say it.
        named: where the class stands that is explained; None where it is the predicted one.
        others: where the columns stand that hold nothing of the above and are no vectors.
    """

    dataset: Dataset
    names: list[str]
    images: Positions
    overlays: Positions | None
    truths: Positions | None
    errors: int | None
    predict: Predict
    facts: ResultFacts | None = None
    named: Positions | None = None
    others: Positions = ()

    @property
    def columns(self) -> list[str]:
        """The headers of the columns that hold nothing of the above and are no vectors."""
        return [self.dataset.columns[position].header for position in self.others]

    def entries(self) -> Iterator[Entry]:
        """Read the rows one by one. What is wrong with a row is said in its entry.

        Raises:
            WhylightError: the file cannot be read, or is no CSV from here on.
        """
        return map(self._entry, self.dataset.rows())

    def _entry(self, row: Row) -> Entry:
        found, expected = len(row.cells), len(self.dataset.columns)
        if found != expected:
            return Entry(error=f"{row.place}: {found} cells, the header has {expected}")
        problem = "" if self.errors is None else row.cells[self.errors].strip()
        truth = None
        try:
            truth = self._truth(row)
        except WhylightError as error:
            problem = problem or str(error)
        predicted, confidence = self.predict(row.cells, truth) or (None, None)
        image = overlay = None
        try:
            image, overlay = self._file(row, self.images), self._file(row, self.overlays)
        except WhylightError as error:  # it lies outside the folder that files may be read from
            problem = problem or str(error)
        cells = tuple(row.cells[position] for position in self.others)
        return Entry(image, overlay, truth, predicted, self._explained(row, predicted), confidence, problem, cells)

    def _file(self, row: Row, positions: Positions | None) -> Path | None:
        if positions is None or not row.cells[positions[0]].strip():
            return None
        return self.dataset.image_path(row, positions)

    def _explained(self, row: Row, predicted: int | None) -> int | None:
        if self.facts is None:
            return None
        if self.named is None or any(row.cells[position].strip() in ("", PREDICTED) for position in self.named):
            return predicted
        with suppress(WhylightError):  # which is said of the row
            return self.dataset.label(row, self.named)
        return None

    def _truth(self, row: Row) -> int | None:
        if self.truths is None or not any(row.cells[position].strip() for position in self.truths):
            return None
        return self.dataset.label(row, self.truths)


def open_results(path: Path, input_variable: str, label_variable: str, labels: Sequence[str] | None) -> Results:
    """Open a result CSV.

    Args:
        path: the file.
        input_variable: the variable that holds the image.
        label_variable: the variable that holds the true class; a warning says so where the CSV has none.
        labels: the classes' names; None takes those that a vector's headers state, where they do.

    Raises:
        WhylightError: it is missing, no CSV, has no such image, or is no result of ``gradcam-batch``.
    """
    dataset = open_csv(path)
    if _OVERLAY not in dataset.variables:
        raise WhylightError(f"{path}: no column '{_OVERLAY}': expected the CSV that 'whylight gradcam-batch' writes")
    results = results_of(dataset, input_variable, label_variable, labels)
    if results.truths is None and (results.facts is None or results.facts.origin == "label"):
        warnings.warn(
            f"{path}: no variable '{label_variable}': no prediction is right or wrong", WhylightWarning, stacklevel=2
        )
    return results


def results_of(
    dataset: Dataset, input_variable: str, label_variable: str, labels: Sequence[str] | None = None
) -> Results:
    """What a dataset says of its rows, whether they are explained or not; see `open_results`.

    Raises:
        WhylightError: it has no such image.
    """
    images = dataset.columns_of(input_variable)
    if len(images) > 1:
        raise WhylightError(
            f"{dataset.source}: variable '{input_variable}' has {len(images)} columns: expected one image column"
        )
    overlays = dataset.columns_of(_OVERLAY) if _OVERLAY in dataset.variables else None
    facts = None if overlays is None else _facts(dataset, overlays)
    has_truths = label_variable in dataset.variables
    truths = dataset.columns_of(label_variable) if has_truths else None
    known = facts.class_names if facts else ()
    classes = len(labels or known) or (len(truths) if truths and len(truths) > 1 else None)
    output = _output_variable(dataset, {input_variable, label_variable}, classes)
    outputs = dataset.columns_of(output) if output else ()
    errors = dataset.columns_of(_ERROR)[0] if _ERROR in dataset.variables else None
    shown = {*images, *(overlays or ()), *(truths or ()), *outputs, errors}
    return Results(
        dataset,
        names=_once_each(labels or _stated_names(dataset, truths or ()) or _stated_names(dataset, outputs) or known),
        images=images,
        overlays=overlays,
        truths=truths,
        errors=errors,
        predict=_predict(dataset, outputs),
        facts=facts,
        named=None if facts is None or facts.variable not in dataset.variables else dataset.columns_of(facts.variable),
        others=tuple(
            position
            for position, column in enumerate(dataset.columns)
            if position not in shown and column.index is None
        ),
    )


def _facts(dataset: Dataset, overlays: Positions) -> ResultFacts | None:
    """What the run has said of its overlays, beside the first ones that are named."""
    for row in islice(dataset.rows(), _ROWS_LOOKED_AT):
        if len(row.cells) == len(dataset.columns) and row.cells[overlays[0]].strip():
            return ResultFacts.of(dataset.image_path(row, overlays).parent.parent)
    return None


# ---- predictions


def _output_variable(dataset: Dataset, others: set[str], classes: int | None) -> str | None:
    """The variable that holds the model's output: ``y'``, else the longest vector that can be a Softmax's.

    Args:
        dataset: the CSV.
        others: variables that are something else.
        classes: the number of classes, where it is known.
    """
    if _OUTPUT in dataset.variables:
        return _OUTPUT
    first = next(dataset.rows(), None)
    if first is None or len(first.cells) != len(dataset.columns):
        return None
    lengths = Counter(column.variable for column in dataset.columns if column.index is not None)
    for variable, length in lengths.most_common():
        if length > 1 and variable not in others and length == (classes or length):
            values = _numbers(first.cells, dataset.columns_of(variable))
            if values is not None and values.min() >= 0 and abs(values.sum() - 1) < _SOFTMAX_TOLERANCE:
                return variable
    return None


def _predict(dataset: Dataset, outputs: Positions) -> Predict:
    """How to read the model's decision from a row of this CSV."""
    if len(outputs) > 1:
        return lambda cells, _: _of_vector(_numbers(cells, outputs))
    if outputs:
        return lambda cells, _: _of_two(_numbers(cells, outputs))
    names = (name for name in (_PREDICTED, _PROBABILITY, _RANK) if name in dataset.variables)
    columns = {name: dataset.columns_of(name) for name in names}
    return lambda cells, truth: _of_columns(columns, cells, truth) if _PREDICTED in columns else None


def _of_vector(values: NDArray[np.float64] | None) -> Prediction | None:
    """The largest of a value a class."""
    if values is None:
        return None
    index = int(values.argmax())
    return index, float(values[index])


def _of_two(values: NDArray[np.float64] | None) -> Prediction | None:
    """Class 1 of two where the one output, its probability, is more than a half."""
    if values is None:
        return None
    probability = float(values[0])
    return (1, probability) if probability > 0.5 else (0, 1 - probability)


def _of_columns(columns: Mapping[str, Positions], cells: Sequence[str], truth: int | None) -> Prediction | None:
    """What ``gradcam-batch`` adds on request.

    Its probability is the explained class's. That is the predicted class where its rank is 1, and, in a CSV without
    ranks, where the predicted class is the true one, there is no true one, or the probability is more than a half.
    """
    numbers = {name: _numbers(cells, positions) for name, positions in columns.items()}
    predicted, probability, rank = (numbers.get(name) for name in (_PREDICTED, _PROBABILITY, _RANK))
    if predicted is None:
        return None
    index = int(predicted[0])
    if probability is None:
        return index, None
    is_of_predicted = rank[0] == 1 if rank is not None else truth in (None, index) or probability[0] > 0.5
    return index, float(probability[0]) if is_of_predicted else None


def _numbers(cells: Sequence[str], positions: Positions) -> NDArray[np.float64] | None:
    """The cells' values; None where one is not a finite number."""
    try:
        values = np.array([float(cells[position]) for position in positions])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


# ---- names


def _stated_names(dataset: Dataset, positions: Positions) -> list[str]:
    """The names that a vector's headers state, ``y__0:cat``, ``y__1:dog``; none where they tell no classes apart."""
    names = [dataset.columns[position].label or "" for position in positions]
    return names if len(names) > 1 and len(set(names)) == len(names) else []


def _once_each(names: Sequence[str]) -> list[str]:
    """The names, with the class index after those that occur more than once."""
    times = Counter(names)
    return [name if times[name] == 1 else f"{name} ({index})".strip() for index, name in enumerate(names)]
