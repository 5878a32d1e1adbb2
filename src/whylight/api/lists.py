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


def colormaps() -> dict[str, bytes]:
    """The color maps by name: 256 colors each, from that of 0 to that of 1, as RGB bytes."""
    import numpy as np

    from whylight.drawing.colormaps import COLORMAPS
    from whylight.drawing.render import colorize

    shades = np.linspace(0, 1, 256, dtype=np.float32)
    return {name: colorize(shades, name).round().astype(np.uint8).tobytes() for name in COLORMAPS}


def cache_content() -> CacheContent:
    """Where compiled explainers are kept, how many, and what they take."""
    from whylight.running.cache import content

    return content()


def clear_cache() -> None:
    """Remove all compiled explainers that are kept."""
    from whylight.running.cache import clear

    clear()
