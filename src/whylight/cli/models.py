"""Commands that look into models or turn them into others."""

import argparse
from pathlib import Path

from whylight import api
from whylight.cli.arguments import add_method, add_model
from whylight.cli.command import Answer, Command
from whylight.cli.progress import progress
from whylight.errors import WhylightError
from whylight.files.checks import one_line
from whylight.files.marks import MODEL
from whylight.files.writing import check_output
from whylight.options import Chosen, ModelOptions, Output, Question


def run_inspect(arguments: argparse.Namespace, options: Chosen) -> Answer:
    with progress("inspecting", "models", is_short=True):
        inspection = api.inspect(arguments.model, arguments.parameters, options[ModelOptions])
    return Answer(inspection.to_dict(), inspection.to_text())


def add_convert(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("model.onnx"), help="the ONNX file to write"
    )


def run_convert(arguments: argparse.Namespace, options: Chosen) -> Answer:
    _check_output(arguments, options)
    with progress("converting", "models", is_short=True):
        model = api.convert(arguments.model, arguments.parameters)
    api.save_model(model, arguments.output)
    operators, opset = len(model.graph.node), model.opset_import[0].version
    result = {"output": str(arguments.output), "operators": operators, "opset": opset}
    return Answer(result, f"{one_line(arguments.output)}: {operators} operators, opset {opset}")


def add_compile(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("explainer.onnx"), help="the ONNX file to write"
    )
    add_method(command)
    command.add_argument(
        "--pixels",
        action="store_true",
        help="take RGB bytes (N, H, W, 3) of any size: resizing and normalization are part of the file",
    )


def run_compile(arguments: argparse.Namespace, options: Chosen) -> Answer:
    _check_output(arguments, options, *options[ModelOptions].files)
    with progress("compiling", "models", is_short=True):
        graph = api.compile(
            arguments.model,
            arguments.method,
            options[ModelOptions],
            options[Question],
            parameters=arguments.parameters,
            pixels=arguments.pixels,
        )
    api.save_model(graph, arguments.output)
    facts = api.Explainer(graph.SerializeToString()).facts.maps[0]
    result = {"output": str(arguments.output), "method": facts.method, "layer": facts.layer}
    return Answer(
        result, f"{one_line(arguments.output)}: {facts.method}{f' at layer {facts.layer}' if facts.layer else ''}"
    )


def _check_output(arguments: argparse.Namespace, options: Chosen, *sources: object) -> None:
    """See, before the model is read, that the ONNX file can be written.

    Raises:
        WhylightError: it cannot, or is none.
    """
    output: Path = arguments.output
    if not output.suffix:
        raise WhylightError(f"{output}: expected an ONNX file to write, such as {output}.onnx")
    check_output(output, MODEL, (arguments.model, arguments.parameters, *sources), options[Output].overwrite)


COMMANDS = (
    Command(
        "inspect",
        "say what a model file holds, and what in it can be explained",
        run_inspect,
        add_model,
        (ModelOptions,),
    ),
    Command("convert", "convert a model to ONNX", run_convert, add_convert, (Output,)),
    Command(
        "compile", "write the explainer as one ONNX file", run_compile, add_compile, (ModelOptions, Question, Output)
    ),
)
