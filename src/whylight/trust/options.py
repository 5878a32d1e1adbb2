"""What may be chosen about an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from whylight.dataset.options import RowOptions
from whylight.files.storage import path_of
from whylight.options import count, listed, number, option


@dataclass(frozen=True)
class EvaluationOptions(RowOptions):
    """What is evaluated.

    Attributes:
        metrics: names; by default all that the dataset allows.
        box_variable: holds left, top, right, bottom of the object; by default ``box``, if there is one.
        mask_variable: holds the object's mask; by default ``mask``, if there is one and no box.
        limit: rows; by default all.
        steps: of insertion and deletion; see `whylight.trust.cases.Cases`.
        tolerance: of the pointing game; see `whylight.trust.cases.Cases`.
        per_image: a CSV to write, with all values of each row.
    """

    metrics: tuple[str, ...] = option(
        (), "what to measure (default: all that the dataset allows)", metavar="A,B", parse=listed
    )
    box_variable: str | None = option(
        None, "the variable with left, top, right, bottom of the object (default: box)", metavar="NAME"
    )
    mask_variable: str | None = option(
        None, "the variable with the object's mask, an image file (default: mask)", metavar="NAME"
    )
    limit: int | None = option(None, "only the first rows", metavar="N", parse=count)
    steps: int | None = option(
        None, "of insertion and deletion (default: the input's height)", metavar="N", parse=count
    )
    tolerance: float | None = option(
        None,
        "of the pointing game, in pixels of the model's input (default: 15 for 224, else in proportion)",
        metavar="PIXELS",
        parse=number,
    )
    per_image: Path | None = option(
        None, "write a CSV with the values of each image too", metavar="FILE", parse=path_of
    )
