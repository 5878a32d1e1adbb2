"""Commands that look into models or turn them into others."""

import argparse
import json
from pathlib import Path

from whylight import load_with
from whylight.cli.arguments import add_explanation, add_model, add_model_facts, explaining, model_options


def add_inspect(command: argparse.ArgumentParser) -> None:
    add_model(command, option=False)
    add_model_facts(command)
    command.add_argument("--json", action="store_true", help="print the facts as JSON")


def run_inspect(arguments: argparse.Namespace) -> int:
    from whylight.reading import inspect

    held = inspect(arguments.model, arguments.parameters, model_options(arguments))
    print(json.dumps(held.to_dict(), ensure_ascii=False, indent=2) if arguments.json else held.to_text())
    return 0


def add_convert(command: argparse.ArgumentParser) -> None:
    add_model(command, option=False)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("model.onnx"), help="the ONNX file to write"
    )


def run_convert(arguments: argparse.Namespace) -> int:
    from whylight.files.writing import save_bytes
    from whylight.reading import convert

    model = convert(arguments.model, arguments.parameters)
    save_bytes(model.SerializeToString(), arguments.output)
    print(f"{arguments.output}: {len(model.graph.node)} operators, opset {model.opset_import[0].version}")
    return 0


def add_compile(command: argparse.ArgumentParser) -> None:
    add_model(command, option=False)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("explainer.onnx"), help="the ONNX file to write"
    )
    add_explanation(command)
    add_model_facts(command)


def run_compile(arguments: argparse.Namespace) -> int:
    from whylight.compiling.compiler import compile_explainer
    from whylight.contract import ExplainerFacts
    from whylight.files.writing import save_bytes

    classifier = load_with(arguments.model, arguments.parameters, model_options(arguments))
    graph = compile_explainer(classifier, **explaining(arguments))
    save_bytes(graph.SerializeToString(), arguments.output)
    facts = ExplainerFacts.from_metadata({entry.key: entry.value for entry in graph.metadata_props}).maps[0]
    print(f"{arguments.output}: {facts.method}{f' at layer {facts.layer}' if facts.layer else ''}")
    return 0


COMMANDS = (
    ("inspect", run_inspect, add_inspect, "say what a model file holds, and what in it can be explained"),
    ("convert", run_convert, add_convert, "convert a .nnp model to ONNX"),
    ("compile", run_compile, add_compile, "write the explainer as one ONNX file"),
)
