"""Commands that explain one image."""

import argparse
from pathlib import Path

from whylight import api
from whylight.cli.arguments import (
    add_class_index,
    add_labels,
    add_method,
    add_model,
    add_model_option,
    class_index_of,
    class_names,
)
from whylight.cli.command import Answer, Command
from whylight.cli.progress import progress
from whylight.options import Chosen, Execution, ModelOptions, Question, Rendering


def add_gradcam(command: argparse.ArgumentParser) -> None:
    add_model_option(command)
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        type=Path,
        help="the dataset CSV of the image; accepted for the Console, not read",
    )
    command.add_argument("-image", "--image", metavar="FILE", required=True, help="the image to analyse")
    add_class_index(command, default="0")
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("grad_cam.png"), help="the overlay to write"
    )
    add_method(command)
    add_labels(command)


def run_gradcam(arguments: argparse.Namespace, options: Chosen) -> Answer:
    index = class_index_of(arguments)
    explainer = api.explainer(
        arguments.model,
        arguments.method,
        options[ModelOptions],
        options[Question],
        options[Execution],
        parameters=arguments.parameters,
    )
    labels = class_names(arguments.labels)
    explanation = explainer(arguments.image, index)
    explanation.save(arguments.output, options[Rendering])

    def named(index: int) -> str:
        return f"{index} ({labels[index]})" if labels and index < len(labels) else str(index)

    name = labels[explanation.class_index] if labels and explanation.class_index < len(labels) else None
    lines = [
        f"class        {named(explanation.class_index)}",
        f"score        {explanation.score:.6g} ({explainer.facts.score})",
        f"probability  {explanation.probability:.6g}",
        f"most likely  {', '.join(f'{named(top)} {probability:.1%}' for top, probability in explanation.top)}",
        f"layer        {explanation.layer}",
        f"overlay      {arguments.output}",
    ]
    if explanation.class_index != explanation.predicted:
        lines.append(
            f"note         the model sees class {named(explanation.predicted)}: --class_index predicted explains it"
        )
    return Answer(
        {**explanation.to_dict(), "label": name, "device": explainer.device, "output": str(arguments.output)},
        "\n".join(lines),
    )


def add_compare(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument("image", metavar="IMAGE", help="the image to analyse")
    add_class_index(command, default="predicted")
    command.add_argument(
        "--methods", default="", metavar="A,B", help="the methods, or 'all' (default: all of one pass)"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("comparison.png"), help="the picture to write"
    )
    add_labels(command)


def run_compare(arguments: argparse.Namespace, options: Chosen) -> Answer:
    labels = class_names(arguments.labels)
    with progress("explaining", "maps") as bar:
        comparison = api.compare(
            arguments.model,
            arguments.image,
            class_index_of(arguments),
            options[ModelOptions],
            options[Question],
            options[Execution],
            methods=arguments.methods,
            parameters=arguments.parameters,
            advance=bar.advance,
        )
    comparison.save(arguments.output, labels, options[Rendering])
    count, index = sum(map(len, comparison.rows)), comparison.rows[0][0].class_index
    text = f"{count} maps of class {index}: {arguments.output}"
    return Answer({**comparison.to_dict(), "output": str(arguments.output)}, text)


def run_methods(_: argparse.Namespace, __: Chosen) -> Answer:
    methods = api.methods().values()
    width = max(len(one.name) for one in methods)
    lines = [f"{one.name:<{width}}  {one.summary}\n{'':<{width}}  passes: {one.passes}; {one.paper}" for one in methods]
    return Answer({"methods": [one.to_dict() for one in methods]}, "\n".join(lines))


_OPTIONS = (ModelOptions, Question, Execution, Rendering)

COMMANDS = (
    Command("gradcam", "explain one image", run_gradcam, add_gradcam, _OPTIONS),
    Command(
        "compare",
        "explain one image by many methods, side by side in one picture",
        run_compare,
        add_compare,
        _OPTIONS,
    ),
    Command("methods", "list the methods: what each shows, what it costs, and its paper", run_methods),
)
