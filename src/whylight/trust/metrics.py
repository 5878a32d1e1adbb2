"""The table of metrics: what each is called, which direction is good, and the paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from whylight.registry import Registry, origin_of
from whylight.trust.cases import Cases, Values

_FAMILIES = ("faithfulness", "imputation", "concentration", "robustness", "localization")


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
        heights = (self.values[:, 1:] + self.values[:, :-1]) / 2.0
        return np.asarray((np.diff(self.positions) * heights).sum(1) / length, np.float64)


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

    def to_dict(self) -> dict[str, Any]:
        """What can be said of it in JSON."""
        said = ("name", "summary", "paper", "passes", "higher_is_better", "needs_regions")
        return {name: getattr(self, name) for name in said}


_METRICS = Registry[Metric]("metric", [f"{__package__}.{family}" for family in _FAMILIES], "whylight.metrics")


def metric(
    name: str, summary: str, paper: str, *, higher_is_better: bool, needs_regions: bool = False, passes: str = "1"
) -> Callable[[_Measure], _Measure]:
    """Register a function as the metric ``name``.

    Raises:
        WhylightError: there is another metric of that name.
    """

    def register(function: _Measure) -> _Measure:
        measure = Metric(name, summary, paper, higher_is_better, function, needs_regions, passes)
        _METRICS.add(name, measure, origin_of(function))
        return function

    return register


def metrics() -> Mapping[str, Metric]:
    """All metrics by name: family by family, then those of other packages and of the user's own program."""
    return _METRICS


def metric_named(name: str) -> Metric:
    """The metric ``name``.

    Raises:
        WhylightError: there is none.
    """
    return _METRICS.named(name)
