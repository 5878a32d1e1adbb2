"""Rows in, images and the classes to explain out: the one way from a table to what a model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from whylight.contract import Origin
from whylight.dataset.options import RowOptions
from whylight.dataset.table import Dataset, Row
from whylight.errors import WhylightError
from whylight.options import ClassIndex, Rendering

if TYPE_CHECKING:
    from whylight.images.inputs import ImageLike
    from whylight.images.pictures import Picture

_PLAIN = Rendering()


class Model(Protocol):
    """What knows which images and classes a model takes: an `Explainer`."""

    def picture(self, image: Any, rendering: Rendering) -> Picture:
        """Decode an image to the model's channels, as it takes to draw it."""

    def checked_index(self, class_index: Any) -> int:
        """See that the model has the class."""


class RowReader:
    """Reads the rows of one dataset for one model. Several threads may share it.

    Attributes:
        origin: who names the classes that are explained; where a row names none it is the predicted one.
    """

    def __init__(self, dataset: Dataset, options: RowOptions, model: Model, rendering: Rendering = _PLAIN) -> None:
        """Find the columns.

        Args:
            dataset: the table.
            options: which of its columns are read.
            model: what takes the images.
            rendering: how they will be drawn: see `Explainer.picture`.

        Raises:
            WhylightError: a variable is missing, or its columns are no vector.
        """
        self._dataset = dataset
        self._model = model
        self._rendering = rendering
        self._images = dataset.columns_of(options.input_variable)
        self.origin: Origin = "predicted" if options.predicted else dataset.origin
        self._labels = None if self.origin == "predicted" else dataset.columns_of(options.label_variable)

    def checked(self, row: Row) -> tuple[ImageLike, ClassIndex]:
        """The image and the class to explain, after all has been checked that can be without decoding the image.

        Raises:
            WhylightError: the row is bad.
        """
        image = self._dataset.image(row, self._images)
        if self._labels is None:
            return image, "predicted"
        label = self._dataset.class_index(row, self._labels)
        try:
            self._model.checked_index(label)
        except WhylightError as error:
            raise self._dataset.row_error(row, error) from None
        return image, label

    def read(self, row: Row) -> tuple[Picture, ClassIndex]:
        """The decoded image and the class to explain.

        Raises:
            WhylightError: the row is bad.
        """
        image, class_index = self.checked(row)
        return self.decoded(row, image), class_index

    def decoded(self, row: Row, image: ImageLike) -> Picture:
        """The image of a row that is `checked`, decoded.

        Raises:
            WhylightError: it cannot be read.
        """
        try:
            return self._model.picture(image, self._rendering)
        except WhylightError as error:
            raise self._dataset.row_error(row, error) from error
