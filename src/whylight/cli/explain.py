"""Commands that explain one image."""

import argparse
import json
from pathlib import Path

from whylight import load_with
from whylight.cli.arguments import (
    add_colors,
    add_device,
    add_explanation,
    add_model,
    add_model_facts,
    add_question,
    add_rendering,
    class_index_of,
    class_names,
    explainer_of,
    model_options,
    names_of,
)


def add_gradcam(command: argparse.ArgumentParser) -> None:
    add_model(command, option=True)
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        type=Path,
        help="the dataset CSV of the image; accepted for the Console, not read",
    )
    command.add_argument("-image", "--image", metavar="FILE", type=Path, required=True, help="the image to analyse")
    command.add_argument(
        "-c", "--class_index", default="0", metavar="INDEX", help="the class to explain, or 'predicted'"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("grad_cam.png"), help="the overlay to write"
    )
    add_explanation(command)
    add_model_facts(command)
    add_device(command)
    add_rendering(command)
    command.add_argument("--labels", metavar="FILE", type=Path, help="a text file with one class name a line")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def run_gradcam(arguments: argparse.Namespace) -> int:
    index = class_index_of(arguments.class_index)
    explainer = explainer_of(arguments)
    from whylight.files.encoding import save_image

    labels = class_names(arguments.labels)
    explanation = explainer(arguments.image, index)
    save_image(explanation.overlay(arguments.alpha, arguments.colormap, arguments.size), arguments.output)
    name = labels[explanation.class_index] if labels and explanation.class_index < len(labels) else None
    facts = {
        "class_index": explanation.class_index,
        "label": name,
        "score": explanation.score,
        "probability": explanation.probability,
        "predicted": explanation.predicted,
        "method": explanation.method,
        "layer": explanation.layer,
        "device": explainer.device,
        "output": str(arguments.output),
    }
    if arguments.json:
        print(json.dumps(facts, ensure_ascii=False))
        return 0
    print(f"class        {explanation.class_index}{f' ({name})' if name else ''}")
    print(f"score        {explanation.score:.6g} ({arguments.score})")
    print(f"probability  {explanation.probability:.6g}")
    print(f"layer        {explanation.layer}")
    print(f"overlay      {arguments.output}")
    return 0


def add_compare(command: argparse.ArgumentParser) -> None:
    add_model(command, option=False)
    command.add_argument("image", metavar="IMAGE", type=Path, help="the image to analyse")
    command.add_argument(
        "-c", "--class_index", default="predicted", metavar="INDEX", help="the class to explain, or 'predicted'"
    )
    command.add_argument("--method", default="", metavar="A,B", help="the methods, or 'all' (default: all of one pass)")
    command.add_argument(
        "--layer", nargs="+", default=[], metavar="NAME", help="a row of pictures for each (default: one, the usual)"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("comparison.png"), help="the picture to write"
    )
    add_question(command)
    add_model_facts(command)
    add_device(command)
    add_colors(command)
    command.add_argument("--labels", metavar="FILE", type=Path, help="a text file with one class name a line")


def run_compare(arguments: argparse.Namespace) -> int:
    index = class_index_of(arguments.class_index)
    classifier = load_with(arguments.model, arguments.parameters, model_options(arguments))
    from whylight.comparison import compare, comparison_picture
    from whylight.files.encoding import save_image
    from whylight.options import Question

    against = None if arguments.against is None else class_index_of(arguments.against)
    comparison = compare(
        classifier,
        arguments.image,
        index,
        names_of(arguments.method),
        arguments.layer,
        Question(arguments.score, against, arguments.counterfactual),
        arguments.device,
    )
    picture = comparison_picture(comparison, class_names(arguments.labels), arguments.alpha, arguments.colormap)
    save_image(picture, arguments.output)
    print(f"{sum(map(len, comparison.rows))} maps of class {comparison.rows[0][0].class_index}: {arguments.output}")
    return 0


def add_nothing(_: argparse.ArgumentParser) -> None:
    """For commands without arguments."""


def run_methods(_: argparse.Namespace) -> int:
    from whylight.methods import methods

    width = max(map(len, methods()))
    for one in methods().values():
        print(f"{one.name:<{width}}  {one.summary}")
        print(f"{'':<{width}}  passes: {one.passes}; {one.paper}")
    return 0


COMMANDS = (
    ("gradcam", run_gradcam, add_gradcam, "explain one image"),
    ("compare", run_compare, add_compare, "explain one image by many methods, side by side in one picture"),
    ("methods", run_methods, add_nothing, "list the methods: what each shows, what it costs, and its paper"),
)
