"""The command line: it reads arguments, calls the library and prints. Each command imports what it needs."""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight import __version__, load_with
from whylight.errors import WhylightError, WhylightWarning
from whylight.storage import location

if TYPE_CHECKING:
    from whylight.explainer import ClassIndex, Explainer
    from whylight.options import ModelOptions

_BAD_INPUT = 2
_ROWS_SKIPPED = 1
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. The exit code is 0, 1 (rows were skipped), 2 (bad input) or 130 (interrupted)."""
    arguments = _parser().parse_args(_with_underscores(sys.argv[1:] if argv is None else argv))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", WhylightWarning)
        warnings.showwarning = _show_warning
        try:
            return int(arguments.run(arguments))
        except WhylightError as error:
            if arguments.debug:
                raise
            print(f"whylight: {error}", file=sys.stderr)
            return _BAD_INPUT
        except KeyboardInterrupt:
            print("whylight: interrupted", file=sys.stderr)
            return _INTERRUPTED


def _with_underscores(argv: Sequence[str]) -> list[str]:
    """Long options with hyphens, spelled with the underscores that the Console's plugins use."""
    spelled: list[str] = []
    for argument in argv:
        name, separator, value = argument.partition("=")
        spelled.append(f"--{name[2:].replace('-', '_')}{separator}{value}" if name.startswith("--") else argument)
    return spelled


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"whylight: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whylight",
        description="See why an image classifier decided: where in an image the network looked for a class.",
    )
    parser.add_argument("--version", action="version", version=f"whylight {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, run, add_arguments, summary in (
        ("gradcam", _gradcam, _add_gradcam, "explain one image"),
        ("gradcam-batch", _gradcam_batch, _add_gradcam_batch, "explain every image of a dataset CSV"),
        ("report", _report, _add_report, "make a page of a gradcam-batch result: accuracy, confusions, every image"),
        ("compare", _compare, _add_compare, "explain one image by many methods, side by side in one picture"),
        ("methods", _methods, _add_nothing, "list the methods: what each shows, what it costs, and its paper"),
        ("evaluate", _evaluate, _add_evaluate, "judge methods on a dataset CSV by insertion, pointing game and others"),
        ("sanity", _sanity, _add_sanity, "test whether a method's maps depend on what the model has learned"),
        ("inspect", _inspect, _add_inspect, "say what a model file holds, and what in it can be explained"),
        ("convert", _convert, _add_convert, "convert a .nnp model to ONNX"),
        ("compile", _compile, _add_compile, "write the explainer as one ONNX file"),
        ("demo", _demo, _add_demo, "explain bundled samples"),
        ("cache", _cache, _add_cache, "say what is kept of compiled explainers, or remove it"),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(run=run)
    return parser


# ---- arguments that commands share


def _add_model(command: argparse.ArgumentParser, option: bool) -> None:
    text = "the model: an .onnx file, a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf)"
    if option:
        command.add_argument("-m", "--model", metavar="FILE", type=Path, default=Path("results.nnp"), help=text)
    else:
        command.add_argument("model", metavar="MODEL", type=Path, help=text)
    command.add_argument(
        "--parameters", metavar="FILE", type=Path, help="the parameter file of a loose network (.h5, .protobuf)"
    )


def _add_explanation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", default="gradcam", metavar="NAME", help="how to explain: see 'whylight methods'")
    command.add_argument(
        "--layer",
        metavar="NAME",
        nargs="+",
        help="the layer to look at (default: see 'whylight inspect'); maps of several are fused",
    )
    command.add_argument(
        "--smooth", action="store_true", help="average the maps over flipped and rescaled images (six passes)"
    )
    _add_question(command)


def _add_question(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--against", metavar="INDEX", help="explain why the class rather than this one: an index, or 'predicted'"
    )
    command.add_argument("--counterfactual", action="store_true", help="explain what speaks against the class")
    command.add_argument(
        "--score",
        default="logit",
        choices=("logit", "output"),
        help="what is explained: the score before or after the final Softmax or Sigmoid",
    )


def _add_model_facts(command: argparse.ArgumentParser) -> None:
    """What a model file may leave open."""
    command.add_argument(
        "--input_range",
        default="auto",
        choices=("1", "255", "auto"),
        help="the value of white at the model's input (auto: as the model says)",
    )
    command.add_argument(
        "--mean",
        type=_numbers,
        metavar="R,G,B",
        help="subtracted from values in the input range (default: as the model says)",
    )
    command.add_argument(
        "--std", type=_numbers, metavar="R,G,B", help="what they are divided by after that (default: as the model says)"
    )
    command.add_argument(
        "--layout",
        default="auto",
        choices=("auto", "NCHW", "NHWC", "NCL", "NLC", "NCDHW", "NDHWC"),
        help="the order of an .onnx input's axes (auto: as its shape and its first convolution say)",
    )
    command.add_argument(
        "--input_size",
        type=_size,
        metavar="H,W",
        help="the image size for an .onnx model that takes any (default: as its metadata says, else 224); "
        "L of a signal, D,H,W of a volume",
    )
    command.add_argument(
        "--model_input", metavar="NAME", help="the .onnx input that takes the image (default: the one of its shape)"
    )
    command.add_argument(
        "-ov",
        "--output_variable",
        metavar="NAME",
        help="the model's output that holds the classes (default: the first that can)",
    )


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))


