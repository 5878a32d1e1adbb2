"""Commands for a whole dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight import api
from whylight.batch.options import BatchOptions
from whylight.cli.arguments import add_method, add_model_option
from whylight.cli.command import Answer, Command
from whylight.cli.progress import progress
from whylight.cli.saying import note
from whylight.files.checks import one_line
from whylight.options import Chosen, Execution, ModelOptions, Options, Output, Question, Rendering
from whylight.report.options import ReportOptions

if TYPE_CHECKING:
    from whylight.api.models import ModelLike
    from whylight.dataset.opening import Table
    from whylight.running.explainer import Explainer

_ROWS_SKIPPED = 1
_OPTIONS = (BatchOptions, ModelOptions, Question, Execution, Rendering, Output)


def add_gradcam_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        nargs="+",
        default=["output_result.csv"],
        help="the dataset CSV with the image files, a path or a URL; or images: a folder, a pattern, or several files "
        "(default: output_result.csv)",
    )
    add_model_option(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="gradcam.csv",
        help="the dataset CSV to write, a path or a URL; the overlays go into a folder of its name",
    )
    add_method(command)


def run_gradcam_batch(arguments: argparse.Namespace, options: Chosen) -> Answer:
    return explained(
        arguments.model,
        arguments.input,
        arguments.output,
        *(options[kind] for kind in _OPTIONS),
        method=arguments.method,
        parameters=arguments.parameters,
    )


def explained(model: ModelLike | Explainer, table: Table, output: str, *options: Options, **more: Any) -> Answer:
    """Explain a dataset, and say how it went."""
    with progress("explaining") as bar:
        summary = api.explain_dataset(
            model, table, output, *options, say=note, expect=bar.expect, advance=bar.advance, **more
        )
    for reason, count in summary.skipped.items():
        note(f"{count} skipped: {reason}")
    speed = f"{summary.rate:.1f} a second on {summary.device}"
    text = f"{summary.explained} of {summary.rows} images explained, {speed}: {one_line(output)}"
    return Answer(summary.to_dict(), text, _ROWS_SKIPPED if summary.skipped else 0)


def add_report(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "table", metavar="CSV", nargs="?", type=Path, default=Path("gradcam.csv"), help="the CSV of gradcam-batch"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("report.html"),
        help="the page to write; its thumbnails go into a folder beside it, report_files",
    )


def run_report(arguments: argparse.Namespace, options: Chosen) -> Answer:
    with progress("drawing") as bar:
        summary = api.write_report(
            arguments.table, arguments.output, options[ReportOptions], options[Output], advance=bar.advance
        )
    accuracy = "" if summary.accuracy is None else f", {summary.accuracy:.1%} right"
    if summary.accuracy == 1:  # perhaps the model made the labels
        accuracy = ", every label is what the model predicts"
    return Answer(summary.to_dict(), f"{summary.rows} rows{accuracy}: {one_line(arguments.output)}")


COMMANDS = (
    Command(
        "gradcam-batch",
        "explain every image of a dataset CSV",
        run_gradcam_batch,
        add_gradcam_batch,
        _OPTIONS,
    ),
    Command(
        "report",
        "make a page of a gradcam-batch result: accuracy, confusions, every image",
        run_report,
        add_report,
        (ReportOptions, Output),
    ),
)
