"""Commands that explain one image."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from whylight import api
from whylight.batch.options import BatchOptions
from whylight.class_names.lookup import named, references_in
from whylight.cli.arguments import (
    add_class_index,
    add_method,
    add_model,
    add_model_option,
    classes_of,
    one_class_of,
)
from whylight.cli.command import Answer, Command
from whylight.cli.dataset import explained
from whylight.cli.progress import progress
from whylight.errors import WhylightError
from whylight.files.checks import one_line
from whylight.files.finding import is_video, means_several
from whylight.files.marks import COMPARISON, OVERLAY
from whylight.files.writing import check_output
from whylight.options import (
    PREDICTED,
    Arrangement,
    Chosen,
    Execution,
    ModelOptions,
    Options,
    Output,
    Question,
    Rendering,
)

if TYPE_CHECKING:
    from whylight.running.explainer import Explainer
    from whylight.running.explanation import Explanation


_TOP = 5
"""Classes that are named of those that are seen in a video."""


def add_gradcam(command: argparse.ArgumentParser) -> None:
    add_model_option(command)
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        type=Path,
        help="the dataset CSV of the image; accepted for the Console, not read",
    )
    command.add_argument(
        "images",
        metavar="IMAGE",
        nargs="*",
        default=[],
        help="the image to analyse; or several, a folder, a pattern, or a video",
    )
    command.add_argument("-image", "--image", metavar="FILE", nargs="+", default=[], help="the same, as an option")
    add_class_index(
        command,
        "the class to explain: its index, its name, or 'predicted'; several with commas between them, or by giving it "
        "again (default: 0 of one image, as in the Console; of several what is predicted of each)",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="the overlay to write (default: grad_cam.png); of several images the CSV, whose overlays go into a folder "
        "of its name (default: gradcam.csv); of a video a video (default: grad_cam.mp4)",
    )
    add_method(command)


def run_gradcam(arguments: argparse.Namespace, options: Chosen) -> Answer:
    images = [*arguments.images, *arguments.image]
    if not images:
        raise WhylightError("no image is named: expected an image, several, or a folder; see 'whylight gradcam -h'")
    if len(images) == 1 and is_video(images[0]):
        return _explained_video(arguments, images[0], options)
    is_one = len(images) == 1 and not means_several(images[0])
    words = classes_of(arguments, "0" if is_one else PREDICTED)
    output = Path(arguments.output or ("grad_cam.png" if is_one else "gradcam.csv"))
    sources = (*images, arguments.model, arguments.parameters, arguments.input, *options[ModelOptions].files)

    def check(*files: Path) -> None:
        for file in files:
            _check_picture(file, OVERLAY, sources, options[Output])

    if is_one:
        parts = [part.strip() for word in words for part in word.split(",")]
        indices = [int(part) for part in parts if part.isdecimal()]
        check(*(_overlay_files(output, indices, several=True) if len(parts) > 1 else [output]))
    with progress("compiling", "models", is_short=True):
        explainer = api.explainer(
            arguments.model,
            arguments.method,
            options[ModelOptions],
            options[Question],
            options[Execution],
            parameters=arguments.parameters,
        )
    classes = [each for word in words for each in references_in(word, explainer.facts.class_names)]
    if not is_one:
        return _explained_files(explainer, images, classes, str(output), options[Rendering], options[Output])
    with progress("explaining", "passes", is_short=True) as bar:
        explainer.advance = bar.advance
        found = {one.class_index: one for one in explainer(images[0], classes, options[Rendering])}
    files = _overlay_files(output, [*found], several=len(classes) > 1)
    check(*files)
    for explanation, file in zip(found.values(), files, strict=True):
        explanation.save(file, options[Rendering])
    answers = [
        {**explanation.to_dict(), "device": explainer.device, "output": str(file)}
        for explanation, file in zip(found.values(), files, strict=True)
    ]
    text = _explained_text(list(found.values()), files, explainer.facts.score)
    return Answer(answers[0] if len(classes) == 1 else {"explanations": answers}, text)


def _explained_files(
    explainer: Explainer, images: Sequence[str], classes: Sequence[str], output: str, *options: Options
) -> Answer:
    """Many images, as a dataset: what cannot be read is left out, and said."""
    if Path(output).suffix.lower() != ".csv":
        raise WhylightError(
            f"{output}: there are several images: expected a CSV to write, such as gradcam.csv, whose overlays go into "
            "a folder of its name"
        )
    from whylight.dataset.image_files import CLASS, image_files

    asked = [] if classes == [PREDICTED] else classes
    of_run = BatchOptions(on_error="skip", label_variable=CLASS)
    return explained(explainer, image_files(images, classes=asked), output, of_run, *options)


def _explained_video(arguments: argparse.Namespace, video: str, options: Chosen) -> Answer:
    output = arguments.output or "grad_cam.mp4"
    index = one_class_of(arguments)
    with progress("explaining", "frames") as bar:
        summary = api.explain_video(
            arguments.model,
            video,
            output,
            index,
            *(options[kind] for kind in _OPTIONS),
            method=arguments.method,
            parameters=arguments.parameters,
            expect=bar.expect,
            advance=bar.advance,
        )
    seen = ", ".join(
        f"{named(each, summary.class_names)} {count}" for each, count in [*summary.predicted.items()][:_TOP]
    )
    lines = [
        f"frames       {summary.frames}, {summary.rate:.6g} a second",
        f"most likely  {seen}",
        f"overlays     {one_line(output)}",
    ]
    return Answer(summary.to_dict(), "\n".join(lines))


def _check_picture(output: Path, kind: str, sources: Sequence[object], options: Output) -> None:
    """See, before the work begins, that a picture can be written.

    Raises:
        WhylightError: its ending names no format, or see `check_output`.
    """
    from whylight.files.encoding import VECTOR_ENDINGS, check_ending

    check_ending(output.suffix)
    if output.suffix.lower() in VECTOR_ENDINGS:
        from whylight.drawing.saving import check_page

        check_page(output)
    check_output(output, kind, sources, options.overwrite)


def _overlay_files(output: Path, classes: Sequence[int], several: bool) -> list[Path]:
    """The overlay's file, or, of several classes, one each: ``grad_cam_281.png``, ``grad_cam_285.png``."""
    return [output.with_stem(f"{output.stem}_{index}") if several else output for index in classes]


