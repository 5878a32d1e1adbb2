"""The front desk: all that a program, a notebook, the command line or a page may call, and all that they call.

    import whylight

    explainer = whylight.explainer("results.nnp", layer="conv5", device="cpu")
    explanation = explainer("cat.png", class_index=285)
    explanation.overlay(alpha=0.5).save("overlay.png")

Options are objects (`ModelOptions`, `Question`, `Rendering`, `Execution`), or their fields by name; a function takes
both. What takes long takes ``advance``, which is called with the number of images (or stages)
that are done since the last call, and ``cancel``, a `threading.Event`: once it is set the work ends with `Cancelled`
before the next batch. Whatever is wrong with what is given is a `WhylightError` of one line.

What is not named here is private, and may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import Cancelled, WhylightError, WhylightWarning
from whylight.options import Chosen, ClassIndex, Execution, ModelOptions, Options, Question, Rendering
from whylight.version import __version__

if TYPE_CHECKING:
    from threading import Event

    import onnx
    import torch

    from whylight.api.classifier import Classifier
    from whylight.batch.options import BatchOptions
    from whylight.batch.run import BatchSummary
    from whylight.classifier.classifier import Classifier as Described
    from whylight.comparison import Comparison
    from whylight.dataset.opening import Table
    from whylight.dataset.table import Dataset
    from whylight.gradient.rule import rule
    from whylight.images.inputs import ImageLike
    from whylight.methods import Method, method, method_of_passes
    from whylight.reading import Reader, reader, reader_through_onnx
    from whylight.reading.inspection import Inspection
    from whylight.reading.nnp.functions import function
    from whylight.report.options import ReportOptions
    from whylight.report.page import ReportSummary
    from whylight.running.cache import CacheContent
    from whylight.running.explainer import Explainer
    from whylight.running.explanation import Explanation
    from whylight.trust.evaluation import Evaluation
    from whylight.trust.metrics import Metric, metric
    from whylight.trust.options import EvaluationOptions
    from whylight.trust.precomputed import MapSource
    from whylight.trust.sanity import SanityReport

    ModelLike = str | Path | Described | torch.nn.Module
    """A model file, or what was made of one."""

Advance = Callable[[int], None]
"""Is told what is done since it was last called: images, or stages."""

_HOMES = {
    "BatchOptions": "batch.options",
    "BatchSummary": "batch.run",
    "CacheContent": "running.cache",
    "Classifier": "api.classifier",
    "Comparison": "comparison",
    "Evaluation": "trust.evaluation",
    "EvaluationOptions": "trust.options",
    "Explainer": "running.explainer",
    "Explanation": "running.explanation",
    "Inspection": "reading.inspection",
    "Method": "methods",
    "Metric": "trust.metrics",
    "Reader": "reading",
    "ReportOptions": "report.options",
    "ReportSummary": "report.page",
    "SanityReport": "trust.sanity",
    "function": "reading.nnp.functions",
    "method": "methods",
    "method_of_passes": "methods",
    "metric": "trust.metrics",
    "reader": "reading",
    "reader_through_onnx": "reading",
    "rule": "gradient.rule",
}
"""Where the types and decorators are that are imported when they are first used: the start stays fast."""

__all__ = [
    "BatchOptions",
    "BatchSummary",
    "CacheContent",
    "Cancelled",
    "Classifier",
    "Comparison",
    "Evaluation",
    "EvaluationOptions",
    "Execution",
    "Explainer",
    "Explanation",
    "Inspection",
    "Method",
    "Metric",
    "ModelOptions",
    "Question",
    "Reader",
    "Rendering",
    "ReportOptions",
    "ReportSummary",
    "SanityReport",
    "WhylightError",
    "WhylightWarning",
    "__version__",
    "cache_content",
    "check_sanity",
    "clear_cache",
    "compare",
    "compile",
    "convert",
    "evaluate_dataset",
    "explain",
    "explain_dataset",
    "explainer",
    "function",
    "inspect",
    "load",
    "method",
    "method_of_passes",
    "methods",
    "metric",
    "metrics",
    "open_dataset",
    "read_labels",
    "reader",
    "reader_through_onnx",
    "rule",
    "save_model",
    "write_report",
]


# ---- models


def load(model: ModelLike, parameters: str | Path | None = None, *options: Options, **fields: Any) -> Classifier:
    """Load a trained image classifier.

    Models of signals (N, C, L) and volumes (N, C, D, H, W) take arrays as they are.

    Args:
        model: an .onnx file of any producer, a .nnp file, a loose network (.nntxt, .prototxt, .protobuf), or, where
            PyTorch is installed, a ``torch.nn.Module`` or a .pt2 file of ``torch.export.save``.
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.
        *options: `ModelOptions`.
        **fields: fields of `ModelOptions`: ``input_range=255``, ``mean=(0.5, 0.5, 0.5)``, ...

    Raises:
        WhylightError: the file cannot be read or is not a classifier of one image; the message says why.
    """
    from whylight.api.classifier import Classifier

    return Classifier.of(_loaded(model, parameters, Chosen(options, fields, ModelOptions)[ModelOptions]))


def inspect(model: str | Path, parameters: str | Path | None = None, *options: Options, **fields: Any) -> Inspection:
    """Describe a model file, also one that cannot be explained.

    Args:
        model: see `load`.
        parameters: see `load`.
        *options: `ModelOptions`.
        **fields: fields of `ModelOptions`.

    Raises:
        WhylightError: the file cannot be read.
    """
    from whylight import reading

    chosen = Chosen(options, fields, ModelOptions)[ModelOptions]
    return reading.inspect(_path(model), _path_or_none(parameters), chosen)


def convert(model: str | Path, parameters: str | Path | None = None) -> onnx.ModelProto:
    """Convert a model file to ONNX: one model in float32 with its weights, in one operator set.

    Args:
        model: see `load`.
        parameters: see `load`.

    Raises:
        WhylightError: the file cannot be read, or the network cannot be converted; the message says why.
    """
    from whylight import reading

    return reading.convert(_path(model), _path_or_none(parameters))


def compile(  # noqa: A001  # it is what the command is called
    model: ModelLike,
    method: str | Sequence[tuple[str, str | Sequence[str] | None]] = "gradcam",
    *options: Options,
    parameters: str | Path | None = None,
    **fields: Any,
) -> onnx.ModelProto:
    """The explainer of a model as one ONNX model, which any program with ONNX Runtime can run.

    Its inputs are the model's and ``class_index`` (N,) int64, -1 for the predicted class; its outputs the model's,
    ``score`` (N,), and ``cam`` (N, h, w), not normalized.

    Args:
        model: see `load`; or a `Classifier`.
        method: the name of a method: see `methods`; or several, each with its layers (None for the default layer): the
            first one's map is ``cam``, the others' are ``cam/1``, ``cam/2``, and the network runs once for all.
        *options: `Question`; `ModelOptions` for a file.
        parameters: see `load`.
        **fields: fields of these.

    Raises:
        WhylightError: no such method, layer or class, or the layer cannot be differentiated through.
    """
    from whylight.compiling.compiler import compile_explainer, compile_maps

    chosen = Chosen(options, fields, ModelOptions, Question)
    classifier = _loaded(model, parameters, chosen[ModelOptions])
    if isinstance(method, str):
        return compile_explainer(classifier, method, chosen[Question])
    return compile_maps(classifier, method, chosen[Question])


def save_model(model: onnx.ModelProto, path: str | Path) -> None:
    """Write an ONNX model: aside first, then in place of what is there.

    Raises:
        WhylightError: it cannot be written.
    """
    from whylight.files.writing import save_bytes

    save_bytes(model.SerializeToString(), _path(path))


# ---- explaining


def explainer(
    model: ModelLike, method: str = "gradcam", *options: Options, parameters: str | Path | None = None, **fields: Any
) -> Explainer:
    """What explains a model's decisions: call it with an image and a class, or with a list of both.

    That of a model file is kept on disk: the next start needs neither the file's reader nor the compiler.

    Args:
        model: see `load`; or a `Classifier`.
        method: the name of a method: see `methods`.
        *options: `Question`, `Execution`; `ModelOptions` for a file.
        parameters: see `load`.
        **fields: fields of these: ``layer="conv5"``, ``device="cpu"``, ``input_range=255``, ...

    Raises:
        WhylightError: as `load` and `compile`.
    """
    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    return _explainer(model, method, parameters, chosen)


def explain(
    model: ModelLike | Explainer,
    image: ImageLike | Sequence[ImageLike],
    class_index: ClassIndex | Sequence[ClassIndex] = "predicted",
    *options: Options,
    method: str = "gradcam",
    parameters: str | Path | None = None,
    **fields: Any,
) -> Explanation | list[Explanation]:
    """Explain one image, or a list of images in batches: `explainer`, called once. For more see `Explainer.stream`.

    Args:
        model: see `explainer`.
        image: an image file, a Pillow image, or an array (H, W), (H, W, C) or (C, H, W) of uint8, uint16, or float in
            [0, 1]; or a list of these.
        class_index: the class to explain, or ``"predicted"``; for a list of images, one for all or one each.
        *options: see `explainer`.
        method: see `explainer`.
        parameters: see `load`.
        **fields: see `explainer`.

    Raises:
        WhylightError: as `explainer`; or an image cannot be read, or a class index is out of range.
    """
    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    return _explainer(model, method, parameters, chosen)(image, class_index)  # type: ignore[arg-type]


def compare(
    model: ModelLike,
    image: ImageLike,
    class_index: ClassIndex = "predicted",
    *options: Options,
    methods: Sequence[str] = (),
    parameters: str | Path | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> Comparison:
    """Explain an image by several methods at several layers; methods of one pass share one run of the network.

    Args:
        model: see `explainer`.
        image: see `explain`.
        class_index: the class to explain, or ``"predicted"``.
        *options: `Question` (of several layers each is a row), `Execution`; `ModelOptions` for a file.
        methods: their names; by default all of one pass, ``["all"]`` for those of several too. Of these, one that
            cannot explain the model is left out, with a warning.
        parameters: see `load`.
        advance: is told of methods that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: as `explainer`; or the image cannot be read.
    """
    from whylight.comparison import compare

    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    classifier = _loaded(model, parameters, chosen[ModelOptions])
    watch = _watched(advance, cancel)
    return compare(classifier, image, class_index, methods, chosen[Question], chosen[Execution], watch)


# ---- datasets


def open_dataset(table: Table) -> Dataset:
    """A dataset: its variables, and its rows one by one.

    Args:
        table: a dataset CSV of Neural Network Console, or a table in memory: a pandas DataFrame, or rows: mappings, or
            pairs of an image and a class index.

    Raises:
        WhylightError: it is missing, empty, not UTF-8 text or no CSV.
    """
    from whylight.dataset.opening import open_dataset

    return open_dataset(table)


def explain_dataset(
    model: ModelLike | Explainer,
    table: Table,
    output: str | Path,
    *options: Options,
    method: str = "gradcam",
    parameters: str | Path | None = None,
    say: Callable[[str], None] | None = None,
    expect: Callable[[int], None] | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> BatchSummary:
    """Explain every row of a dataset: an overlay each, and the table with a column that names them.

    A run that was cancelled or killed is taken up where it stopped when it is asked for again, with the same bytes.

    Args:
        model: see `explainer`; or an `Explainer`.
        table: see `open_dataset`.
        output: the result CSV; the overlays go into a folder of its name.
        *options: `BatchOptions`, `Question`, `Execution`, `Rendering`; `ModelOptions` for a file.
        method: see `explainer`.
        parameters: see `load`.
        say: is told that a run goes on, or starts over.
        expect: is told of the number of rows before the first is explained.
        advance: is told of rows that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: a variable is missing, a row is bad (unless they are skipped), or the output cannot be written.
    """
    from whylight.batch.options import BatchOptions

    chosen = Chosen(options, fields, ModelOptions, Question, Execution, Rendering, BatchOptions)
    own = _explainer(model, method, parameters, chosen)
    from whylight.batch.run import explain_dataset

    return explain_dataset(
        own,
        table,
        _path(output),
        chosen[BatchOptions],
        chosen[Rendering],
        say=say or _tell_nobody,
        expect=expect or _tell_nobody,
        advance=_watched(advance, cancel),
    )


def evaluate_dataset(
    model: ModelLike,
    table: Table,
    *options: Options,
    methods: Sequence[str] = ("gradcam", "random"),
    maps: Mapping[str, MapSource] | None = None,
    output: str | Path | None = None,
    parameters: str | Path | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> Evaluation:
    """Judge methods on a dataset, or maps that another program made of its images.

    Args:
        model: see `explainer`.
        table: see `open_dataset`.
        *options: `EvaluationOptions`, `Question`, `Execution`; `ModelOptions` for a file.
        methods: their names; ``["all"]`` for all that can explain the model: of these, others are left out with a
            warning.
        maps: precomputed maps, by the name that the result gives them: an array (N, h, w), one a row; a .npy file of
            one; what ``save_cam`` writes, an .npz file or its folder.
        output: a CSV to write, one row a method; a chart is written beside it, with its name and ``.png``.
        parameters: see `load`.
        advance: is told of rows that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: a metric or variable is missing, a row is bad, a metric needs boxes that are not there, or the
            model takes no pictures.
    """
    from whylight.trust.evaluation import evaluate_dataset
    from whylight.trust.metrics import metric_named
    from whylight.trust.options import EvaluationOptions
    from whylight.trust.results import save_evaluation

    _check_writable(output)
    chosen = Chosen(options, fields, ModelOptions, Question, Execution, EvaluationOptions)
    for name in chosen[EvaluationOptions].metrics:
        metric_named(name)
    makers = _fitting(methods, lambda name: _explainer(model, name, parameters, chosen))
    judge = next(iter(makers.values()), None) or _explainer(model, "gradcam", parameters, chosen)
    watch = _watched(advance, cancel)
    evaluation = evaluate_dataset({**makers, **(maps or {})}, table, chosen[EvaluationOptions], watch, judge)
    if output is not None:
        save_evaluation(evaluation, _path(output))
    return evaluation


def check_sanity(
    model: ModelLike,
    *options: Options,
    methods: Sequence[str] = ("gradcam",),
    images: Sequence[ImageLike] = (),
    output: str | Path | None = None,
    parameters: str | Path | None = None,
    expect: Callable[[int], None] | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> tuple[SanityReport, ...]:
    """Test whether methods' maps depend on what the model has learned (Adebayo et al. 2018).

    Args:
        model: see `explainer`.
        *options: `Question`, `Execution`; `ModelOptions` for a file.
        methods: see `evaluate_dataset`.
        images: by default images of noise.
        output: a CSV to write, one row a stage; a chart is written beside it, with its name and ``.png``.
        parameters: see `load`.
        expect: is told of the number of stages before the first is done.
        advance: is told of stages that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: the model has no weights, takes no pictures, or cannot be explained.
    """
    from whylight.running.explainer import Explainer
    from whylight.trust.results import save_sanity
    from whylight.trust.sanity import check_sanity, stage_count

    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    _check_writable(output)
    classifier = _loaded(model, parameters, chosen[ModelOptions])

    def compiled(name: str, altered: Any) -> Explainer:
        return Explainer(compile(altered, name, chosen[Question]).SerializeToString(), chosen[Execution])

    makers = _fitting(methods, lambda name: compiled(name, classifier))
    given = None
    if images:
        first = next(iter(makers.values()))
        given = first.inputs([first.picture(image) for image in images])
    (expect or _tell_nobody)(stage_count(classifier) * len(makers))
    watch = _watched(advance, cancel)
    reports = tuple(
        check_sanity(classifier, name, lambda altered, name=name: compiled(name, altered), given, watch)  # type: ignore[misc]
        for name in makers
    )
    if output is not None:
        save_sanity(reports, _path(output))
    return reports


def write_report(
    table: str | Path,
    output: str | Path,
    *options: Options,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> ReportSummary:
    """Write a page about a result of `explain_dataset`: accuracy, confusions, every image beside its overlay.

    Args:
        table: the result CSV.
        output: the HTML file; its thumbnails go into a folder beside it.
        *options: `ReportOptions`.
        advance: is told of rows that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: the CSV is missing or no such result, or the output cannot be written.
    """
    from whylight.report.options import ReportOptions
    from whylight.report.page import write_report

    chosen = Chosen(options, fields, ReportOptions)[ReportOptions]
    return write_report(_path(table), _path(output), chosen, _watched(advance, cancel))


def read_labels(path: str | Path) -> list[str]:
    """The class names of a text file: one a line, the first is class 0.

    Raises:
        WhylightError: the file is missing, or is not UTF-8 text.
    """
    from whylight.dataset.labels import read_labels

    return read_labels(_path(path))


# ---- what there is


def methods() -> dict[str, Method]:
    """All methods by name, those of installed packages too."""
    from whylight.methods import methods

    return dict(methods())


def metrics() -> dict[str, Metric]:
    """All metrics by name, those of installed packages too."""
    from whylight.trust.metrics import metrics

    return dict(metrics())


def cache_content() -> CacheContent:
    """Where compiled explainers are kept, how many, and what they take."""
    from whylight.running.cache import content

    return content()


def clear_cache() -> None:
    """Remove all compiled explainers that are kept."""
    from whylight.running.cache import clear

    clear()


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"whylight.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'whylight' has no attribute '{name}'")


# ---- behind the desk


def _path(name: str | Path) -> Path:
    """A path, or what stands for a URL."""
    from whylight.files.storage import location

    if isinstance(name, str):
        return location(name)
    if not hasattr(name, "parent"):
        raise WhylightError(f"found {type(name).__name__} in place of a path")
    return name


def _path_or_none(name: str | Path | None) -> Path | None:
    return None if name is None else _path(name)


def _check_writable(output: str | Path | None) -> None:
    """Before the work begins."""
    from whylight.files.writing import check_writable

    if output is not None:
        check_writable(_path(output))


def _loaded(model: ModelLike, parameters: str | Path | None, options: ModelOptions) -> Any:
    """The classifier in a file or in a module of PyTorch, or the one that is given."""
    if isinstance(model, str | Path):
        from whylight import reading

        return reading.load(_path(model), _path_or_none(parameters), options)
    from whylight.classifier.classifier import Classifier

    if isinstance(model, Classifier):
        changed = ", ".join(options.changed())
        if changed or parameters is not None:
            raise WhylightError(f"the classifier is loaded already: give {changed or 'its parameters'} to load")
        return model
    if not hasattr(model, "state_dict"):
        raise WhylightError(
            f"found {type(model).__name__} in place of a model: expected a file, a Classifier or a torch.nn.Module"
        )
    from whylight.reading.pytorch import load_module

    return load_module(model, options)


def _explainer(model: Any, method: str, parameters: str | Path | None, chosen: Chosen) -> Explainer:
    question, execution, options = chosen[Question], chosen[Execution], chosen[ModelOptions]

    def graph() -> bytes:
        return compile(model, method, question, options, parameters=parameters).SerializeToString()

    if isinstance(model, str | Path) and execution.cache:
        from whylight.running.cache import cached_explainer

        asked = {"method": method, **options.to_dict(), **question.to_dict()}
        return cached_explainer(_path(model), _path_or_none(parameters), asked, graph, execution)
    from whylight.running.explainer import Explainer

    if isinstance(model, Explainer):
        return model
    return Explainer(graph(), execution)


def _fitting(names: Iterable[str], make: Callable[[str], Explainer]) -> dict[str, Explainer]:
    """The explainers by method; of all, one that does not fit the model is left out with a warning."""
    import warnings

    from whylight.methods import method_named

    chosen = list(dict.fromkeys(names))
    leave_out = chosen == ["all"]
    explainers = {}
    for name in methods() if leave_out else [method_named(name).name for name in chosen]:
        try:
            explainers[name] = make(name)
        except WhylightError as error:
            if not leave_out:
                raise
            warnings.warn(f"{name} is left out: {error}", WhylightWarning, stacklevel=3)
    if not explainers and leave_out:
        raise WhylightError("no method fits this model")
    return explainers


def _tell_nobody(_: object) -> None:
    """For who does not want to know."""


def _watched(advance: Advance | None, cancel: Event | None) -> Advance:
    """What is called between batches."""

    def watch(done: int) -> None:
        if advance is not None:
            advance(done)
        if cancel is not None and cancel.is_set():
            raise Cancelled("cancelled")

    return watch
