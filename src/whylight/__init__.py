"""See why an image classifier decided.

import whylight

classifier = whylight.load("results.nnp")
explainer = classifier.explainer(method="gradcam")
explanation = explainer("image.png", class_index=3)
explanation.overlay().save("grad_cam.png")
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import WhylightError, WhylightWarning

if TYPE_CHECKING:
    from whylight.classifier import Classifier
    from whylight.explainer import Explainer
    from whylight.explanation import Explanation

__version__ = "0.1.0"
__all__ = ["Classifier", "Explainer", "Explanation", "WhylightError", "WhylightWarning", "load"]

_HOMES = {"Classifier": "classifier", "Explainer": "explainer", "Explanation": "explanation"}


def load(
    path: str | Path,
    parameters: str | Path | None = None,
    input_range: str = "auto",
    output_variable: str | None = None,
) -> "Classifier":
    """Load a trained image classifier.

    Args:
        path: a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf).
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.
        input_range: the model's value of white: ``"1"`` (pixels / 255), ``"255"``, or ``"auto"`` (what the file
            says; 255 also where the network begins by dividing by 255 itself).
        output_variable: the output that holds the class scores; by default the first that can.

    Raises:
        WhylightError: the file cannot be read or is not a classifier of one image; the message says why.
    """
    from whylight import nnp

    return nnp.to_classifier(nnp.read_model(path, parameters), input_range, output_variable)


def __getattr__(name: str) -> Any:
    """Import the types a user meets only when they are used: start-up stays fast."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"whylight.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'whylight' has no attribute '{name}'")
