"""What there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whylight.methods import Method
    from whylight.running.cache import CacheContent
    from whylight.trust.metrics import Metric


def methods() -> dict[str, Method]:
    """All methods by name, those of installed packages too."""
    from whylight.methods import methods

    return dict(methods())


def metrics() -> dict[str, Metric]:
    """All metrics by name, those of installed packages too."""
    from whylight.trust.metrics import metrics

    return dict(metrics())


def cache_content() -> CacheContent:
    """Where compiled explainers are kept, how many, and what they take."""
    from whylight.running.cache import content

    return content()


def clear_cache() -> None:
    """Remove all compiled explainers that are kept."""
    from whylight.running.cache import clear

    clear()
