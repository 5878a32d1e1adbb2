"""Commands that say how far maps are to be trusted."""

import argparse
from pathlib import Path

from whylight import api
from whylight.cli.arguments import add_model, add_model_option
from whylight.cli.command import Answer, Command
from whylight.cli.progress import progress
from whylight.cli.tables import evaluation_table, sanity_table, table_text
from whylight.errors import WhylightError
from whylight.files.checks import one_line
from whylight.options import Chosen, Execution, ModelOptions, Output, Question
from whylight.trust.options import EvaluationOptions

_FAILED = 1


def add_evaluate(command: argparse.ArgumentParser) -> None:
    add_model_option(command)
    command.add_argument(
        "--methods",
        default="gradcam,random",
        metavar="A,B",
        help="the methods: see 'whylight methods'; 'all' for all that fit the model",
    )
    command.add_argument(
        "--maps",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="maps of another program: a .npy file (N, h, w), one a row, or what --save_cam writes",
    )
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        nargs="+",
        default=["output_result.csv"],
        help="the dataset CSV, a path or a URL; or images: a folder, a pattern, or several files "
        "(default: output_result.csv)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("evaluation.csv"),
        help="the CSV to write, one row a method; the chart beside it has its name and .png",
    )


def run_evaluate(arguments: argparse.Namespace, options: Chosen) -> Answer:
    maps = dict(_named_file(text) for text in arguments.maps)
    limit = options[EvaluationOptions].limit
    with progress("evaluating") as bar:
        if limit is not None:
            bar.expect(limit)
        evaluation = api.evaluate_dataset(
            arguments.model,
            arguments.input,
            options[EvaluationOptions],
            options[ModelOptions],
            options[Question],
            options[Execution],
            options[Output],
            methods=arguments.methods,
            maps=maps,
            output=arguments.output,
            parameters=arguments.parameters,
            advance=bar.advance,
        )
    picture = arguments.output.with_suffix(".png")
    lines = [
        table_text(*evaluation_table(evaluation)),
        f"{evaluation.rows} images, mean ± standard error, ↑ higher and ↓ lower is better",
        f"{one_line(arguments.output)}, {one_line(picture)}",
    ]
    files = {"output": str(arguments.output), "chart": str(picture)}
    return Answer({**evaluation.to_dict(), **files}, "\n".join(lines))


def _named_file(text: str) -> tuple[str, str]:
    name, separator, file = text.partition("=")
    if not name or not separator or not file:
        raise WhylightError(f"maps '{text}': expected a name and a file: NAME=FILE")
    return name, file


def add_sanity(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument(
        "--methods",
        default="gradcam",
        metavar="A,B",
        help="the methods: see 'whylight methods'; 'all' for all that fit the model",
    )
    command.add_argument("-image", "--image", metavar="FILE", nargs="+", default=[], help="images (default: noise)")
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=Path("sanity.csv"),
        help="the CSV to write, one row a stage; the chart beside it has its name and .png",
    )


def run_sanity(arguments: argparse.Namespace, options: Chosen) -> Answer:
    with progress("randomizing", "stages") as bar:
        reports = api.check_sanity(
            arguments.model,
            options[ModelOptions],
            options[Question],
            options[Execution],
            options[Output],
            methods=arguments.methods,
            images=arguments.image,
            output=arguments.output,
            parameters=arguments.parameters,
            expect=bar.expect,
            advance=bar.advance,
        )
    picture = arguments.output.with_suffix(".png")
    lines = [
        table_text(*sanity_table(reports)),
        f"{one_line(arguments.output)}, {one_line(picture)}",
        *(report.verdict for report in reports),
    ]
    result = {
        "reports": [report.to_dict() for report in reports],
        "output": str(arguments.output),
        "chart": str(picture),
    }
    return Answer(result, "\n".join(lines), 0 if all(report.passes for report in reports) else _FAILED)


COMMANDS = (
    Command(
        "evaluate",
        "judge methods on a dataset CSV by insertion, pointing game and others",
        run_evaluate,
        add_evaluate,
        (EvaluationOptions, ModelOptions, Question, Execution, Output),
    ),
    Command(
        "sanity",
        "test whether a method's maps depend on what the model has learned",
        run_sanity,
        add_sanity,
        (ModelOptions, Question, Execution, Output),
    ),
)
