"""The commands ``whylight evaluate`` and ``whylight sanity``: their arguments, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight import load_with
from whylight.cli.arguments import (
    ALL,
    add_device,
    add_explanation,
    add_model,
    add_model_facts,
    explainer_of,
    explaining,
    methods_of,
    model_options,
    names_of,
)
from whylight.errors import WhylightError

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.running.explainer import Explainer

_FAILED = 1


def add_evaluate(command: argparse.ArgumentParser) -> None:
    add_model(command, option=True)
    add_model_facts(command)
    add_explanation(command)
    add_device(command)
    command.set_defaults(method="gradcam,random")
    command.add_argument(
        "-i", "--input", metavar="FILE", type=Path, default=Path("output_result.csv"), help="the dataset CSV"
    )
    command.add_argument(
        "--metrics", default="", metavar="A,B", help="what to measure (default: all that the dataset allows)"
    )
    command.add_argument(
        "-v1", "--input_variable", metavar="NAME", default="x", help="the variable of the CSV that holds the image"
    )
    command.add_argument(
        "-v2", "--label_variable", metavar="NAME", default="y", help="the variable that holds the class to explain"
    )
    command.add_argument("--predicted", action="store_true", help="explain the predicted class instead of the label")
    command.add_argument(
        "--box_variable", metavar="NAME", help="the variable with left, top, right, bottom of the object (default: box)"
    )
    command.add_argument(
        "--mask_variable", metavar="NAME", help="the variable with the object's mask, an image file (default: mask)"
    )
    command.add_argument("--limit", type=int, metavar="N", help="only the first rows")
    command.add_argument("--batch_size", type=int, metavar="N", default=16, help="images a run of the network")
    command.add_argument("--threads", type=int, metavar="N", help="batches at once (default: one a core)")
    command.add_argument(
        "--steps", type=int, metavar="N", help="of insertion and deletion (default: the input's height)"
    )
    command.add_argument(
        "--tolerance",
        type=float,
        metavar="PIXELS",
        help="of the pointing game, in pixels of the model's input (default: 15 for 224, else in proportion)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("evaluation.csv"),
        help="the CSV to write, one row a method; the chart beside it has its name and .png",
    )
    command.add_argument("--per_image", metavar="FILE", type=Path, help="write a CSV with the values of each image too")


def run_evaluate(arguments: argparse.Namespace) -> int:
    from whylight.cli.progress import progress
    from whylight.files.encoding import save_image
    from whylight.files.writing import check_writable, save_bytes
    from whylight.trust.evaluation import EvaluationPlan, evaluate_dataset
    from whylight.trust.metrics import metric_named
    from whylight.trust.results import evaluation_chart, evaluation_csv, evaluation_table, print_table

    names = methods_of(arguments.method)
    picture = arguments.output.with_suffix(".png")
    plan = EvaluationPlan(
        table=arguments.input,
        metrics=names_of(arguments.metrics),
        input_variable=arguments.input_variable,
        label_variable=None if arguments.predicted else arguments.label_variable,
        box_variable=arguments.box_variable,
        mask_variable=arguments.mask_variable,
        limit=arguments.limit,
        batch_size=arguments.batch_size,
        threads=arguments.threads,
        steps=arguments.steps,
        tolerance=arguments.tolerance,
        per_image=arguments.per_image,
    )
    for name in plan.metrics:
        metric_named(name)
    check_writable(arguments.output)
    explainers = _fitting(
        names,
        lambda name: explainer_of(argparse.Namespace(**{**vars(arguments), "method": name})),
        leave_out=arguments.method == ALL,
    )
    with progress("evaluating", arguments.limit) as advance:
        evaluation = evaluate_dataset(explainers, plan, advance)
    save_bytes(evaluation_csv(evaluation), arguments.output)
    save_image(evaluation_chart(evaluation), picture)
    print_table(*evaluation_table(evaluation))
    print(f"{evaluation.rows} images, mean ± standard error, ↑ higher and ↓ lower is better")
    print(f"{arguments.output}, {picture}")
    return 0


def add_sanity(command: argparse.ArgumentParser) -> None:
    add_model(command, option=False)
    add_model_facts(command)
    add_explanation(command)
    command.add_argument(
        "-image", "--image", metavar="FILE", type=Path, nargs="+", default=[], help="images (default: noise)"
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("sanity.csv"),
        help="the CSV to write, one row a stage; the chart beside it has its name and .png",
    )


def run_sanity(arguments: argparse.Namespace) -> int:
    from whylight.cli.progress import progress
    from whylight.files.encoding import save_image
    from whylight.files.writing import check_writable, save_bytes
    from whylight.trust.results import print_table, sanity_chart, sanity_csv, sanity_table
    from whylight.trust.sanity import check_sanity, stage_count

    check_writable(arguments.output)
    picture = arguments.output.with_suffix(".png")
    classifier = load_with(arguments.model, arguments.parameters, model_options(arguments))
    options = {name: {**explaining(arguments), "method": name} for name in methods_of(arguments.method)}
    explainers = _fitting(
        list(options), lambda name: classifier.explainer(**options[name]), leave_out=arguments.method == ALL
    )
    images = None
    if arguments.image:
        explainer = next(iter(explainers.values()))
        images = explainer.inputs([explainer.picture(path) for path in arguments.image])
    with progress("randomizing", stage_count(classifier) * len(explainers)) as advance:
        reports = [
            check_sanity(classifier, name, partial(_compiled, options[name]), images, advance) for name in explainers
        ]
    save_bytes(sanity_csv(reports), arguments.output)
    save_image(sanity_chart(reports), picture)
    print_table(*sanity_table(reports))
    print(f"{arguments.output}, {picture}")
    for report in reports:
        print(report.verdict)
    return 0 if all(report.passes for report in reports) else _FAILED


def _fitting(names: Sequence[str], make: Callable[[str], Explainer], leave_out: bool) -> dict[str, Explainer]:
    """The explainers by method; one that does not fit the model is an error, or is left out with a note."""
    explainers = {}
    for name in names:
        try:
            explainers[name] = make(name)
        except WhylightError as error:
            if not leave_out:
                raise
            print(f"whylight: {name} is left out: {error}", file=sys.stderr)
    if not explainers:
        raise WhylightError("no method fits this model")
    return explainers


def _compiled(options: Mapping[str, Any], classifier: Classifier) -> Explainer:
    return classifier.explainer(**options)


COMMANDS = (
    ("evaluate", run_evaluate, add_evaluate, "judge methods on a dataset CSV by insertion, pointing game and others"),
    ("sanity", run_sanity, add_sanity, "test whether a method's maps depend on what the model has learned"),
)
