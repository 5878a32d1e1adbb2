"""The same image and class, explained by many methods and at many layers, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from whylight.class_names.lookup import name_of
from whylight.compiling.compiler import compile_maps
from whylight.drawing.grid import grid
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.encoding import save_image
from whylight.files.storage import path_of
from whylight.images.inputs import ImageLike, read_image
from whylight.methods import Method, method_named, methods
from whylight.options import ClassIndex, Execution, Question, Rendering
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier

_COLUMNS = 5


@dataclass(frozen=True)
class Comparison:
    """Explanations of one image and one class.

    Attributes:
        rows: one list of explanations a layer, or one list in all.
        labels: what stands beside each row; empty where there is one row only.
    """

    rows: tuple[tuple[Explanation, ...], ...]
    labels: tuple[str, ...]

    def picture(
        self, labels: Sequence[str] | None = None, rendering: Rendering | None = None, **options: Any
    ) -> Image.Image:
        """The image and all overlays, each with the name of its method, on white.

        Args:
            labels: names of the classes; by default those that the model has.
            rendering: how overlays look.
            **options: fields of `Rendering`, in place of those of ``rendering``.
        """
        look = Rendering.of(rendering, **options)
        first = self.rows[0][0]
        name = name_of(first.class_index, labels or first.class_names) or f"class {first.class_index}"
        original = (first.overlay(look, alpha=0), f"{name}, {first.probability:.1%}")
        cells = [[original, *((one.overlay(look), one.method) for one in row)] for row in self.rows]
        if not self.labels:
            cells = [cells[0][start : start + _COLUMNS] for start in range(0, len(cells[0]), _COLUMNS)]
        return grid(cells, [f"layer {label}" for label in self.labels])

    def save(
        self,
        path: str | Path,
        labels: Sequence[str] | None = None,
        rendering: Rendering | None = None,
        **options: Any,
    ) -> None:
        """Write the picture in the format that the file's ending names, aside first and then in place.

        Raises:
            WhylightError: the ending names no known format, or the file cannot be written.
        """
        save_image(self.picture(labels, rendering, **options), path_of(path))

    def to_dict(self) -> dict[str, Any]:
        """What is known of each explanation, ready for JSON."""
        return {
            "class_index": self.rows[0][0].class_index,
            "maps": [one.to_dict() for row in self.rows for one in row],
        }


def compare(
    classifier: Classifier,
    image: ImageLike,
    class_index: ClassIndex,
    names: Sequence[str],
    question: Question,
    execution: Execution,
    advance: Callable[[int], None],
) -> Comparison:
    """Explain an image by several methods at several layers: see `whylight.api.compare`."""
    question = question.about(classifier.class_names, classifier.class_count)
    picture = read_image(image, classifier.input)
    advance(0)
    if not names or list(names) == ["all"]:
        candidates = [one for one in methods().values() if names or one.driver is None]
        chosen = _possible(classifier, candidates, question, advance)
        if not chosen:
            raise WhylightError("no method fits this model")
    else:
        chosen = [method_named(name) for name in names]
    targets = question.layers
    wanted = [(one, layer if one.sees_layer else None) for layer in targets for one in chosen]
    found: dict[tuple[str, str | None], Explanation] = {}
    for group in _sharing_a_graph(wanted):
        graph = compile_maps(classifier, [(one.name, layer) for one, layer in group], question).SerializeToString()
        explainer = Explainer(graph, execution)
        (explanations,) = explainer.explain_all([picture], [class_index])
        found |= {(one.name, layer): result for (one, layer), result in zip(group, explanations, strict=True)}
        advance(len(group))
    rows = tuple(
        tuple(found[one.name, layer if one.sees_layer else None] for one in chosen if one.sees_layer or not number)
        for number, layer in enumerate(targets)
    )
    return Comparison(rows, tuple(classifier.layer(layer).name for layer in targets) if len(targets) > 1 else ())


def _possible(
    classifier: Classifier, candidates: Sequence[Method], question: Question, advance: Callable[[int], None]
) -> list[Method]:
    """The methods that can explain the model at its default layer."""
    possible = []
    for one in candidates:
        advance(0)
        try:
            compile_maps(classifier, [(one.name, None)], question)
        except WhylightError as error:
            warnings.warn(f"method '{one.name}' is left out: {error}", WhylightWarning, stacklevel=3)
        else:
            possible.append(one)
    return possible


def _sharing_a_graph(
    wanted: Sequence[tuple[Method, str | None]],
) -> list[list[tuple[Method, str | None]]]:
    """All methods of one pass together, each of several passes by itself."""
    distinct = list(dict.fromkeys(wanted))
    alone = [[pair] for pair in distinct if pair[0].driver]
    together = [pair for pair in distinct if not pair[0].driver]
    return [together, *alone] if together else alone
