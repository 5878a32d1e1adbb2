"""What may be chosen about a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.dataset.options import TableOptions
from whylight.options import option


def _labels(value: Any) -> Path | tuple[str, ...]:
    if isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, Sequence) or not all(isinstance(name, str) for name in value):
        raise ValueError("expected a text file with one class name a line, or the names")
    return tuple(value)


@dataclass(frozen=True)
class ReportOptions(TableOptions):
    """What a report shows of a result.

    Attributes:
        labels: the classes' names, the first that of class 0, or a text file with one a line.
    """

    labels: Path | Sequence[str] | None = option(
        None, "a text file with one class name a line", metavar="FILE", parse=_labels
    )
