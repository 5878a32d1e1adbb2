"""Commands for a whole dataset."""

import argparse
import sys
from pathlib import Path

from whylight.cli.arguments import (
    add_device,
    add_explanation,
    add_model,
    add_model_facts,
    add_rendering,
    class_names,
    explainer_of,
)
from whylight.files.storage import location

_ROWS_SKIPPED = 1


def add_gradcam_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        default="output_result.csv",
        help="the dataset CSV with the image files: a path or a URL",
    )
    add_model(command, option=True)
    command.add_argument(
        "-v1", "--input_variable", metavar="NAME", default="x", help="the variable of the CSV that holds the image"
    )
    command.add_argument(
        "-v2",
        "--label_variable",
        metavar="NAME",
        default="y",
        help="the variable of the CSV that holds the class index",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="gradcam.csv",
        help="the dataset CSV to write, a path or a URL; the overlays go into a folder of its name",
    )
    command.add_argument(
        "--predicted", action="store_true", help="explain the predicted class of each image instead of its label"
    )
    command.add_argument(
        "--batch_size", type=int, metavar="N", help="images a run of the network (default: as the model's size allows)"
    )
    command.add_argument(
        "--threads", type=int, metavar="N", help="batches at once in a process (default: one a core, as memory allows)"
    )
    command.add_argument(
        "--workers", type=int, metavar="N", help="processes on this machine (default: one; one a core for tiny models)"
    )
    command.add_argument("--engine", default="local", choices=("local", "ray"), help="what runs the shards")
    command.add_argument(
        "--address", metavar="ADDRESS", help="of the Ray cluster (default: the one at hand, or a new one)"
    )
    command.add_argument("--format", default="png", choices=("png", "jpg", "webp"), help="the overlays' format")
    command.add_argument(
        "--columns", default="", metavar="A,B", help="add to the CSV: score, probability, predicted, rank"
    )
    command.add_argument("--save_cam", choices=("npz", "npy"), help="write the maps too: one file a shard, or one each")
    command.add_argument("--cam_type", default="float16", choices=("float16", "float32"), help="the maps' type")
    command.add_argument(
        "--on_error",
        default="stop",
        choices=("stop", "skip"),
        help="at a bad row: stop, or leave its cell empty and go on",
    )
    add_explanation(command)
    add_model_facts(command)
    add_device(command)
    add_rendering(command)


def run_gradcam_batch(arguments: argparse.Namespace) -> int:
    from whylight.batch import Engine, explain_dataset
    from whylight.batch.plan import Plan, Rendering
    from whylight.dataset.table import open_dataset

    table = location(arguments.input)
    open_dataset(table).columns_of(arguments.input_variable)
    explainer = explainer_of(arguments)
    plan = Plan(
        table=table,
        output=location(arguments.output),
        input_variable=arguments.input_variable,
        label_variable=None if arguments.predicted else arguments.label_variable,
        batch_size=Plan.suggested_batch_size(explainer.facts) if arguments.batch_size is None else arguments.batch_size,
        skip_errors=arguments.on_error == "skip",
        rendering=Rendering(arguments.alpha, arguments.colormap, arguments.size, arguments.format),
        columns=tuple(filter(None, arguments.columns.split(","))),
        map_files=arguments.save_cam,
        map_type=arguments.cam_type,
    )
    summary = explain_dataset(
        explainer,
        plan,
        engine=Engine(arguments.engine, arguments.threads, arguments.workers, arguments.address, explainer.device),
        say=_show_note,
    )
    speed = f"{summary.rate:.1f} a second on {explainer.device}"
    print(f"{summary.explained} of {summary.rows} images explained, {speed}: {arguments.output}")
    for reason, count in summary.skipped.items():
        print(f"whylight: {count} skipped: {reason}", file=sys.stderr)
    return _ROWS_SKIPPED if summary.skipped else 0


def _show_note(text: str) -> None:
    print(f"whylight: {text}", file=sys.stderr)


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
    command.add_argument(
        "-v1", "--input_variable", metavar="NAME", default="x", help="the variable of the CSV that holds the image"
    )
    command.add_argument(
        "-v2",
        "--label_variable",
        metavar="NAME",
        default="y",
        help="the variable of the CSV that holds the class index",
    )
    command.add_argument("--labels", metavar="FILE", type=Path, help="a text file with one class name a line")


def run_report(arguments: argparse.Namespace) -> int:
    from whylight.report.page import write_report

    summary = write_report(
        arguments.table,
        arguments.output,
        input_variable=arguments.input_variable,
        label_variable=arguments.label_variable,
        labels=class_names(arguments.labels),
    )
    accuracy = "" if summary.accuracy is None else f", {summary.accuracy:.1%} right"
    print(f"{summary.rows} rows{accuracy}: {arguments.output}")
    return 0


COMMANDS = (
    ("gradcam-batch", run_gradcam_batch, add_gradcam_batch, "explain every image of a dataset CSV"),
    ("report", run_report, add_report, "make a page of a gradcam-batch result: accuracy, confusions, every image"),
)
