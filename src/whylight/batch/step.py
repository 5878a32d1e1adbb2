"""One batch, from rows to files: decode, explain, render, encode, write."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whylight.batch.plan import Plan
from whylight.dataset.reader import RowReader
from whylight.dataset.table import Dataset, Row, Shard
from whylight.errors import OutOfMemoryError, WhylightError
from whylight.files.bands import AnyImage, size_of
from whylight.files.encoding import check_size, encoded_images
from whylight.files.storage import is_path, is_remote, path_of
from whylight.files.writing import save_bytes
from whylight.images.pictures import Picture, quiet_decoders
from whylight.options import ClassIndex
from whylight.running.captions import description
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation, overlays

if TYPE_CHECKING:
    from whylight.images.inputs import ImageLike

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
        stamp: what tells the row's image and class from changed ones: see `Step.stamp`.
    """

    checksum: int | None
    cells: tuple[str, ...] = ()
    error: str = ""
    stamp: str = ""


@dataclass(frozen=True)
class BatchResult:
    """What has become of a batch; ``maps`` are those that go into the shard's file, by the row's index."""

    shard: int
    rows: tuple[RowResult, ...]
    maps: dict[str, Map]


class _Found:
    """What is known of the rows of a batch beside their images, by their index."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.errors: dict[int, str] = {}
        self.stamps: dict[int, str] = {}

    def row(self, index: int) -> Row:
        return self._batch.rows[index - self._batch.index]


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
        found = _Found(batch)
        results: dict[int, RowResult] = {}
        maps: dict[str, Map] = {}
        coming = iter(enumerate(batch.rows, batch.index))
        while inputs := self._read(coming, found):
            explanations = self._explained(list(inputs.values()))
            for index, explanation, data in self._files(list(inputs), explanations, found):
                save_bytes(data, self._plan.path(self._plan.overlay(index)))
                results[index] = RowResult(zlib.crc32(data), self._cells(explanation), "", found.stamps[index])
                if self._plan.options.save_cam:
                    maps |= self._kept_map(index, batch.shard, explanation)
                del explanation
            del inputs, explanations  # large images, before the next ones are read
        blank = ("",) * len(self._plan.options.columns)
        rows = (
            results.get(index) or RowResult(None, blank, found.errors[index], found.stamps[index])
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

    def check(self, row: Row, follow_links: bool = False) -> None:
        """Check all of a row that can be checked without decoding its image.

        Args:
            row: one of the dataset's.
            follow_links: see `Plan.refuse_to_replace` also what its image is a link to: there are overlays already.

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
            if follow_links:
                self._plan.refuse_to_replace(image.resolve())

    def stamp(self, row: Row) -> str:
        """What tells a row's image, and the class that a file of it names, from changed ones."""
        try:
            return self._stamp(*self._reader.checked(row))
        except WhylightError:
            return ""

    def _stamp(self, image: ImageLike, class_index: ClassIndex) -> str:
        if not isinstance(image, Path):  # which needs no more looking at
            if not is_path(image) and not isinstance(image, str):
                return ""  # in memory: the run's fingerprint has it
            image = path_of(image)  # type: ignore[arg-type]
        path: Path = image
        try:
            if self._plan.options.verify:
                return f"{class_index} {hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()}"
            if is_remote(path):
                return str(class_index)
            facts = os.stat(path)  # noqa: PTH116  # a row each
        except (OSError, ValueError) as error:
            return f"{class_index} {type(error).__name__}"
        return f"{class_index} {facts.st_size} {facts.st_mtime_ns}"

    def _files(
        self, indices: Sequence[int], explanations: Sequence[Explanation], found: _Found
    ) -> Iterator[tuple[int, Explanation, bytes]]:
        """The overlays' files, but of those that the format cannot hold.

        Raises:
            WhylightError: there is one, and bad rows are not skipped.
        """
        ending = f".{self._plan.options.format}"
        fitting: deque[tuple[int, Explanation]] = deque()

        def pictures() -> Iterator[AnyImage]:
            drawn = overlays(explanations, self._plan.rendering)
            for index, explanation, picture in zip(indices, explanations, drawn, strict=True):
                try:
                    check_size(size_of(picture), ending)
                except WhylightError as error:
                    of_row = self._dataset.row_error(found.row(index), error)
                    if not self._plan.skips_errors:
                        raise of_row from error
                    found.errors[index] = str(of_row)
                    continue
                fitting.append((index, explanation))
                described.append(description(explanation))
                yield picture

        described: deque[str] = deque()
        for data in encoded_images(pictures(), ending, iter(described.popleft, None)):  # one behind each picture
            yield *fitting.popleft(), data

    def _read(self, rows: Iterator[tuple[int, Row]], found: _Found) -> dict[int, tuple[Picture, ClassIndex]]:
        """The next rows by their index: all, or as many as have the pixels of a few photographs.

        Raises:
            WhylightError: a row is bad and bad rows are not skipped.
        """
        inputs: dict[int, tuple[Picture, ClassIndex]] = {}
        values = 0
        with quiet_decoders():
            for index, row in rows:
                found.stamps[index] = ""
                try:
                    image, class_index = self._reader.checked(row)
                    found.stamps[index] = self._stamp(image, class_index)  # before it is read: it may change meanwhile
                    picture = self._reader.decoded(row, image)
                except WhylightError as error:
                    if not self._plan.skips_errors:
                        raise
                    found.errors[index] = str(error)
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