def _size(text: str) -> tuple[int, ...]:
    extents = tuple(int(number) for number in text.replace("x", ",").split(","))
    if min(extents) < 1:
        raise ValueError(text)
    return extents


def _options(arguments: argparse.Namespace) -> "ModelOptions":
    from whylight.options import ModelOptions

    return ModelOptions(**{field.name: getattr(arguments, field.name) for field in fields(ModelOptions)})


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        default="auto",
        choices=("auto", "cpu", "cuda", "directml", "coreml"),
        help="what runs the network (auto: the fastest that the installed ONNX Runtime has)",
    )


def _add_colors(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--alpha", type=float, default=0.5, metavar="0..1", help="how strongly the colors cover the image"
    )
    command.add_argument("--colormap", default="jet", metavar="NAME", help="jet, viridis, inferno, turbo or gray")


def _add_rendering(command: argparse.ArgumentParser) -> None:
    _add_colors(command)
    command.add_argument(
        "--size",
        default="original",
        choices=("original", "input"),
        help="the overlay's size: the image's own, or the model's input size",
    )


def _explainer(arguments: argparse.Namespace) -> "Explainer":
    from whylight.cache import cached_explainer

    options, explaining = _options(arguments), _explaining(arguments)
    return cached_explainer(
        arguments.model,
        arguments.parameters,
        {**asdict(options), **explaining},
        lambda: load_with(arguments.model, arguments.parameters, options).explainer(**explaining),
        device=arguments.device,
    )


def _explaining(arguments: argparse.Namespace) -> dict[str, Any]:
    """How to explain: arguments of `Classifier.explainer`."""
    against = None if arguments.against is None else _class_index(arguments.against)
    names = ("method", "layer", "score", "counterfactual", "smooth")
    return {**{name: getattr(arguments, name) for name in names}, "against": against}


# ---- commands


def _add_gradcam(command: argparse.ArgumentParser) -> None:
    _add_model(command, option=True)
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
    _add_explanation(command)
    _add_model_facts(command)
    _add_device(command)
    _add_rendering(command)
    command.add_argument("--labels", metavar="FILE", type=Path, help="a text file with one class name a line")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def _gradcam(arguments: argparse.Namespace) -> int:
    index = _class_index(arguments.class_index)
    explainer = _explainer(arguments)
    from whylight.output import save_image

    labels = _labels(arguments.labels)
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


