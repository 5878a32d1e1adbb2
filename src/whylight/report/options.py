"""What may be chosen about a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whylight.dataset.options import TableOptions
from whylight.options import labels, option


@dataclass(frozen=True)
class ReportOptions(TableOptions):
    """What a report shows of a result.

    Attributes:
        labels: the classes' names, the first that of class 0; a file with one a line, or a JSON list or mapping; or
            ``imagenet``. By default those that the run knew.
        single: write one file that can be mailed: copies of the pictures are inside, of at most 384 pixels and as many
            rows as a mail takes; the originals are not linked to.
    """

    labels: Path | str | Sequence[str] | None = option(
        None,
        "the classes' names: a file with one a line, a JSON list or mapping, or 'imagenet' (default: as the run knew)",
        metavar="FILE",
        parse=labels,
    )
    single: bool = option(False, "write one file that can be mailed: copies of the pictures are inside")
