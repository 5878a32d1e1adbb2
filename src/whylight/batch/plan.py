"""What a run does, in plain data that can be sent to other processes, and the files it writes."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from whylight.batch.options import BatchOptions
from whylight.dataset.image_files import ImageFiles
from whylight.dataset.result_facts import FILE
from whylight.dataset.table import Dataset
from whylight.errors import WhylightError
from whylight.files.storage import is_remote
from whylight.options import Rendering
from whylight.version import __version__

ROWS_A_FOLDER = 1000
_OVERLAY = re.compile(r"(cam[/\\])?[0-9]{4,}[/\\][0-9]+\.\w+")
"""What overlays and maps are called in the result's folder."""
_WHO_WORKS = ("workers", "engine", "address", "verify")
"""Options that the result does not depend on."""
_DEFAULT, _PLAIN = BatchOptions(), Rendering()


@dataclass(frozen=True)
class Plan:
    """A run over a dataset.

    Attributes:
        table: the dataset CSV's path, or a table in memory.
        output: the result CSV.
        options: what is read and written.
        rendering: how overlays look.
        batch_size: images a run of the network. Batches begin at multiples of it, whatever runs them, so that the
            result does not depend on who ran which.
        class_names: those that the overlays have.
    """

    table: Path | Dataset
    output: Path
    options: BatchOptions = _DEFAULT
    rendering: Rendering = _PLAIN
    batch_size: int = 16
    class_names: tuple[str, ...] = ()

    @property
    def shard_size(self) -> int:
        """Rows a shard: whole batches, around 256 rows."""
        return self.batch_size * max(1, 256 // self.batch_size)

    @property
    def added_columns(self) -> tuple[str, ...]:
        """The columns behind those of the dataset."""
        maps, errors = ["cam"] if self.options.save_cam else [], ["error"] if self.skips_errors else []
        return (*self.options.columns, *maps, *errors)

    @property
    def skips_errors(self) -> bool:
        """Whether the run goes on after a bad row."""
        return self.options.on_error == "skip"

    @property
    def run_folder(self) -> Path:
        """Where the run's journal is until the run is over: beside the output, or, for a URL, on this machine."""
        if is_remote(self.output):
            name = hashlib.blake2b(str(self.output).encode(), digest_size=16).hexdigest()
            return Path.home() / ".whylight" / f"{name}.run"
        return self.output.with_name(f".{self.output.name}.run")

    @property
    def lock_file(self) -> Path:
        """What holds the folder of the overlays against other runs: ``r.csv`` and ``r.tsv`` have one in common."""
        if is_remote(self.output):
            return self.run_folder.with_suffix(".lock")
        return self.output.with_name(f".{self._name}.whylight.lock")

    def overlay(self, index: int) -> str:
        """The overlay of row ``index``, from 0, relative to the folder of the result CSV, as that names it."""
        return f"{self._name}/{index // ROWS_A_FOLDER:04d}/{index}.{self.options.format}"

    def map_file(self, index: int, shard: int) -> str:
        """The file with the map of row ``index``, likewise; in an .npz its name there is the row's index."""
        if self.options.save_cam == "npz":
            return f"{self._name}/cam/{shard:05d}.npz"
        return f"{self._name}/cam/{index // ROWS_A_FOLDER:04d}/{index}.npy"

    def refuse_to_replace(self, source: Path) -> None:
        """See that a file that is read is none that the run writes.

        Raises:
            WhylightError: it is the result, or lies where its overlays go; of a folder of images, also if none of them
                would be written over: it would be a folder of results from then on.
        """
        if is_remote(self.output):
            return
        path = os.path.abspath(source)  # noqa: PTH100  # a row each
        for result, overlays in self._written:
            is_among_overlays = path.startswith(overlays)
            if path == result or (is_among_overlays and _OVERLAY.fullmatch(path, len(overlays))):
                raise WhylightError(f"{source}: the run would write over it: choose another output than {self.output}")
            if is_among_overlays and isinstance(self.table, ImageFiles):
                raise WhylightError(
                    f"{source}: the overlays would lie among the images, in '{self._name}': choose another output than "
                    f"{self.output}"
                )

    @property
    def facts_file(self) -> str:
        """The file with what is true of all overlays, likewise: see `whylight.dataset.result_facts`."""
        return f"{self._name}/{FILE}"

    def path(self, name: str) -> Path:
        """Where a file is that the result CSV names."""
        if self._folder is None:
            return self.output.parent / name
        return Path(os.path.join(self._folder, name))  # noqa: PTH118  # a row each: half of what pathlib takes

    @cached_property
    def _written(self) -> list[tuple[str, str]]:
        """The result and the folder of its overlays: as they are named, and without links on the way."""
        folder = os.path.abspath(self.output.parent)  # noqa: PTH100
        return [
            (os.path.join(each, self.output.name), os.path.join(each, self._name, ""))  # noqa: PTH118
            for each in dict.fromkeys([folder, os.path.realpath(folder)])
        ] + [(os.path.realpath(self.output), os.path.join(os.path.realpath(os.path.join(folder, self._name)), ""))]  # noqa: PTH118

    @cached_property
    def _name(self) -> str:
        return self.output.stem

    @cached_property
    def _folder(self) -> str | None:
        return None if is_remote(self.output) else str(self.output.parent)

    def fingerprint(self, dataset: Dataset, explainer: str) -> str:
        """What must be the same for a run to go on where another one stopped: all but who does the work.

        Args:
            dataset: the table, opened.
            explainer: a digest of the explainer graph.
        """
        written = {name: value for name, value in self.options.to_dict().items() if name not in _WHO_WORKS}
        facts = [written, self.rendering.to_dict(), self.batch_size, self.class_names, dataset.digest(), explainer]
        return hashlib.blake2b(json.dumps([__version__, facts], sort_keys=True).encode(), digest_size=16).hexdigest()
