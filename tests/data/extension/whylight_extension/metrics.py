"""A metric."""

import numpy as np

from whylight.trust.cases import Cases, Values
from whylight.trust.metrics import metric


@metric("confidence", "the probability of the explained class", "nobody 2026", higher_is_better=True)
def confidence(cases: Cases) -> Values:
    """p_c(x), whatever the map."""
    probabilities = cases.probabilities(cases.images)
    return probabilities[np.arange(len(cases)), cases.class_indices].astype(np.float64)
