"""The answer for one image: where the network looked, and how it is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight import render
from whylight.errors import WhylightError
from whylight.facts import Box
from whylight.images import Picture, display_pixels
from whylight.png import Pixels, encoded_png

FloatArray = NDArray[np.float32]

SIZES = ("original", "input")


@dataclass(frozen=True)
class Explanation:
    """Where the network looked when it decided for a class.

    Attributes:
        cam: the saliency map (h, w), float32 in [0, 1], at the target layer's resolution; 1 is where the class
            score owes most. All zero where nothing speaks for the class.
        class_index: the explained class.
        score: the explained class score: the logit, or the output (see `Classifier.explainer`).
        probability: the class's probability as the model gives it; for a model without a final activation,
            the softmax of its scores.
        predicted: the class that the model finds most probable.
        rank: the explained class's place among all by probability: 1 for the predicted one.
        layer: the target layer's name.
        method: the method's name.
        picture: the decoded image.
        input_size: height and width of the model's input.
        maximum: the model's value of white.
        crop: the part of the image that the map covers: top, left, bottom, right in fractions.
    """

    cam: FloatArray
    class_index: int
    score: float
    probability: float
    predicted: int
    rank: int
    layer: str
    method: str
    picture: Picture
    input_size: tuple[int, int]
    maximum: float
    crop: Box

    def overlay(self, alpha: float = 0.5, colormap: str = "jet", size: str = "original") -> Image.Image:
        """The map, in colors, blended over the image.

        Args:
            alpha: the weight of the colors, 0 to 1.
            colormap: one of `whylight.render.COLORMAPS`.
            size: ``"original"`` (the image's own size) or ``"input"`` (the model's input size).

        Returns:
            An RGB image.

        Raises:
            WhylightError: an argument is none of these.
        """
        return Image.fromarray(next(overlays([self], alpha, colormap, size)))

    def _repr_png_(self) -> bytes:
        return encoded_png(next(overlays([self])))


def overlays(
    explanations: Sequence[Explanation], alpha: float = 0.5, colormap: str = "jet", size: str = "original"
) -> Iterator[Pixels]:
    """What `Explanation.overlay` makes, of a batch of one explainer at once, as arrays (H, W, 3).

    Raises:
        WhylightError: as `Explanation.overlay`.
    """
    if size not in SIZES:
        raise WhylightError(f"no size '{size}': expected one of {', '.join(SIZES)}")
    if explanations:
        images = [_displayed(explanation, size) for explanation in explanations]
        cams = np.stack([explanation.cam for explanation in explanations])
        yield from render.overlays(images, cams, explanations[0].crop, alpha, colormap)


def _displayed(explanation: Explanation, size: str) -> Pixels:
    pixels = display_pixels(explanation.picture, explanation.maximum)
    if size == "original" or pixels.shape[:2] == explanation.input_size:
        return pixels
    height, width = explanation.input_size
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
