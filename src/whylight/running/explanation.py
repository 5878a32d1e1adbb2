"""The answer for one image: where the network looked, and how it is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.class_names.lookup import name_of
from whylight.contract import Box, ExplainerFacts, InputFacts, Origin
from whylight.drawing import render
from whylight.drawing.views import View, overlay_size, view
from whylight.files.bands import AnyImage, image_of
from whylight.files.encoding import VECTOR_ENDINGS, encoded_image, save_image
from whylight.files.marks import OVERLAY
from whylight.files.storage import path_of
from whylight.files.writing import check_output
from whylight.images.pictures import Picture
from whylight.options import Rendering
from whylight.running.captions import description

FloatArray = NDArray[np.float32]

_PLAIN = Rendering()


@dataclass(frozen=True)
class Explanation:
    """Where the network looked when it decided for a class.

    Attributes:
        cam: the saliency map (h, w), float32 in [0, 1], at the target layer's resolution; 1 is where the class
            score owes most. All zero where nothing speaks for the class. Of a signal it is (l,), of a volume (d, h, w).
        class_index: the explained class.
        score: the explained class score: the logit, or the output (see `Classifier.explainer`).
        probability: the class's probability as the model gives it; for a model without a final activation,
            the softmax of its scores.
        predicted: the class that the model finds most probable.
        top: the most probable classes, up to five, each with its probability; the first is ``predicted``.
        rank: the explained class's place among all by probability: 1 for the predicted one.
        layer: the target layer's name.
        method: the method's name.
        picture: the decoded image, signal or volume.
        facts: of the explainer: the model's name, input and classes, and what was asked.
        crop: the part of the image that the map covers: top, left, bottom, right in fractions; see `Box`.
        origin: who named the class: ``asked`` for it was whoever called, it is the image's ``label``, or what the model
            ``predicted``.
    """

    cam: FloatArray
    class_index: int
    score: float
    probability: float
    predicted: int
    top: tuple[tuple[int, float], ...]
    rank: int
    layer: str
    method: str
    picture: Picture
    facts: ExplainerFacts
    crop: Box
    origin: Origin

    @property
    def input(self) -> InputFacts:
        """The model's input."""
        return self.facts.input

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, the first that of class 0; empty where they have none."""
        return self.facts.class_names

    @property
    def class_name(self) -> str | None:
        """The name of the explained class, where it has one."""
        return name_of(self.class_index, self.class_names)

    def overlay(self, rendering: Rendering | None = None, **options: Any) -> Image.Image:
        """The map, in colors, blended over the image.

        Of a signal it is blended over its curve, of a volume over up to eight slices, side by side.

        Args:
            rendering: how it looks.
            **options: fields of `Rendering`, in place of those of ``rendering``: ``alpha``, ``colormap``, ``title``.

        Returns:
            An RGB image.

        Raises:
            WhylightError: an option has no such value.
        """
        look = Rendering.of(rendering, **options)
        if look.is_figure:
            from whylight.running.figures import figure_picture

            return figure_picture(self, look)
        return image_of(next(overlays([self], look)))

    def save(self, path: str | Path, rendering: Rendering | None = None, **options: Any) -> None:
        """Write the overlay in the format that the file's ending names, aside first and then in place.

        In .svg and .pdf files a title stays text. A file that whylight did not make, such as the photograph itself, is
        not written over.

        Raises:
            WhylightError: as `overlay`; or the ending names no known format, or the file cannot be written, or is there
                from something else.
        """
        look, file = Rendering.of(rendering, **options), path_of(path)
        check_output(file, OVERLAY, overwrite=True)
        if look.is_figure or file.suffix.lower() in VECTOR_ENDINGS:
            from whylight.running.figures import save_figure

            save_figure(self, look, file)
        else:
            save_image(self.overlay(look), file, description(self))

    def to_dict(self) -> dict[str, Any]:
        """What is known of the class, ready for JSON, None where it is no number; the map itself is ``cam``."""
        return {
            "class_index": self.class_index,
            "class_name": self.class_name,
            "score": _number(self.score),
            "probability": _number(self.probability),
            "predicted": self.predicted,
            "top": [
                {"class_index": index, "class_name": name_of(index, self.class_names), "probability": _number(value)}
                for index, value in self.top
            ],
            "rank": self.rank,
            "method": self.method,
            "layer": self.layer,
        }

    def _repr_png_(self) -> bytes:
        return encoded_image(next(overlays([self])), ".png", description(self))


def _number(value: float) -> float | None:
    return value if isfinite(value) else None


def overlays(explanations: Sequence[Explanation], rendering: Rendering = _PLAIN) -> Iterator[AnyImage]:
    """What `Explanation.overlay` makes, of a batch of one explainer at once: see `whylight.drawing.render.overlays`."""
    if rendering.is_figure:
        yield from (each.overlay(rendering) for each in explanations)
    elif explanations:
        views = [view(each.picture, each.cam, each.crop, each.input) for each in explanations]
        images = [_sized(one, each.input, rendering.size) for one, each in zip(views, explanations, strict=True)]
        cams = np.stack([one.cam for one in views])
        yield from render.overlays(images, cams, views[0].crop, rendering.alpha, rendering.colormap)


def _sized(one: View, facts: InputFacts, size: str | int) -> AnyImage:
    if size == "original":
        return one.image
    height, width = overlay_size(one, facts, size)
    if (height, width) == one.size:
        return one.image
    is_smaller_copy = size != "input" and height < one.size[0]  # means of areas: half the time; not what a model saw
    resampling = Image.Resampling.BOX if is_smaller_copy else Image.Resampling.BILINEAR
    return image_of(one.image).resize((width, height), resampling)