def _explained_text(explanations: Sequence[Explanation], files: Sequence[Path], score: str) -> str:
    first = explanations[0]
    blocks = [
        [
            f"class        {named(one.class_index, one.class_names)}",
            f"score        {one.score:.6g} ({score})",
            f"probability  {one.probability:.6g}",
            f"overlay      {one_line(file)}",
        ]
        for one, file in zip(explanations, files, strict=True)
    ]
    top = ", ".join(f"{named(index, first.class_names)} {probability:.1%}" for index, probability in first.top)
    of_all = [f"most likely  {top}", *([f"layer        {first.layer}"] if first.layer else [])]
    if first.predicted not in [one.class_index for one in explanations]:
        seen = named(first.predicted, first.class_names)
        of_all.append(f"note         the model sees class {seen}: --class_index predicted explains it")
    return "\n".join([*chain.from_iterable(blocks), *of_all])


def add_compare(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument("image", metavar="IMAGE", help="the image to analyse")
    add_class_index(command, "the class to explain: its index, its name, or 'predicted' (the default)")
    command.add_argument(
        "--methods", default="", metavar="A,B", help="the methods, or 'all' (default: all of one pass)"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("comparison.png"), help="the picture to write"
    )


def run_compare(arguments: argparse.Namespace, options: Chosen) -> Answer:
    index = one_class_of(arguments)
    if means_several(arguments.image):
        raise WhylightError(f"{arguments.image}: a folder or a pattern: expected one image; 'gradcam' takes several")
    sources = (arguments.image, arguments.model, arguments.parameters, *options[ModelOptions].files)
    _check_picture(arguments.output, COMPARISON, sources, options[Output])
    with progress("explaining", "maps") as bar:
        comparison = api.compare(
            arguments.model,
            arguments.image,
            index,
            options[ModelOptions],
            options[Question],
            options[Execution],
            methods=arguments.methods,
            parameters=arguments.parameters,
            advance=bar.advance,
        )
    comparison.save(arguments.output, None, options[Rendering], options[Arrangement])
    count, first = sum(map(len, comparison.rows)), comparison.rows[0][0]
    text = f"{count} maps of class {named(first.class_index, first.class_names)}: {one_line(arguments.output)}"
    return Answer({**comparison.to_dict(), "output": str(arguments.output)}, text)


def run_methods(_: argparse.Namespace, __: Chosen) -> Answer:
    methods = api.methods().values()
    width = max(len(one.name) for one in methods)
    lines = [f"{one.name:<{width}}  {one.summary}\n{'':<{width}}  passes: {one.passes}; {one.paper}" for one in methods]
    return Answer({"methods": [one.to_dict() for one in methods]}, "\n".join(lines))


_OPTIONS = (ModelOptions, Question, Execution, Rendering, Output)

COMMANDS = (
    Command("gradcam", "explain one image", run_gradcam, add_gradcam, _OPTIONS),
    Command(
        "compare",
        "explain one image by many methods, side by side in one picture",
        run_compare,
        add_compare,
        (*_OPTIONS, Arrangement),
    ),
    Command("methods", "list the methods: what each shows, what it costs, and its paper", run_methods),
)
