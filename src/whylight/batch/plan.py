"""What a run does, in plain data that can be sent to other processes, and the files it writes."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from whylight.contract import ExplainerFacts
from whylight.files.storage import is_remote
from whylight.version import __version__

COLUMNS = ("score", "probability", "predicted", "rank")
"""Columns that the result can have besides ``gradcam``."""
MAP_FILES = ("npz", "npy")
MAP_TYPES = ("float16", "float32")

ROWS_A_FOLDER = 1000
_BATCH_BYTES = 512 * 2**20
_LARGEST_BATCH = 64


@dataclass(frozen=True)
class Rendering:
    """How overlays look: see `whylight.running.explainer.Explanation.overlay`; ``format`` is the files' ending."""

    alpha: float = 0.5
    colormap: str = "jet"
    size: str = "original"
    format: str = "png"


@dataclass(frozen=True)
class Plan:
    """A run over a dataset CSV.

    Attributes:
        table: the dataset CSV.
        output: the result CSV.
        input_variable: the variable that holds the image.
        label_variable: the variable that names the class to explain; None explains the predicted class.
        batch_size: images a run of the network. Batches begin at multiples of it, whatever runs them, so that the
            result does not depend on who ran which.
        skip_errors: go on after a bad row.
        rendering: how overlays look.
        columns: some of `COLUMNS`.
        map_files: write the maps too: ``npz`` (one file a shard), ``npy`` (one each), or None.
        map_type: the type of their values.
    """

    table: Path
    output: Path
    input_variable: str = "x"
    label_variable: str | None = "y"
    batch_size: int = 16
    skip_errors: bool = False
    rendering: Rendering = Rendering()
    columns: tuple[str, ...] = ()
    map_files: str | None = None
    map_type: str = "float16"

    @classmethod
    def suggested_batch_size(cls, facts: ExplainerFacts) -> int:
        """A power of two that keeps one batch's tensors within 512 MiB: it depends on the model alone."""
        fitting = _BATCH_BYTES // max(facts.activation_bytes, 1)
        return min(max(1 << (fitting.bit_length() - 1 if fitting else 0), 1), _LARGEST_BATCH)

    @property
    def shard_size(self) -> int:
        """Rows a shard: whole batches, around 256 rows."""
        return self.batch_size * max(1, 256 // self.batch_size)

    @property
    def added_columns(self) -> tuple[str, ...]:
        """The columns behind those of the dataset."""
        return (*self.columns, *(["cam"] if self.map_files else []), *(["error"] if self.skip_errors else []))

    @property
    def run_folder(self) -> Path:
        """Where the run's journal is until the run is over: beside the output, or, for a URL, on this machine."""
        if is_remote(self.output):
            name = hashlib.blake2b(str(self.output).encode(), digest_size=16).hexdigest()
            return Path.home() / ".whylight" / f"{name}.run"
        return self.output.with_name(f".{self.output.name}.run")

    def overlay(self, index: int) -> str:
        """The overlay of row ``index``, from 0, relative to the folder of the result CSV, as that names it."""
        return f"{self._name}/{index // ROWS_A_FOLDER:04d}/{index}.{self.rendering.format}"

    def map_file(self, index: int, shard: int) -> str:
        """The file with the map of row ``index``, likewise; in an .npz its name there is the row's index."""
        if self.map_files == "npz":
            return f"{self._name}/cam/{shard:05d}.npz"
        return f"{self._name}/cam/{index // ROWS_A_FOLDER:04d}/{index}.npy"

    def path(self, name: str) -> Path:
        """Where a file is that the result CSV names."""
        if self._folder is None:
            return self.output.parent / name
        return Path(os.path.join(self._folder, name))  # noqa: PTH118  # a row each: half of what pathlib takes

    @cached_property
    def _name(self) -> str:
        return self.output.stem

    @cached_property
    def _folder(self) -> str | None:
        return None if is_remote(self.output) else str(self.output.parent)

    def fingerprint(self, explainer: str) -> str:
        """What must be the same for a run to go on where another one stopped.

        Args:
            explainer: a digest of the explainer graph.
        """
        facts = asdict(self) | {"output": "", "table": _digest(self.table), "explainer": explainer}
        return hashlib.blake2b(json.dumps([__version__, facts], sort_keys=True).encode(), digest_size=16).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
