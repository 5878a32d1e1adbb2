"""A map that knows nothing, to compare others with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from whylight.methods import method_of_passes
from whylight.methods.perturbation import activation
from whylight.methods.resampling import halfway_weights, resampled

if TYPE_CHECKING:
    from whylight.target.passes import Passes

FloatArray = NDArray[np.float32]

_FINEST = 7
"""The most cells along a side: no finer than the maps of the usual networks' last layers."""


@method_of_passes("random", "noise, as smooth as a layer's map: the control", "none", activation, passes="1")
def random_map(passes: Passes, activations: FloatArray) -> FloatArray:
    """Uniform noise in at most 7 x 7 cells, enlarged to the layer's size; the same for the same image."""
    return np.stack([_noise(image, activations.shape[2:]) for image in passes.images])


def _noise(image: FloatArray, size: tuple[int, ...]) -> FloatArray:
    cells = [min(extent, _FINEST) for extent in size]
    noise = np.random.default_rng(crc32(np.ascontiguousarray(image).tobytes())).random(cells, np.float32)
    weights = [halfway_weights(*pair) for pair in zip(cells, size, strict=True)]
    return np.asarray(resampled(noise[np.newaxis], weights)[0])
