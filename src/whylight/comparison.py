"""One picture of many methods and layers: the same image and class, explained side by side."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from whylight.compiling.compiler import compile_maps
from whylight.errors import WhylightError, WhylightWarning
from whylight.images.inputs import ImageLike
from whylight.methods import Method, method_named, methods
from whylight.options import Question
from whylight.running.explainer import ClassIndex, Explainer
from whylight.running.explanation import Explanation

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier

_TILE = 224
_GAP = 12
_LINE = 18
_COLUMNS = 5
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


@dataclass(frozen=True)
class Comparison:
    """Explanations of one image and one class.

    Attributes:
        rows: one list of explanations a layer, or one list in all.
        labels: what stands beside each row; empty where there is one row only.
    """

    rows: tuple[tuple[Explanation, ...], ...]
    labels: tuple[str, ...]


def compare(
    classifier: Classifier,
    image: ImageLike,
    class_index: ClassIndex = "predicted",
    names: Sequence[str] = (),
    layers: Sequence[str] = (),
    question: Question = Question(),  # noqa: B008  # it is frozen
    device: str = "cpu",
) -> Comparison:
    """Explain an image by several methods at several layers; methods of one pass share one run of the network.

    Args:
        classifier: the model.
        image: see `Explainer.__call__`.
        class_index: the class to explain.
        names: the methods; by default all of one pass, ``["all"]`` for those of several too. Of these, one that cannot
            explain the model is left out, with a warning.
        layers: the layers; by default `Classifier.default_layer`.
        question: what is asked about the class.
        device: see `Explainer`.

    Raises:
        WhylightError: no such method, layer or class, or a named method cannot explain the model.
    """
    if not names or list(names) == ["all"]:
        candidates = [one for one in methods().values() if names or one.driver is None]
        chosen = _possible(classifier, candidates, question)
    else:
        chosen = [method_named(name) for name in names]
    targets: Sequence[str | None] = layers or [None]
    wanted = [(one, layer if one.sees_layer else None) for layer in targets for one in chosen]
    found: dict[tuple[str, str | None], Explanation] = {}
    for group in _sharing_a_graph(wanted):
        graph = compile_maps(classifier, [(one.name, layer) for one, layer in group], question).SerializeToString()
        explainer = Explainer(graph, device=device)
        (explanations,) = explainer.explain_all([explainer.picture(image)], [class_index])
        found |= {(one.name, layer): result for (one, layer), result in zip(group, explanations, strict=True)}
    rows = tuple(
        tuple(found[one.name, layer if one.sees_layer else None] for one in chosen if one.sees_layer or not number)
        for number, layer in enumerate(targets)
    )
    return Comparison(rows, tuple(classifier.layer(layer).name for layer in targets) if len(targets) > 1 else ())


def _possible(classifier: Classifier, candidates: Sequence[Method], question: Question) -> list[Method]:
    """The methods that can explain the model at its default layer."""
    possible = []
    for one in candidates:
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


def comparison_picture(
    comparison: Comparison, labels: Sequence[str] | None = None, alpha: float = 0.5, colormap: str = "jet"
) -> Image.Image:
    """The image and all overlays, each with the name of its method, on white.

    Args:
        comparison: what `compare` found.
        labels: names of the classes.
        alpha: see `Explanation.overlay`.
        colormap: see `Explanation.overlay`.
    """
    first = comparison.rows[0][0]
    name = labels[first.class_index] if labels and first.class_index < len(labels) else f"class {first.class_index}"
    original = (first.overlay(0.0, colormap), f"{name}, {first.probability:.1%}")
    cells = [[original, *((one.overlay(alpha, colormap), one.method) for one in row)] for row in comparison.rows]
    if not comparison.labels:
        cells = [cells[0][start : start + _COLUMNS] for start in range(0, len(cells[0]), _COLUMNS)]
    return _grid(cells, comparison.labels)


def _grid(cells: Sequence[Sequence[tuple[Image.Image, str]]], titles: Sequence[str]) -> Image.Image:
    font = ImageFont.load_default(size=13)
    step = _TILE + _GAP
    line = _LINE * (2 if titles else 1)
    width = _GAP + step * max(len(row) for row in cells)
    page = Image.new("RGB", (width, _GAP + (step + line) * len(cells)), _PAPER)
    draw = ImageDraw.Draw(page)
    for y, row in enumerate(cells):
        top = _GAP + y * (step + line)
        if titles and titles[y]:
            draw.text((_GAP, top), f"layer {titles[y]}", _INK, font)
        for x, (picture, text) in enumerate(row):
            left, below = _GAP + x * step, top + line - _LINE
            tile = picture.copy()
            tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
            if max(tile.size) < _TILE:
                scale = _TILE / max(tile.size)
                tile = tile.resize((round(tile.width * scale), round(tile.height * scale)), Image.Resampling.NEAREST)
            page.paste(tile, (left, below))
            draw.text((left, below + _TILE + 2), text, _INK, font)
    return page
