"""See why an image classifier decided.

import whylight

classifier = whylight.load("results.nnp")
explainer = classifier.explainer(method="gradcam")
explanation = explainer("image.png", class_index=3)
explanation.overlay().save("grad_cam.png")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import WhylightError, WhylightWarning

if TYPE_CHECKING:
    import torch

    from whylight.classifier.classifier import Classifier
    from whylight.options import ModelOptions
    from whylight.running.explainer import Explainer
    from whylight.running.explanation import Explanation

__version__ = "0.1.0"
__all__ = ["Classifier", "Explainer", "Explanation", "WhylightError", "WhylightWarning", "load"]

_HOMES = {
    "Classifier": "classifier.classifier",
    "Explainer": "running.explainer",
    "Explanation": "running.explanation",
}


def load(
    model: "str | Path | torch.nn.Module",
    parameters: str | Path | None = None,
    input_range: str = "auto",
    output_variable: str | None = None,
    model_input: str | None = None,
    layout: str = "auto",
    input_size: tuple[int, ...] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> "Classifier":
    """Load a trained image classifier.

    An image becomes the model's input as ``(value - mean) / std``, with values from 0 (black) to the input range
    (white). Models of signals (N, C, L) and volumes (N, C, D, H, W) take arrays as they are.

    Args:
        model: an .onnx file of any producer, a .nnp file, a loose network (.nntxt, .prototxt, .protobuf), or, where
            PyTorch is installed, a ``torch.nn.Module`` or a .pt2 file of ``torch.export.save``.
        parameters: the parameter file (.h5 or .protobuf) of a loose network that does not hold its own.
        input_range: the model's value of white: ``"1"`` (pixels / 255), ``"255"``, or ``"auto"`` (what the file
            says; 255 also where the network begins by dividing by 255 itself).
        output_variable: the output that holds the class scores; by default the first that can.
        model_input: the input that takes the image; by default the one with an image's shape (.onnx).
        layout: the order of its axes, ``"NCHW"`` or ``"NHWC"``, of signals ``"NCL"`` or ``"NLC"``, of volumes
            ``"NCDHW"`` or ``"NDHWC"``; by default as its shape and its first convolution say (.onnx).
        input_size: height and width, for a model that takes any; by default as its metadata says, else 224 x 224
            (.onnx, PyTorch). Of signals the length, of volumes depth, height and width.
        mean: one number a channel, or one for all; by default as its metadata says, else none (.onnx).
        std: as ``mean``.

    Raises:
        WhylightError: the file cannot be read or is not a classifier of one image; the message says why.
    """
    from whylight.options import ModelOptions

    options = ModelOptions(
        input_range=input_range,
        output_variable=output_variable,
        model_input=model_input,
        layout=layout,
        input_size=input_size,
        mean=None if mean is None else tuple(mean),
        std=None if std is None else tuple(std),
    )
    if not isinstance(model, str | Path):
        from whylight.reading.pytorch import load_module

        return load_module(model, options)
    return load_with(Path(model), Path(parameters) if parameters else None, options)


def load_with(path: Path, parameters: Path | None, options: "ModelOptions") -> "Classifier":
    """As `load`, of a file, with all that is said about the model in one object."""
    from whylight.reading import load

    return load(path, parameters, options)


def __getattr__(name: str) -> Any:
    """Import the types a user meets only when they are used: start-up stays fast."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"whylight.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'whylight' has no attribute '{name}'")
