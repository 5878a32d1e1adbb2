"""The commands ``whylight evaluate`` and ``whylight sanity``: their arguments, and what they print."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from whylight.errors import WhylightError

if TYPE_CHECKING:
    from whylight.classifier import Classifier
    from whylight.explainer import Explainer

_FAILED = 1
_ALL = "all"


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """The arguments of ``whylight evaluate`` that no other command has."""
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


def evaluate(arguments: argparse.Namespace, explainer_of: Callable[[str], Explainer]) -> int:
    """Run ``whylight evaluate``; ``explainer_of`` makes the explainer of a method."""
    from whylight.output import check_writable, save_bytes, save_image
    from whylight.progress import progress
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
    explainers = _fitting(names, explainer_of, arguments.method == _ALL)
    with progress("evaluating", arguments.limit) as advance:
        evaluation = evaluate_dataset(explainers, plan, advance)
    save_bytes(evaluation_csv(evaluation), arguments.output)
    save_image(evaluation_chart(evaluation), picture)
    print_table(*evaluation_table(evaluation))
    print(f"{evaluation.rows} images, mean ± standard error, ↑ higher and ↓ lower is better")
    print(f"{arguments.output}, {picture}")
    return 0


def add_sanity(command: argparse.ArgumentParser) -> None:
    """The arguments of ``whylight sanity`` that no other command has."""
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


def sanity(
    arguments: argparse.Namespace, classifier: Classifier, compiled: Callable[[Classifier, str], Explainer]
) -> int:
    """Run ``whylight sanity``; ``compiled`` makes the explainer of a classifier and a method. 1 if a method fails."""
    from whylight.output import check_writable, save_bytes, save_image
    from whylight.progress import progress
    from whylight.trust.results import print_table, sanity_chart, sanity_csv, sanity_table
    from whylight.trust.sanity import check_sanity, stage_count

    check_writable(arguments.output)
    picture = arguments.output.with_suffix(".png")
    methods, images = methods_of(arguments.method), None
    if arguments.image:
        explainer = compiled(classifier, methods[0])
        images = explainer.inputs([explainer.picture(path) for path in arguments.image])
    if arguments.method == _ALL:
        methods = tuple(_fitting(methods, lambda method: compiled(classifier, method), leave_out=True))
    with progress("randomizing", stage_count(classifier) * len(methods)) as advance:
        reports = [
            check_sanity(classifier, method, partial(_compiled_with, compiled, method), images, advance)
            for method in methods
        ]
    save_bytes(sanity_csv(reports), arguments.output)
    save_image(sanity_chart(reports), picture)
    print_table(*sanity_table(reports))
    print(f"{arguments.output}, {picture}")
    for report in reports:
        print(report.verdict)
    return 0 if all(report.passes for report in reports) else _FAILED


def _fitting(names: Sequence[str], make: Callable[[str], Explainer], leave_out: bool) -> dict[str, Explainer]:
    """The explainers by method; those that do not fit the model are an error, or are left out with a note."""
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


def _compiled_with(compiled: Callable[[Classifier, str], Explainer], method: str, classifier: Classifier) -> Explainer:
    return compiled(classifier, method)


def methods_of(text: str) -> tuple[str, ...]:
    """The methods of a list with commas; ``all`` stands for all of them.

    Raises:
        WhylightError: there is no such method, or no name.
    """
    from whylight.methods import method_named, methods

    names = tuple(methods()) if text == _ALL else tuple(dict.fromkeys(names_of(text)))
    if not names:
        raise WhylightError("no method is named: expected names with commas between them, or 'all'")
    for name in names:
        method_named(name)
    return names


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list with commas.

    Raises:
        WhylightError: one of them is empty.
    """
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    if not all(names):
        raise WhylightError(f"'{text}': expected names with commas between them")
    return names
