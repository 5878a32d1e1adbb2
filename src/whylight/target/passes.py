"""What a method of several passes asks of the network, for a batch of images and their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whylight.contract import SCORE, ExplainerFacts

FloatArray = NDArray[np.float32]
Altered = Callable[[NDArray[np.int64]], FloatArray]
"""Makes some of the altered images, (m, C, H, W), by their numbers (m,): they are made as they are run."""

_MEMORY = 2**29
"""Bytes of tensors that one run of the network may take."""
_LARGEST_BATCH = 64


class Network(Protocol):
    """What runs the graph."""

    facts: ExplainerFacts

    @property
    def names_beside(self) -> Sequence[str]:
        """The outputs that hold what goes around the layer."""

    def advance(self, count: int) -> None:
        """Passes are done."""

    def fetch(self, outputs: Sequence[str], images: FloatArray, class_indices: NDArray[np.int64]) -> list[FloatArray]:
        """Some outputs of the graph."""

    def probabilities(self, images: FloatArray) -> FloatArray:
        """The model's probabilities (N, classes)."""

    def head_scores(
        self, activations: FloatArray, class_indices: NDArray[np.int64], beside: Mapping[str, FloatArray]
    ) -> FloatArray:
        """The scores (M,) of altered activations of the layer."""


class Passes:
    """Further passes of an explainer's network; each call runs in batches that fit the memory.

    Scores and probabilities are of what was asked about the class: negated where what speaks against it is asked for.

    Attributes:
        images: (N, C, H, W), float32 in the model's range.
        class_indices: (N,), the class that is explained in each.
        size: height and width of the model's input; the length of signals, depth, height and width of volumes.
        baseline: (C, 1, 1), the pixel that the network sees as zero; it takes the place of what is taken out.
        region: the rows and columns of the image that the layer's map covers, or the part of a signal or volume.
        explains_tokens: whether the layer holds tokens rather than feature maps.
    """

    def __init__(self, network: Network, images: FloatArray, class_indices: NDArray[np.int64]) -> None:
        facts = network.facts
        self._network = network
        self._sign = np.float32(-1 if facts.counterfactual else 1)
        self._batch_size = _batch_size(facts.activation_bytes)
        self._head_batch_size = _batch_size(facts.head_bytes)
        self.images = images
        self.explains_tokens = facts.explains_tokens
        self.class_indices = class_indices
        self.size = facts.input.size
        self.baseline = np.array(facts.baseline, np.float32).reshape(-1, *[1] * len(self.size))
        self.region = facts.input.region(facts.maps[0].crop)

    def maps(self, count: int, altered: Altered, class_index: int) -> Iterator[FloatArray]:
        """What the method's formula gives for ``count`` altered images of one class, in batches (m, ...)."""
        output = self._network.facts.maps[0].output
        for rows in self._batches(count, self._batch_size):
            yield self._network.fetch([output], altered(rows), np.full(len(rows), class_index, np.int64))[0]

    def scores(self, count: int, altered: Altered, class_index: int) -> FloatArray:
        """The explained score (count,) of altered images for one class."""
        parts = [
            self._network.fetch([SCORE], altered(rows), np.full(len(rows), class_index, np.int64))[0]
            for rows in self._batches(count, self._batch_size)
        ]
        return self._sign * np.concatenate(parts)

    def probabilities(self, count: int, altered: Altered, image: int) -> FloatArray:
        """The probability (count,) of an image's class in altered images; less that of the class to compare with."""
        facts = self._network.facts
        batches = self._batches(count, self._batch_size)
        found = np.concatenate([self._network.probabilities(altered(rows)) for rows in batches])
        explained = found[:, self.class_indices[image]]
        if facts.against == "predicted":
            explained = explained - found[:, self._network.probabilities(self.images[[image]])[0].argmax()]
        elif facts.against is not None:
            explained = explained - found[:, int(facts.against)]
        return self._sign * explained

    def head_scores(self, count: int, altered: Altered, image: int) -> FloatArray:
        """The explained score (count,) with altered activations of the layer, everything beside it as it was.

        Args:
            count: how many.
            altered: activations (m, C, h, w) in place of images.
            image: whose activations they are, from 0.
        """
        names = self._network.names_beside
        whole = self._network.fetch(names, self.images[[image]], self.class_indices[[image]]) if names else []
        parts = []
        for rows in self._batches(count, self._head_batch_size):
            beside = {name: value.repeat(len(rows), 0) for name, value in zip(names, whole, strict=True)}
            classes = np.full(len(rows), self.class_indices[image], np.int64)
            parts.append(self._network.head_scores(altered(rows), classes, beside))
        return self._sign * np.concatenate(parts)

    def _batches(self, count: int, size: int) -> Iterator[NDArray[np.int64]]:
        """Numbers below ``count``; the network is told of those that are done."""
        for start in range(0, count, size):
            rows = np.arange(start, min(start + size, count))
            yield rows
            self._network.advance(len(rows))


def _batch_size(size: int) -> int:
    """How many images of ``size`` bytes of tensors each run at a time."""
    return int(np.clip(_MEMORY // max(size, 1), 1, _LARGEST_BATCH))
