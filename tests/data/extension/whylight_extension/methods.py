"""A method whose work is done in numpy, where the network is run."""

import numpy as np
from numpy.typing import NDArray

from whylight.methods import method_of_passes
from whylight.methods.perturbation import activation
from whylight.target.passes import Passes


@method_of_passes("channel-mean", "the mean of the layer's channels", "nobody 2026", activation, passes="1")
def channel_mean(_: Passes, activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, h, w) of (N, C, h, w)."""
    return np.asarray(activations.mean(1))
