"""What may be chosen about a run over a dataset."""

from __future__ import annotations

from dataclasses import dataclass

from whylight.dataset.options import RowOptions
from whylight.errors import WhylightError
from whylight.options import count, listed, option

FORMATS = ("png", "jpg", "webp")
COLUMNS = ("score", "probability", "predicted", "rank")
"""Columns that the result can have besides ``gradcam``."""
MAP_FILES = ("npz", "npy")
MAP_TYPES = ("float16", "float32")
ENGINES = ("local", "ray")


@dataclass(frozen=True)
class BatchOptions(RowOptions):
    """What a run over a dataset writes, what it does about bad rows, and what runs it.

    Attributes:
        format: the overlays' ending.
        columns: some of `COLUMNS`, added to the result.
        save_cam: write the maps too: ``npz`` (one file a shard), ``npy`` (one each), or None.
        cam_type: the type of their values.
        verify: of a run that goes on, tell changed images by their content; without by their size and time of change.
        on_error: at a bad row ``stop``, or ``skip`` it.
        workers: processes of this machine; by default one, or, where the network takes less time than Python does to
            read and write its images, one a core.
        engine: ``local`` (this machine) or ``ray`` (a Ray cluster).
        address: of the Ray cluster.
    """

    format: str = option("png", "the overlays' format", choices=FORMATS)
    columns: tuple[str, ...] = option((), f"add to the CSV: {', '.join(COLUMNS)}", metavar="A,B", parse=listed)
    save_cam: str | None = option(None, "write the maps too: one file a shard, or one each", choices=MAP_FILES)
    cam_type: str = option("float16", "the maps' type", choices=MAP_TYPES)
    verify: bool = option(
        False, "going on after a stop, tell changed images by their content, not by their size and time of change"
    )
    on_error: str = option("stop", "at a bad row: stop, or leave its cell empty and go on", choices=("stop", "skip"))
    workers: int | None = option(
        None, "processes on this machine (default: one; one a core for tiny models)", metavar="N", parse=count
    )
    engine: str = option("local", "what runs the shards", choices=ENGINES)
    address: str | None = option(None, "of the Ray cluster (default: the one at hand, or a new one)", metavar="ADDRESS")

    def __post_init__(self) -> None:
        """Parse and check all values; see `Options`."""
        super().__post_init__()
        for name in self.columns:
            if name not in COLUMNS:
                raise WhylightError(f"no column '{name}' to add: expected some of {', '.join(COLUMNS)}")
