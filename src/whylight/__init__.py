"""See where a vision model looked when it decided.

import whylight

explainer = whylight.explainer("results.nnp")
explanation = explainer("image.png", class_index=3)
explanation.overlay().save("grad_cam.png")

All that may be called is named here: see `whylight.api`. What is not is private, and may change.
"""

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

# ONNX Runtime asks for it once, while it is imported; it would write into the user's folders, and send
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

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


class _FrontDesk(ModuleType):
    """The package, whose names are those of the front desk also where a folder behind it has the same one."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name == "methods"):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDesk


def __dir__() -> list[str]:
    from whylight.api import __all__

    return sorted(__all__)
