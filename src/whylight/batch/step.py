"""One batch, from rows to files: decode, explain, render, encode, write."""

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.batch.plan import Plan
from whylight.dataset.reader import RowReader
from whylight.dataset.table import Dataset, Row, Shard
from whylight.errors import OutOfMemoryError, WhylightError
from whylight.files.encoding import encoded_images
from whylight.files.writing import save_bytes
from whylight.images.pictures import Picture, quiet_decoders
from whylight.options import ClassIndex
from whylight.running.captions import description
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation, overlays

Map = NDArray[Any]

_MOST_PIXELS = 1 << 25
"""Of decoded images that a thread holds at a time: those of three photographs of a camera, in 128 MiB."""

_CELLS: dict[str, Callable[[Explanation], str]] = {
    "score": lambda explanation: f"{explanation.score:.8g}",
    "probability": lambda explanation: f"{explanation.probability:.8g}",
    "predicted": lambda explanation: str(explanation.predicted),
    "rank": lambda explanation: str(explanation.rank),
}
"""What stands in the columns that can be added, `whylight.batch.options.COLUMNS`."""


@dataclass(frozen=True)
class Batch:
    """Rows that go through the network together; ``index`` is the first one's, from 0."""

    shard: int
    index: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RowResult:
    """What has become of a row.

    Attributes:
        checksum: of the overlay file; None where there is none.
        cells: those of `BatchOptions.columns`.
        error: why there is no overlay.
    """

    checksum: int | None
    cells: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class BatchResult:
    """What has become of a batch; ``maps`` are those that go into the shard's file, by the row's index."""

    shard: int
    rows: tuple[RowResult, ...]
    maps: dict[str, Map]


class Step:
    """Takes batches through all stages. One thread does all of one batch; several threads share one step."""

    def __init__(self, plan: Plan, dataset: Dataset, explainer: Explainer) -> None:
        self._plan = plan
        self._dataset = dataset
        self._explainer = explainer
        self._reader = RowReader(dataset, plan.options, explainer, plan.rendering)
        self.origin = self._reader.origin

    def __call__(self, batch: Batch) -> BatchResult:
        """Explain the rows of a batch and write their overlays.

        Raises:
            WhylightError: a row is bad and bad rows are not skipped, or a file cannot be written.
        """
        errors: dict[int, str] = {}
        results: dict[int, RowResult] = {}
        maps: dict[str, Map] = {}
        coming = iter(enumerate(batch.rows, batch.index))
        while inputs := self._read(coming, errors):
            explanations = self._explained(list(inputs.values()))
            pictures = overlays(explanations, self._plan.rendering)
            files = encoded_images(pictures, f".{self._plan.options.format}", map(description, explanations))
            for index, explanation, data in zip(inputs, explanations, files, strict=True):
                save_bytes(data, self._plan.path(self._plan.overlay(index)))
                results[index] = RowResult(zlib.crc32(data), self._cells(explanation))
                if self._plan.options.save_cam:
                    maps |= self._kept_map(index, batch.shard, explanation)
            del inputs, explanations, explanation, pictures, files  # large images, before the next ones are read
        blank = ("",) * len(self._plan.options.columns)
        rows = (
            results.get(index) or RowResult(None, blank, errors[index])
            for index in range(batch.index, batch.index + len(batch.rows))
        )
        return BatchResult(batch.shard, tuple(rows), maps)

    def batches(self, shard: Shard, done: int = 0) -> Iterator[Batch]:
        """A shard's batches, behind the rows that are done."""
        rows = islice(self._dataset.rows(shard), done, None)
        index = shard.first - 1 + done
        while batch := tuple(islice(rows, self._plan.batch_size)):
            yield Batch(shard.index, index, batch)
            index += len(batch)

    def check(self, row: Row) -> None:
        """Check all of a row that can be checked without decoding its image.

        Raises:
            WhylightError: it is bad, and bad rows are not skipped; or the run would write over its image.
        """
        try:
            image, _ = self._reader.checked(row)
        except WhylightError:
            if self._plan.skips_errors:
                return
            raise
        if isinstance(image, Path):
            self._plan.refuse_to_replace(image)

    def _read(self, rows: Iterator[tuple[int, Row]], errors: dict[int, str]) -> dict[int, tuple[Picture, ClassIndex]]:
        """The next rows by their index: all, or as many as have the pixels of a few photographs.

        Raises:
            WhylightError: a row is bad and bad rows are not skipped.
        """
        inputs: dict[int, tuple[Picture, ClassIndex]] = {}
        values = 0
        with quiet_decoders():
            for index, row in rows:
                try:
                    picture, class_index = self._reader.read(row)
                except WhylightError as error:
                    if not self._plan.skips_errors:
                        raise
                    errors[index] = str(error)
                    continue
                inputs[index] = picture, class_index
                values += prod(picture.size)
                if values >= _MOST_PIXELS:
                    break
        return inputs

    def _explained(self, inputs: Sequence[tuple[Picture, ClassIndex]]) -> list[Explanation]:
        """Explanations of as many images at once as memory allows."""
        if not inputs:
            return []
        pictures, class_indices = zip(*inputs, strict=True)
        try:
            return self._explainer.explain(pictures, class_indices, self.origin)
        except OutOfMemoryError:
            if len(inputs) == 1:
                raise
            half = len(inputs) // 2
            return self._explained(inputs[:half]) + self._explained(inputs[half:])

    def _cells(self, explanation: Explanation) -> tuple[str, ...]:
        return tuple(_CELLS[name](explanation) for name in self._plan.options.columns)

    def _kept_map(self, index: int, shard: int, explanation: Explanation) -> dict[str, Map]:
        cam = explanation.cam.astype(self._plan.options.cam_type)
        if self._plan.options.save_cam == "npz":
            return {str(index): cam}
        buffer = io.BytesIO()
        np.save(buffer, cam)
        save_bytes(buffer.getvalue(), self._plan.path(self._plan.map_file(index, shard)))
        return {}
