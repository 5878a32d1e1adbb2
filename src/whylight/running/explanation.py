"""The answer for one image: where the network looked, and how it is drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.contract import Box
from whylight.drawing import render
from whylight.drawing.views import View, view
from whylight.errors import WhylightError
from whylight.files.png import Pixels, encoded_png
from whylight.images.pictures import Picture

FloatArray = NDArray[np.float32]

SIZES = ("original", "input")


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
        rank: the explained class's place among all by probability: 1 for the predicted one.
        layer: the target layer's name.
        method: the method's name.
        picture: the decoded image, signal or volume.
        input_size: height and width of the model's input; the length of signals, depth, height and width of volumes.
        maximum: the model's value of white.
        crop: the part of the image that the map covers: top, left, bottom, right in fractions; see `Box`.
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
    input_size: tuple[int, ...]
    maximum: float
    crop: Box

    def overlay(self, alpha: float = 0.5, colormap: str = "jet", size: str = "original") -> Image.Image:
        """The map, in colors, blended over the image.

        Of a signal it is blended over its curve, of a volume over up to eight slices, side by side.

        Args:
            alpha: the weight of the colors, 0 to 1.
            colormap: one of `whylight.drawing.render.COLORMAPS`.
            size: ``"original"`` (the image's own size) or ``"input"`` (the model's input size); for pictures.

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
        views = [view(each.picture, each.cam, each.crop, each.maximum) for each in explanations]
        images = [_sized(one, each.input_size, size) for one, each in zip(views, explanations, strict=True)]
        cams = np.stack([one.cam for one in views])
        yield from render.overlays(images, cams, views[0].crop, alpha, colormap)


def _sized(one: View, input_size: tuple[int, ...], size: str) -> Pixels:
    pixels = one.image
    if size == "original" or len(input_size) != 2 or pixels.shape[:2] == input_size:
        return pixels
    height, width = input_size
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
