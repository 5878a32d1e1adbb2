"""The classifier of peers.npz, and others whose metrics can be computed by hand."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.trust.cases import Cases, FloatArray, Probabilities

PEERS: dict[str, NDArray[Any]] = dict(np.load(Path(__file__).with_name("peers.npz")))


def linear_model(weights: FloatArray) -> Probabilities:
    """Softmax of the pixels times weights (pixels, classes)."""

    def probabilities(images: FloatArray) -> FloatArray:
        scores = images.reshape(len(images), -1) @ weights
        powers = np.exp(scores - scores.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)

    return probabilities


def patch_model(rows: slice, columns: slice) -> Probabilities:
    """Class 1 is as probable as the patch is bright in the mean, class 0 as it is dark."""

    def probabilities(images: FloatArray) -> FloatArray:
        bright = images[:, :, rows, columns].mean((1, 2, 3))
        return np.stack([1 - bright, bright], 1).astype(np.float32)

    return probabilities


def peers_cases(**others: Any) -> Cases:
    """The images and maps of peers.npz."""
    model = linear_model(PEERS["weights"])
    given = {"images": PEERS["images"], "maps": PEERS["maps"], "class_indices": PEERS["indices"]}
    return Cases(**{**given, "probabilities": model, **others})
