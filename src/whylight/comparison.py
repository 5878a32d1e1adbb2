"""The same image and class, explained by many methods and at many layers, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from whylight.compiling.compiler import compile_maps
from whylight.drawing.fonts import width
from whylight.drawing.grid import TEXT, Cell, grid
from whylight.drawing.page import Page, cut
from whylight.drawing.raster import drawn
from whylight.drawing.saving import save_page
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.marks import COMPARISON, signed
from whylight.files.storage import path_of
from whylight.files.writing import check_output
from whylight.images.inputs import ImageLike, read_image
from whylight.methods import Method, method_named, methods
from whylight.options import Arrangement, Chosen, ClassIndex, Execution, Question, Rendering
from whylight.running.captions import caption, class_title
from whylight.running.explainer import Explainer
from whylight.running.explanation import Explanation
from whylight.running.figures import tile, view_of

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier


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
        self,
        labels: Sequence[str] | None = None,
        rendering: Rendering | None = None,
        arrangement: Arrangement | None = None,
        **options: Any,
    ) -> Image.Image:
        """The image and all overlays, each with the name of its method, on white.

        Args:
            labels: names of the classes; by default those that the model has.
            rendering: how overlays look.
            arrangement: how they are laid out.
            **options: fields of `Rendering` and `Arrangement`, in place of those of these objects.
        """
        look, layout = _looks(rendering, arrangement, options)
        return drawn(self._page(labels, look, layout, 1))

    def save(
        self,
        path: str | Path,
        labels: Sequence[str] | None = None,
        rendering: Rendering | None = None,
        arrangement: Arrangement | None = None,
        **options: Any,
    ) -> None:
        """Write the picture in the format that the file's ending names, aside first and then in place.

        In .svg and .pdf files text stays text. A file that whylight did not make is not written over.

        Raises:
            WhylightError: the ending names no known format, or the file cannot be written, or is there from something
                else.
        """
        look, layout = _looks(rendering, arrangement, options)
        file = path_of(path)
        check_output(file, COMPARISON, overwrite=True)
        save_page(lambda density: self._page(labels, look, layout, density), file)

    def _page(self, labels: Sequence[str] | None, look: Rendering, layout: Arrangement, density: float) -> Page:
        """The page, its pictures with so many pixels for each of the page's."""
        first = self.rows[0][0]
        if labels:
            first = replace(first, facts=replace(first.facts, class_names=tuple(labels)))
        name = class_title(first.class_names, first.class_index)

        def cell(one: Explanation, text: str, alpha: float) -> Cell:
            seen = view_of(one)
            high, wide = seen.size
            scale = layout.tile / max(wide, high)
            size = (max(1, round(wide * scale)), max(1, round(high * scale)))
            pixels = (round(size[0] * density), round(size[1] * density))
            return Cell(tile(seen, pixels, replace(look, alpha=alpha)), size, text)

        probability = f", {first.probability:.1%}"
        original = cell(first, cut(name, layout.tile - width(probability, TEXT), TEXT) + probability, 0)
        cells = [[original, *(cell(one, one.method, look.alpha) for one in row)] for row in self.rows]
        if not self.labels:
            cells = [cells[0][start : start + layout.columns] for start in range(0, len(cells[0]), layout.columns)]
        subject = [line for line in (*caption(first)[:-1], first.facts.model) if line]
        bar = look.colormap if look.legend else None
        return grid(
            cells,
            layout.tile,
            [f"layer {label}" for label in self.labels],
            subject if look.title else [],
            bar,
            signed("; ".join(subject), COMPARISON),
        )

    def to_dict(self) -> dict[str, Any]:
        """What is known of each explanation, ready for JSON."""
        return {
            "class_index": self.rows[0][0].class_index,
            "maps": [one.to_dict() for row in self.rows for one in row],
        }


def _looks(
    rendering: Rendering | None, arrangement: Arrangement | None, options: dict[str, Any]
) -> tuple[Rendering, Arrangement]:
    given = [each for each in (rendering, arrangement) if each is not None]
    chosen = Chosen(given, options, Rendering, Arrangement)
    return chosen[Rendering], chosen[Arrangement]


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
