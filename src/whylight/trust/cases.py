"""What a metric measures: a batch of images with their maps, and the model that was explained."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whylight.contract import InputFacts
from whylight.errors import WhylightError

FloatArray = NDArray[np.float32]
Values = NDArray[np.float64]

Probabilities = Callable[[FloatArray], FloatArray]
"""(N, C, H, W) in the model's range -> the classes' probabilities (N, K)."""
Explain = Callable[[FloatArray, NDArray[np.int64]], FloatArray]
"""(N, C, H, W) and class indices (N,) -> maps (N, H, W) from 0 to 1."""

_TOLERANCE = 15 / 224
"""Of the pointing game: 15 pixels where the image's shorter side has 224."""


def refuse_arrays(facts: InputFacts) -> None:
    """Refuse models of signals and volumes: what is measured here is defined on pictures.

    Raises:
        WhylightError: it is one.
    """
    if not facts.is_picture:
        raise WhylightError(
            f"input '{facts.name}' takes arrays of shape {facts.size}: maps are judged on pictures, (height, width)"
        )


@dataclass(frozen=True)
class Regions:
    """Where the objects are, in pixels of the model's input.

    Attributes:
        coverage: (N, H, W) from 0 to 1: how much of each pixel belongs to the object; all NaN where nothing is known.
        boxes: (N, 4) left, top, right, bottom around it, right and bottom excluded; NaN where nothing is known.
    """

    coverage: FloatArray
    boxes: Values


@dataclass(frozen=True)
class Cases:
    """A batch of explained images, all in the geometry of the model's input.

    Attributes:
        images: (N, C, H, W) as the model takes them; zero is its range's zero, black or the mean color.
        maps: (N, H, W), from 0 to 1.
        class_indices: (N,), the explained classes.
        probabilities: the model.
        explain: the method; None where no metric asks for more maps.
        regions: where the objects are, if that is known.
        white: the difference between white and black for the model.
        seeds: (N,) one number an image: what is random in a metric depends on it alone.
        steps: how many times insertion and deletion change the image; by default once a row's number of pixels.
        tolerance: of the pointing game, in pixels; by default 15 for a shorter side of 224, else in proportion.
    """

    images: FloatArray
    maps: FloatArray
    class_indices: NDArray[np.int64]
    probabilities: Probabilities
    explain: Explain | None = None
    regions: Regions | None = None
    white: float = 1
    seeds: Sequence[int] = ()
    steps: int | None = None
    tolerance: float | None = None

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def probability(self) -> Values:
        """(N,): that of the explained class."""
        return self.probability_of(self.images)

    def probability_of(self, images: FloatArray) -> Values:
        """(N,): the explained classes' probabilities for other images (N, C, H, W) in place of the batch's."""
        probabilities = self.probabilities(np.ascontiguousarray(images, np.float32))
        return probabilities[np.arange(len(self)), self.class_indices].astype(np.float64)

    @cached_property
    def masked_probability(self) -> Values:
        """(N,): the explained classes' probabilities for the images multiplied by their maps."""
        return self.probability_of(self.images * self.maps[:, np.newaxis])

    @cached_property
    def relevance_rank(self) -> NDArray[np.int64]:
        """(N, H, W): each pixel's place by its value in the map: 0 for the largest; equal ones row by row."""
        flat = self.maps.reshape(len(self), -1)
        order = np.argsort(-flat, axis=1, kind="stable")
        ranks = np.empty_like(order)
        np.put_along_axis(ranks, order, np.arange(flat.shape[1])[np.newaxis], 1)
        return ranks.reshape(self.maps.shape)

    @property
    def pointing_tolerance(self) -> float:
        """The pointing game's, in pixels."""
        return _TOLERANCE * min(self.maps.shape[1:]) if self.tolerance is None else self.tolerance

    def generators(self, purpose: int) -> list[np.random.Generator]:
        """One source of random numbers an image, the same whatever batch it is in."""
        seeds = self.seeds or range(len(self))
        return [np.random.default_rng([purpose, seed]) for seed in seeds]
