"""What is said about a table: which of its variables hold what."""

from __future__ import annotations

from dataclasses import dataclass

from whylight.options import Options, option


@dataclass(frozen=True)
class TableOptions(Options):
    """Which variables of a table hold the image and its class.

    Attributes:
        input_variable: holds the image.
        label_variable: holds the class index.
    """

    input_variable: str = option("x", "the variable of the CSV that holds the image", metavar="NAME", flags=("-v1",))
    label_variable: str = option(
        "y", "the variable of the CSV that holds the class index", metavar="NAME", flags=("-v2",)
    )


@dataclass(frozen=True)
class RowOptions(TableOptions):
    """Which class of each image is explained.

    Attributes:
        predicted: explain the class that the model predicts, not the label.
        labels_from: ``folders``: those that images lie in say their classes; for a folder of images.
    """

    predicted: bool = option(False, "explain the predicted class of each image instead of its label")
    labels_from: str | None = option(
        None, "of a folder of images: its folders say the images' classes", choices=("folders",)
    )
