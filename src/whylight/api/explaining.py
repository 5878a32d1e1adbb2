"""One image, a list, a stream; and one image by many methods."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.api.given import Advance, method_names, path_or_none, watched
from whylight.api.models import compile, loaded  # noqa: A004
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.checks import check_file
from whylight.files.storage import local_path_of
from whylight.options import Chosen, ClassIndex, Execution, ModelOptions, Options, Question, parsed, text

if TYPE_CHECKING:
    from threading import Event

    from whylight.api.models import ModelLike
    from whylight.comparison import Comparison
    from whylight.images.inputs import ImageLike
    from whylight.running.explainer import Explainer
    from whylight.running.explanation import Explanation

_DEFAULT = "gradcam"


def explainer(
    model: ModelLike, method: str = _DEFAULT, *options: Options, parameters: str | Path | None = None, **fields: Any
) -> Explainer:
    """What explains a model's decisions: call it with an image and a class, or with a list of both.

    That of a model file is kept on disk: the next start needs neither the file's reader nor the compiler.

    Args:
        model: see `load`; or a `Classifier`, or a file that ``whylight compile`` wrote.
        method: the name of a method: see `methods`.
        *options: `Question`, `Execution`; `ModelOptions` for a file.
        parameters: see `load`.
        **fields: fields of these: ``layer="conv5"``, ``device="cpu"``, ``input_range=255``, ...

    Raises:
        WhylightError: as `load` and `compile`.
    """
    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    return explainer_of(model, method, parameters, chosen)


def explain(
    model: ModelLike | Explainer,
    image: ImageLike | Sequence[ImageLike],
    class_index: ClassIndex | Sequence[ClassIndex] = "predicted",
    *options: Options,
    method: str = _DEFAULT,
    parameters: str | Path | None = None,
    **fields: Any,
) -> Explanation | list[Explanation]:
    """Explain one image, for one class or several, or a list of images in batches: `explainer`, called once.

    For more see `Explainer.stream`.

    Args:
        model: see `explainer`.
        image: an image file, a Pillow image, or an array (H, W), (H, W, C) or (C, H, W) of uint8, uint16, or float in
            [0, 1]; or a list of these.
        class_index: the class to explain: its index, its name, or ``"predicted"``; of one image several too, each of
            which gets an explanation; for a list of images, one for all or one each.
        *options: see `explainer`.
        method: see `explainer`.
        parameters: see `load`.
        **fields: see `explainer`.

    Raises:
        WhylightError: as `explainer`; or an image cannot be read, or a class index is out of range.
    """
    chosen = Chosen(options, fields, ModelOptions, Question, Execution)
    return explainer_of(model, method, parameters, chosen)(image, class_index)


def compare(
    model: ModelLike,
    image: ImageLike,
    class_index: ClassIndex = "predicted",
    *options: Options,
    methods: str | Sequence[str] = (),
    parameters: str | Path | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> Comparison:
    """Explain an image by several methods at several layers; methods of one pass share one run of the network.

    Args:
        model: see `explainer`.
        image: see `explain`.
        class_index: the class to explain: its index, its name, or ``"predicted"``.
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
    classifier = loaded(model, parameters, chosen[ModelOptions])
    watch = watched(advance, cancel)
    return compare(classifier, image, class_index, method_names(methods), chosen[Question], chosen[Execution], watch)


def explainer_of(model: Any, method: str, parameters: str | Path | None, chosen: Chosen) -> Explainer:
    """The explainer of a model: kept on disk, compiled, or the one that is given."""
    parsed("method", method, text)
    question, execution, options = chosen[Question], chosen[Execution], chosen[ModelOptions]

    def graph() -> bytes:
        return compile(model, method, question, options, parameters=parameters).SerializeToString()

    if _is_explainer(model):
        return _as_it_is(model, method, parameters, chosen)
    for file in (model, parameters):
        if isinstance(file, str | Path):
            check_file(local_path_of(file))
    if isinstance(model, str | Path) and (made := _made_already(local_path_of(model))):
        return _as_it_is(made, method, parameters, chosen)
    if isinstance(model, str | Path) and execution.cache:
        from whylight.methods import method_named
        from whylight.running.cache import cached_explainer

        names = _names(local_path_of(model), options)
        asked = {"method": method_named(method).name, **options.to_dict(), **question.to_dict(), "labels": names}
        return cached_explainer(local_path_of(model), path_or_none(parameters), asked, graph, execution)
    from whylight.running.explainer import Explainer

    return Explainer(graph(), execution)


def _is_explainer(model: object) -> bool:
    """Whether it is one; where nobody has made one, nothing is imported to find out."""
    module = sys.modules.get("whylight.running.explainer")
    return module is not None and isinstance(model, module.Explainer)


def _made_already(path: Path) -> Explainer | None:
    """The explainer in a file that ``whylight compile`` wrote."""
    from whylight.contract import ExplainerFacts

    facts = ExplainerFacts.held_by(path) if path.suffix.lower() == ".onnx" else None
    if facts is None:
        return None
    import warnings

    from whylight.running.explainer import Explainer

    for note in facts.notes:
        warnings.warn(note, WhylightWarning, stacklevel=4)
    return Explainer(path)


def _names(model: Path, options: ModelOptions) -> tuple[str, ...]:
    """The classes' names that are given, or that stand beside the model: not the file that has them."""
    from whylight.class_names.source import class_names, names_beside

    return names_beside(model) if options.labels is None else class_names(options.labels)


def _as_it_is(explainer: Explainer, method: str, parameters: str | Path | None, chosen: Chosen) -> Explainer:
    """The explainer that is given, perhaps run otherwise.

    Raises:
        WhylightError: something else is asked of it than it was made for.
    """
    from whylight.methods import method_named

    made_for = explainer.facts.maps[0].method
    method = method_named(method).name
    known = [name for name in chosen[ModelOptions].changed() if name != "labels"]
    asked = [*known, *chosen[Question].changed(), *(["parameters"] if parameters else [])]
    if asked or method not in (made_for, _DEFAULT):
        raise WhylightError(
            f"the explainer is made already, of method '{made_for}': "
            f"give {', '.join(asked) or f'method {method!r}'} to whylight.explainer or 'whylight compile'"
        )
    changed, labels = chosen[Execution].changed(), chosen[ModelOptions].labels
    if labels is None and not changed:
        return explainer
    own = type(explainer)(explainer.graph, explainer.execution, **changed)
    names = explainer.facts.class_names if labels is None else labels
    return own.with_class_names(names) if names else own


def fitting(names: str | Sequence[str], make: Callable[[str], Explainer], watch: Advance) -> dict[str, Explainer]:
    """The explainers by method; of all, one that does not fit the model is left out with a warning.

    Raises:
        WhylightError: no method is named, there is none of that name, or it does not fit.
    """
    import warnings

    from whylight.methods import method_named, methods

    chosen = tuple(dict.fromkeys(method_names(names)))
    if not chosen:
        raise WhylightError("no method is named: expected names, or 'all'")
    leave_out = chosen == ("all",)
    explainers = {}
    for name in methods() if leave_out else [method_named(name).name for name in chosen]:
        watch(0)
        try:
            explainers[name] = make(name)
        except WhylightError as error:
            if not leave_out:
                raise
            warnings.warn(f"{name} is left out: {error}", WhylightWarning, stacklevel=3)
    if not explainers:
        raise WhylightError("no method fits this model")
    return explainers
