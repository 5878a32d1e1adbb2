"""Means and standard errors of values that come batch by batch, in constant memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from whylight.trust.cases import Values


@dataclass(frozen=True)
class Score:
    """A metric's mean over images.

    Attributes:
        mean: NaN where no image has a value.
        error: the mean's standard error: the deviation between images by the root of their number; NaN for fewer
            than two.
        count: the images with a value.
    """

    mean: float
    error: float
    count: int

    @property
    def text(self) -> str:
        """Mean ± standard error, with as many digits as the error makes sense of."""
        if math.isnan(self.mean):
            return "-"
        if math.isnan(self.error):
            return f"{self.mean:.3g}"
        decimals = 3 if self.error == 0 else min(max(2, 1 - math.floor(math.log10(self.error))), 6)
        return f"{self.mean:.{decimals}f} ± {self.error:.{decimals}f}"

    def to_dict(self) -> dict[str, float | int | None]:
        """Ready for JSON: what is not known is None."""
        mean, error = (value if math.isfinite(value) else None for value in (self.mean, self.error))
        return {"mean": mean, "error": error, "count": self.count}


class Tally:
    """Adds up numbers, or curves point by point; NaN does not count."""

    def __init__(self) -> None:
        self._count = 0
        self._mean: Values | float = 0.0
        self._squares: Values | float = 0.0

    def add(self, values: Values) -> None:
        """Count in values (N,) or (N, points)."""
        for value in values:
            if np.isnan(value).any():
                continue
            self._count += 1
            distance = value - self._mean
            self._mean = self._mean + distance / self._count
            self._squares = self._squares + distance * (value - self._mean)

    @property
    def mean(self) -> Values:
        """Of each point."""
        return np.asarray(self._mean if self._count else np.nan, np.float64)

    @property
    def score(self) -> Score:
        """Of numbers."""
        variance = float(np.asarray(self._squares)) / (self._count - 1) if self._count > 1 else float("nan")
        error = float(np.sqrt(variance / self._count)) if self._count > 1 else float("nan")
        return Score(float(self.mean), error, self._count)
