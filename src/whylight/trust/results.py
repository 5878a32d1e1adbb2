"""Evaluations and sanity checks as CSV, and as a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whylight.drawing.chart import Bars, Lines, Panel, chart
from whylight.drawing.page import Page
from whylight.drawing.saving import save_page
from whylight.files.writing import save_bytes
from whylight.trust.cases import Values
from whylight.trust.evaluation import Evaluation
from whylight.trust.sanity import BOUND, SanityReport

_CURVE_AXES = {
    "insertion": ("pixels inserted", "probability"),
    "deletion": ("pixels set to zero", "probability"),
    "road": ("pixels imputed", "(least - most relevant) / 2"),
}


def evaluation_csv(evaluation: Evaluation) -> bytes:
    """One row a method: of each metric the mean, its ``_error`` and the ``_count`` of images with a value."""
    names = [metric.name for metric in evaluation.metrics]
    head = ["method", *(f"{name}{end}" for name in names for end in ("", "_error", "_count"))]
    rows = []
    for method, scores in evaluation.scores.items():
        cells = [(scores[name].mean, scores[name].error, scores[name].count) for name in names]
        rows.append([method, *(_cell(value) for three in cells for value in three)])
    return csv_bytes(head, rows)


def evaluation_chart(evaluation: Evaluation) -> Page:
    """Bars of each metric with standard errors, and the mean curves of those that have one."""
    methods = evaluation.methods
    panels: list[Panel] = []
    for metric in evaluation.metrics:
        scores = [evaluation.scores[name][metric.name] for name in methods]
        direction = "higher" if metric.higher_is_better else "lower"
        panels.append(
            Bars(
                f"{metric.name} ({direction} is better)",
                methods,
                [score.mean for score in scores],
                [score.error for score in scores],
            )
        )
    for metric in evaluation.metrics:
        curves = {
            name: evaluation.curves[name][metric.name] for name in methods if metric.name in evaluation.curves[name]
        }
        if curves:
            x_label, y_label = _CURVE_AXES.get(metric.name, ("", ""))
            panels.append(Lines(metric.name, y_label, curves, x_label))
    return chart(panels, methods)


def sanity_csv(reports: Sequence[SanityReport]) -> bytes:
    """One row a stage, and one for the edges; the method's verdict in each."""
    measures = ("spearman_absolute", "spearman_signed", "ssim")
    head = ["method", "passes", "randomized", "layer", *(f"{name}{end}" for name in measures for end in ("", "_error"))]
    rows = []
    for report in reports:
        passes = "yes" if report.passes else "no"
        for stage in report.stages:
            scores = (stage.absolute, stage.signed, stage.similarity)
            cells = [_cell(value) for score in scores for value in (score.mean, score.error)]
            rows.append([report.method, passes, stage.kind, stage.layer, *cells])
        edge = [_cell(report.edges.mean), _cell(report.edges.error)]
        rows.append([report.method, passes, "edges", "", *edge, "", "", "", ""])
    return csv_bytes(head, rows)


def sanity_chart(reports: Sequence[SanityReport]) -> Page:
    """How alike maps stay, stage by stage, with a line for each method; below the bound they count as different."""
    stages = {kind: [stage.layer for stage in reports[0].of(kind)] for kind in ("cascading", "independent")}
    panels = []
    for kind, name in (("cascading", "correlation"), ("cascading", "similarity"), ("independent", "correlation")):
        begins = ["unchanged"] if kind == "cascading" else []
        curves = {
            report.method: _points(
                [getattr(stage, name).mean for stage in report.of("unchanged")[: len(begins)] + report.of(kind)]
            )
            for report in reports
        }
        places = begins + stages[kind]
        if name == "correlation":
            curves["bound"] = (np.array([0, len(places) - 1.0]), np.array([BOUND, BOUND]))
        label = "|Spearman|" if name == "correlation" else "SSIM"
        title = f"{label}, {kind} randomization"
        panels.append(Lines(title, f"{label} with the model's own maps", curves, names_at_positions=places, high=1))
    return chart(panels, [*(report.method for report in reports), "bound"])


def _points(values: Sequence[float]) -> tuple[Values, Values]:
    return np.arange(len(values), dtype=np.float64), np.array(values, np.float64)


def csv_bytes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV file's content."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()


def save_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the CSV, and the chart beside it, with the same name and ``.png``.

    Raises:
        WhylightError: they cannot be written.
    """
    save_bytes(evaluation_csv(evaluation), path)
    save_page(lambda _: evaluation_chart(evaluation), path.with_suffix(".png"))


def save_sanity(reports: Sequence[SanityReport], path: Path) -> None:
    """Write the CSV, and the chart beside it, with the same name and ``.png``.

    Raises:
        WhylightError: they cannot be written.
    """
    save_bytes(sanity_csv(reports), path)
    save_page(lambda _: sanity_chart(reports), path.with_suffix(".png"))


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
