"""Classifiers that tests make of graphs, as the front desk hands them out."""

from typing import Any

import whylight
from whylight.classifier import describe as described


def describe(*facts: Any, **further: Any) -> whylight.Classifier:
    """See `whylight.classifier.describe.describe`."""
    return whylight.Classifier.of(described.describe(*facts, **further))
