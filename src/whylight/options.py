"""What a user may say about a model that its file does not say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelOptions:
    """Facts about a model, each as the file says where it is not given.

    Attributes:
        input_range: the value of white at its input: ``1``, ``255`` or ``auto``.
        output_variable: the output that holds the classes.
        model_input: the input that takes the image.
        layout: the order of the image's axes: ``NCHW``, ``NHWC`` or ``auto``; of signals and volumes see `LAYOUTS`.
        input_size: height and width, for a model that takes any; of signals and volumes all their extents.
        mean: subtracted from values in the input range, one a channel or one for all.
        std: what they are divided by after that.
    """

    input_range: str = "auto"
    output_variable: str | None = None
    model_input: str | None = None
    layout: str = "auto"
    input_size: tuple[int, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
