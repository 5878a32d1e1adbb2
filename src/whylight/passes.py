"""What a method of several passes asks of the network, for a batch of images and their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whylight.facts import SCORE

if TYPE_CHECKING:
    from whylight.explainer import Explainer

FloatArray = NDArray[np.float32]
Altered = Callable[[NDArray[np.int64]], FloatArray]
"""Makes some of the altered images, (m, C, H, W), by their numbers (m,): they are made as they are run."""

_MEMORY = 2**28
"""Bytes of tensors that one run of the network may take."""
_LARGEST_BATCH = 64


class Passes:
    """Further passes of an explainer's network; each call runs in batches that fit the memory.

    Attributes:
        images: (N, C, H, W), float32 in the model's range.
        class_indices: (N,), the class that is explained in each.
        size: height and width of the model's input.
    """

    def __init__(self, explainer: Explainer, images: FloatArray, class_indices: NDArray[np.int64]) -> None:
        self._explainer = explainer
        self._batch_size = int(np.clip(_MEMORY // max(explainer.facts.activation_bytes, 1), 1, _LARGEST_BATCH))
        self.images = images
        self.class_indices = class_indices
        self.size = (explainer.facts.input.height, explainer.facts.input.width)

    def maps(self, count: int, altered: Altered, class_index: int) -> FloatArray:
        """What the method's formula gives for ``count`` altered images of one class: (count, ...)."""
        return self._of_images(self._explainer.facts.maps[0].output, count, altered, class_index)

    def scores(self, count: int, altered: Altered, class_index: int) -> FloatArray:
        """The explained score (count,) of altered images for one class."""
        return self._of_images(SCORE, count, altered, class_index)

    def probabilities(self, count: int, altered: Altered) -> FloatArray:
        """The model's probabilities (count, classes) for altered images."""
        return np.concatenate([self._explainer.probabilities(altered(rows)) for rows in self._batches(count)])

    def scores_above(self, count: int, altered: Altered, image: int) -> FloatArray:
        """The explained score (count,) with altered activations of the layer, everything beside it as it was.

        Args:
            count: how many.
            altered: activations (m, C, h, w) in place of images.
            image: whose activations they are, from 0.
        """
        names = self._explainer.names_beside
        whole = self._explainer.fetch(names, self.images[[image]], self.class_indices[[image]]) if names else []
        parts = []
        for rows in self._batches(count):
            beside = {name: value.repeat(len(rows), 0) for name, value in zip(names, whole, strict=True)}
            classes = np.full(len(rows), self.class_indices[image], np.int64)
            parts.append(self._explainer.scores_above(altered(rows), classes, beside))
        return np.concatenate(parts)

    def _of_images(self, output: str, count: int, altered: Altered, class_index: int) -> FloatArray:
        parts = []
        for rows in self._batches(count):
            parts += self._explainer.fetch([output], altered(rows), np.full(len(rows), class_index, np.int64))
        return np.concatenate(parts)

    def _batches(self, count: int) -> Iterator[NDArray[np.int64]]:
        for start in range(0, count, self._batch_size):
            yield np.arange(start, min(start + self._batch_size, count))
