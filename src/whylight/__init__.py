"""See where a vision model looked when it decided.

import whylight

explainer = whylight.explainer("results.nnp")
explanation = explainer("image.png", class_index=3)
explanation.overlay().save("grad_cam.png")

All that may be called is named here: see `whylight.api`. What is not is private, and may change.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """What the front desk has, when it is first asked for: the start stays fast."""
    from importlib import import_module

    api = import_module("whylight.api")
    if name == "__all__":
        return api.__all__
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module 'whylight' has no attribute '{name}'")


def __dir__() -> list[str]:
    from whylight.api import __all__

    return sorted(__all__)
