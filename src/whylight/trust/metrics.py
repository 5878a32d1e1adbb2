"""The table of metrics: what each is called, which direction is good, and the paper."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple, TypeVar

import numpy as np

from whylight.errors import WhylightError, nearest
from whylight.trust.cases import Cases, Values

_MODULES = ("faithfulness", "imputation", "concentration", "robustness", "localization")
_METRICS: dict[str, "Metric"] = {}


class Curve(NamedTuple):
    """What a metric measured along a way.

    Attributes:
        positions: (points,), rising.
        values: (N, points).
        is_mean: the metric is the mean of the points, not the area.
    """

    positions: Values
    values: Values
    is_mean: bool = False

    @property
    def summary(self) -> Values:
        """(N,): the area under each curve by trapezoids, over a way of length 1; or the mean of its points."""
        if self.is_mean:
            return np.asarray(self.values.mean(1), np.float64)
        length = self.positions[-1] - self.positions[0]
        return np.asarray(np.trapezoid(self.values, self.positions, axis=1) / length, np.float64)


Function = Callable[[Cases], Values | Curve]
_Measure = TypeVar("_Measure", bound=Function)


@dataclass(frozen=True)
class Metric:
    """One way to judge a map.

    Attributes:
        name: as the user writes it.
        summary: one line.
        paper: authors, year and place.
        higher_is_better: whether a larger value speaks for the method.
        function: measures a batch: one value an image (N,), or one curve an image.
        needs_regions: whether it asks where the object is.
        passes: what one image costs, in forward passes of the network; ``rows`` is the input's height.
    """

    name: str
    summary: str
    paper: str
    higher_is_better: bool
    function: Function
    needs_regions: bool = False
    passes: str = "1"

    @property
    def title(self) -> str:
        """The name, and an arrow that points where better is."""
        return f"{self.name} {'↑' if self.higher_is_better else '↓'}"


def metric(
    name: str, summary: str, paper: str, *, higher_is_better: bool, needs_regions: bool = False, passes: str = "1"
) -> Callable[[_Measure], _Measure]:
    """Register a function as the metric ``name``."""

    def register(function: _Measure) -> _Measure:
        _METRICS[name] = Metric(name, summary, paper, higher_is_better, function, needs_regions, passes)
        return function

    return register


def metrics() -> dict[str, Metric]:
    """All metrics by name, family by family."""
    for module in _MODULES:
        import_module(f"{__package__}.{module}")
    families = [f"{__package__}.{module}" for module in _MODULES]
    return dict(sorted(_METRICS.items(), key=lambda item: families.index(item[1].function.__module__)))


def metric_named(name: str) -> Metric:
    """The metric ``name``.

    Raises:
        WhylightError: there is none.
    """
    if name not in metrics():
        raise WhylightError(f"no metric '{name}'; the nearest are {nearest(name, metrics())}")
    return metrics()[name]
