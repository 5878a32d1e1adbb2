"""How much of the image a map takes, and whether it holds together: sparsity, and the terms of ADCC."""

import numpy as np

from whylight.trust.cases import Cases, FloatArray, Values
from whylight.trust.faithfulness import average_drop
from whylight.trust.metrics import metric


@metric(
    "sparsity",
    "the map's largest value by its mean",
    "Gomez et al. 2022, ICPRAI",
    higher_is_better=True,
    passes="0",
)
def sparsity(cases: Cases) -> Values:
    """Sparsity: max(map) / mean(map); 1 for a map that is the same everywhere.

    Gomez, Fréour, Mouchère, "Metrics for saliency map evaluation of deep learning explanation methods", ICPRAI 2022,
    equation 6.
    """
    flat = cases.maps.reshape(len(cases), -1).astype(np.float64)
    mean, largest = flat.mean(1), flat.max(1)
    return np.where(mean > 0, largest / np.where(mean > 0, mean, 1), 1)


@metric(
    "adcc",
    "harmonic mean of coherency, 1 - complexity and 1 - average drop",
    "Poppi et al. 2021, CVPR Workshops",
    higher_is_better=True,
    passes="1, and one explanation",
)
def adcc(cases: Cases) -> Values:
    """ADCC = 3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - average drop)); 0 where one of the three is 0.

    Poppi, Cornia, Baraldi, Cucchiara, "Revisiting The Evaluation of Class Activation Mapping for Explainability: A
    Novel Metric and Experimental Analysis", CVPR Workshops 2021, equation 7.
    """
    terms = np.stack([coherency(cases), 1 - complexity(cases), 1 - average_drop(cases)])
    positive = (terms > 0).all(0)
    return np.where(positive, 3 / (1 / np.where(positive, terms, 1)).sum(0), 0)


def coherency(cases: Cases) -> Values:
    """Coherency: (1 + r) / 2, with r the correlation (Pearson) of the map and of that of the image times the map.

    Poppi et al. 2021, equation 4. Where one of the two maps is the same everywhere, r is undefined; coherency is 0.
    """
    if cases.explain is None:
        raise ValueError("coherency explains images again: Cases.explain is needed")
    again = cases.explain(cases.images * cases.maps[:, np.newaxis], cases.class_indices)
    return _correlation_from_0_to_1(cases.maps, again)


def complexity(cases: Cases) -> Values:
    """Complexity: the mean of the map, its L1 norm by the number of pixels.

    Poppi et al. 2021, equation 5.
    """
    return np.asarray(cases.maps.mean((1, 2)), np.float64)


def _correlation_from_0_to_1(first: FloatArray, second: FloatArray) -> Values:
    a, b = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    defined = norm > 1e-12
    return np.where(defined, (1 + (a * b).sum(1) / np.where(defined, norm, 1)) / 2, 0)