def _labels(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    from whylight.dataset import read_labels

    return read_labels(path)


def _class_index(text: str) -> "ClassIndex":
    if text == "predicted":
        return "predicted"
    try:
        return int(text)
    except ValueError:
        raise WhylightError(f"class index '{text}': expected a whole number or 'predicted'") from None


def _add_gradcam_batch(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-i",
        "--input",
        metavar="FILE",
        default="output_result.csv",
        help="the dataset CSV with the image files: a path or a URL",
    )
    _add_model(command, option=True)
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
    _add_explanation(command)
    _add_model_facts(command)
    _add_device(command)
    _add_rendering(command)


def _gradcam_batch(arguments: argparse.Namespace) -> int:
    from whylight.batch import Engine, Plan, Rendering, explain_dataset
    from whylight.dataset import open_dataset

    table = location(arguments.input)
    open_dataset(table).columns_of(arguments.input_variable)
    explainer = _explainer(arguments)
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


def _add_report(command: argparse.ArgumentParser) -> None:
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


def _report(arguments: argparse.Namespace) -> int:
    from whylight.report import write_report

    summary = write_report(
        arguments.table,
        arguments.output,
        input_variable=arguments.input_variable,
        label_variable=arguments.label_variable,
        labels=_labels(arguments.labels),
    )
    accuracy = "" if summary.accuracy is None else f", {summary.accuracy:.1%} right"
    print(f"{summary.rows} rows{accuracy}: {arguments.output}")
    return 0


def _add_compare(command: argparse.ArgumentParser) -> None:
    _add_model(command, option=False)
    command.add_argument("image", metavar="IMAGE", type=Path, help="the image to analyse")
    command.add_argument(
        "-c", "--class_index", default="predicted", metavar="INDEX", help="the class to explain, or 'predicted'"
    )
    command.add_argument(
        "--methods", nargs="+", default=[], metavar="NAME", help="the methods, or 'all' (default: all of one pass)"
    )
    command.add_argument(
        "--layers", nargs="+", default=[], metavar="NAME", help="a row of pictures for each (default: one, the usual)"
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("comparison.png"), help="the picture to write"
    )
    _add_question(command)
    _add_model_facts(command)
    _add_device(command)
    _add_colors(command)
    command.add_argument("--labels", metavar="FILE", type=Path, help="a text file with one class name a line")


def _compare(arguments: argparse.Namespace) -> int:
    index = _class_index(arguments.class_index)
    classifier = load_with(arguments.model, arguments.parameters, _options(arguments))
    from whylight.class_score import Question
    from whylight.comparison import compare, comparison_picture
    from whylight.methods import methods
    from whylight.output import save_image

    against = None if arguments.against is None else _class_index(arguments.against)
    comparison = compare(
        classifier,
        arguments.image,
        index,
        list(methods()) if arguments.methods == ["all"] else arguments.methods,
        arguments.layers,
        Question(arguments.score, against, arguments.counterfactual),
        arguments.device,
    )
    picture = comparison_picture(comparison, _labels(arguments.labels), arguments.alpha, arguments.colormap)
    save_image(picture, arguments.output)
    print(f"{sum(map(len, comparison.rows))} maps of class {comparison.rows[0][0].class_index}: {arguments.output}")
    return 0


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """For commands without arguments."""


def _methods(_: argparse.Namespace) -> int:
    from whylight.methods import methods

    width = max(map(len, methods()))
    for one in methods().values():
        print(f"{one.name:<{width}}  {one.summary}")
        print(f"{'':<{width}}  passes: {one.passes}; {one.paper}")
    return 0


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    from whylight.trust.commands import add_evaluate

    _add_model(command, option=True)
    _add_model_facts(command)
    _add_explanation(command)
    _add_device(command)
    add_evaluate(command)


def _evaluate(arguments: argparse.Namespace) -> int:
    from whylight.trust.commands import evaluate

    return evaluate(arguments, lambda method: _explainer(argparse.Namespace(**{**vars(arguments), "method": method})))


def _add_sanity(command: argparse.ArgumentParser) -> None:
    from whylight.trust.commands import add_sanity

    _add_model(command, option=False)
    _add_model_facts(command)
    _add_explanation(command)
    add_sanity(command)


def _sanity(arguments: argparse.Namespace) -> int:
    from whylight.trust.commands import sanity

    classifier = load_with(arguments.model, arguments.parameters, _options(arguments))
    options = _explaining(arguments)
    return sanity(arguments, classifier, lambda model, method: model.explainer(**{**options, "method": method}))


def _add_inspect(command: argparse.ArgumentParser) -> None:
    _add_model(command, option=False)
    _add_model_facts(command)
    command.add_argument("--json", action="store_true", help="print the facts as JSON")


def _inspect(arguments: argparse.Namespace) -> int:
    from whylight.inspection import inspect_model, to_text

    facts = inspect_model(arguments.model, arguments.parameters, _options(arguments))
    print(json.dumps(facts, ensure_ascii=False, indent=2) if arguments.json else to_text(facts))
    return 0


def _add_convert(command: argparse.ArgumentParser) -> None:
    _add_model(command, option=False)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("model.onnx"), help="the ONNX file to write"
    )


def _convert(arguments: argparse.Namespace) -> int:
    from whylight.nnp import to_onnx
    from whylight.output import save_bytes

    model = to_onnx(arguments.model, arguments.parameters)
    save_bytes(model.SerializeToString(), arguments.output)
    print(f"{arguments.output}: {len(model.graph.node)} operators, opset {model.opset_import[0].version}")
    return 0


def _add_compile(command: argparse.ArgumentParser) -> None:
    _add_model(command, option=False)
    command.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("explainer.onnx"), help="the ONNX file to write"
    )
    _add_explanation(command)
    _add_model_facts(command)


def _compile(arguments: argparse.Namespace) -> int:
    from whylight.compiler import compile_explainer
    from whylight.facts import ExplainerFacts
    from whylight.output import save_bytes

    classifier = load_with(arguments.model, arguments.parameters, _options(arguments))
    graph = compile_explainer(classifier, **_explaining(arguments))
    save_bytes(graph.SerializeToString(), arguments.output)
    facts = ExplainerFacts.from_metadata({entry.key: entry.value for entry in graph.metadata_props}).maps[0]
    print(f"{arguments.output}: {facts.method}{f' at layer {facts.layer}' if facts.layer else ''}")
    return 0


def _add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, default=Path("whylight-demo"), help="where to write"
    )


def _demo(arguments: argparse.Namespace) -> int:
    from whylight.demo import run_demo

    print(run_demo(arguments.folder))
    return 0


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument("--clear", action="store_true", help="remove all of it")


def _cache(arguments: argparse.Namespace) -> int:
    from whylight import cache

    kept = cache.entries()
    size = sum(path.stat().st_size for path in kept)
    done = "removed" if arguments.clear else "kept"
    print(f"{cache.folder()}: {len(kept)} compiled explainers {done}, {size / 2**20:.1f} MiB")
    if arguments.clear:
        cache.clear()
    return 0
