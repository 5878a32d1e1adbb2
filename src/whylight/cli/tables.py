"""Results as tables of text."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whylight.trust.evaluation import Evaluation
    from whylight.trust.sanity import SanityReport


def evaluation_table(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a method a row, of each metric the mean and its standard error; arrows show where better is."""
    head = ["method", *(metric.title for metric in evaluation.metrics)]
    return head, [
        [name, *(evaluation.scores[name][metric.name].text for metric in evaluation.metrics)]
        for name in evaluation.methods
    ]


def sanity_table(reports: Sequence[SanityReport]) -> tuple[list[str], list[list[str]]]:
    """Head and rows: a stage a row."""
    head = ["method", "randomized", "layer", "|Spearman|", "|Spearman|, signed", "SSIM"]
    return head, [
        [report.method, stage.kind, stage.layer, stage.absolute.text, stage.signed.text, stage.similarity.text]
        for report in reports
        for stage in report.stages
    ]


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal; elsewhere the same in plain columns."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*head)
        for row in rows:
            table.add_row(*row)
        console = Console()
        with console.capture() as captured:
            console.print(table)
        return captured.get().rstrip("\n")
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    )
    return "\n".join(lines)
