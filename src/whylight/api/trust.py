"""How far maps are to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.api.explaining import explainer_of, fitting
from whylight.api.given import Advance, method_names, tell_nobody, watched
from whylight.api.models import compile, loaded  # noqa: A004
from whylight.errors import WhylightError
from whylight.files.storage import path_of
from whylight.options import Chosen, Execution, ModelOptions, Options, Output, Question

if TYPE_CHECKING:
    from threading import Event

    from whylight.api.models import ModelLike
    from whylight.dataset.opening import Table
    from whylight.images.inputs import ImageLike
    from whylight.running.explainer import Explainer
    from whylight.trust.evaluation import Evaluation
    from whylight.trust.precomputed import MapSource
    from whylight.trust.sanity import SanityReport


def evaluate_dataset(
    model: ModelLike,
    table: Table,
    *options: Options,
    methods: str | Sequence[str] = ("gradcam", "random"),
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
        *options: `EvaluationOptions`, `Question`, `Execution`, `Output`; `ModelOptions` for a file.
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
    from whylight.files.marks import EVALUATION
    from whylight.files.writing import check_output
    from whylight.trust.evaluation import evaluate_dataset
    from whylight.trust.metrics import metric_named
    from whylight.trust.options import EvaluationOptions
    from whylight.trust.results import save_evaluation

    chosen = Chosen(options, fields, ModelOptions, Question, Execution, EvaluationOptions, Output)
    sources = (model, parameters, *_listed(table), *chosen[ModelOptions].files, *_values(maps))
    file = _table_beside_chart(output, EVALUATION, sources, chosen[Output])
    if (values := chosen[EvaluationOptions].per_image) is not None:
        check_output(values, EVALUATION, sources, chosen[Output].overwrite)
        if file == values:
            raise WhylightError(
                f"{values}: the table of all images has this name: expected another for each image's values"
            )
    for name in chosen[EvaluationOptions].metrics:
        metric_named(name)
    watch = watched(advance, cancel)

    def made(name: str) -> Explainer:
        return explainer_of(model, name, parameters, chosen)

    explainers = fitting(methods, made, watch) if method_names(methods) or not maps else {}
    beside = _named(maps, explainers)
    # maps from elsewhere cover what a method at the layer sees, whichever methods are judged beside them
    judge = explainers.get("gradcam") or made("gradcam") if beside else next(iter(explainers.values()))
    watch(0)
    evaluation = evaluate_dataset({**explainers, **beside}, table, chosen[EvaluationOptions], watch, judge)
    if file is not None:
        save_evaluation(evaluation, file)
    return evaluation


def _table_beside_chart(
    output: str | Path | None, kind: str, sources: Sequence[object], options: Output
) -> Path | None:
    """The CSV to write, which has to be possible before the work begins.

    Raises:
        WhylightError: it, or the chart beside it, cannot be written, or would replace what is no such result.
    """
    from whylight.files.marks import CHART
    from whylight.files.writing import check_output

    if output is None:
        return None
    path = path_of(output)
    if path.suffix.lower() == ".png":
        raise WhylightError(f"{path}: the chart has this name: expected that of a CSV")
    if not path.suffix:
        raise WhylightError(f"{path}: expected a CSV to write, such as {path}.csv")
    check_output(path, kind, sources, options.overwrite)
    check_output(path.with_suffix(".png"), CHART, sources, options.overwrite)
    return path


def _listed(table: Any) -> Sequence[Any]:
    """The files that a table is, as far as they are named."""
    return table if isinstance(table, list | tuple) else [table]


def _values(maps: Any) -> Sequence[Any]:
    return list(maps.values()) if isinstance(maps, Mapping) else []


def _named(maps: Mapping[str, MapSource] | None, explainers: Mapping[str, Explainer]) -> Mapping[str, MapSource]:
    """Maps from elsewhere, whose names are no method's."""
    maps = {} if maps is None else maps
    if not isinstance(maps, Mapping):
        raise WhylightError(f"maps: expected a mapping from names to maps, found {type(maps).__name__}")
    for name in maps:
        if not isinstance(name, str) or not name or name in explainers:
            raise WhylightError(f"maps {name!r}: expected a name that no method has which is judged beside them")
    return maps


def _one_by_one(images: Sequence[Any]) -> list[Any]:
    """Images, with those of folders and patterns in their place."""
    from whylight.dataset.image_files import image_files
    from whylight.files.finding import means_several

    found: list[Any] = []
    for image in images:
        if isinstance(image, str | Path) and means_several(image):
            table = image_files([image])
            found += [table.image(row, (0,)) for row in table.rows()]
        else:
            found.append(image)
    return found


def check_sanity(
    model: ModelLike,
    *options: Options,
    methods: str | Sequence[str] = ("gradcam",),
    images: ImageLike | Sequence[ImageLike] = (),
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
        *options: `Question`, `Execution`, `Output`; `ModelOptions` for a file.
        methods: see `evaluate_dataset`.
        images: files, folders or patterns too; by default images of noise.
        output: a CSV to write, one row a stage; a chart is written beside it, with its name and ``.png``.
        parameters: see `load`.
        expect: is told of the number of stages before the first is done.
        advance: is told of stages that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: the model has no weights, takes no pictures, or cannot be explained.
    """
    from whylight.files.marks import SANITY
    from whylight.running.explainer import Explainer
    from whylight.trust.results import save_sanity
    from whylight.trust.sanity import check_sanity, stage_count

    chosen = Chosen(options, fields, ModelOptions, Question, Execution, Output)
    sources = (model, parameters, *_listed(images), *chosen[ModelOptions].files)
    file = _table_beside_chart(output, SANITY, sources, chosen[Output])
    watch = watched(advance, cancel)
    classifier = loaded(model, parameters, chosen[ModelOptions])

    def compiled(name: str, altered: Any) -> Explainer:
        return Explainer(compile(altered, name, chosen[Question]).SerializeToString(), chosen[Execution])

    makers = fitting(methods, lambda name: compiled(name, classifier), watch)
    chosen_images = _one_by_one(images if isinstance(images, list | tuple) else [images])
    given = None
    if chosen_images:
        first = next(iter(makers.values()))
        given = first.inputs([first.picture(image) for image in chosen_images])
    (expect or tell_nobody)(stage_count(classifier) * len(makers))
    reports = tuple(
        check_sanity(classifier, name, lambda altered, name=name: compiled(name, altered), given, watch)  # type: ignore[misc]
        for name in makers
    )
    if file is not None:
        save_sanity(reports, file)
    return reports
