"""What calls take, checked before anything is done; the field's descriptions are the documentation of the calls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from whylight.app.models import Asked
from whylight.app.table_index import View
from whylight.app.tables import TableName

_MOST = 2**31 - 1
Name = Annotated[str, StringConstraints(max_length=1000)]
Number = Annotated[int, Field(ge=1, le=_MOST)]
Class = Annotated[int, Field(ge=0, le=_MOST)]
AnyClass = Annotated[int, Field(ge=-_MOST, le=_MOST)] | Annotated[str, StringConstraints(max_length=1000)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Taken(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfTable(_Taken):
    """A table."""

    table: Name = Field("", description="the CSV's path in the folder; empty for the folder's own images")
    input_variable: Name = Field("", description="the variable that holds the image; empty for x")
    label_variable: Name = Field("", description="the variable that holds the class; empty for y")
    labels: Name = Field("", description="a labels file in the folder, or imagenet; empty for none")

    @property
    def name(self) -> TableName:
        """The same for `Tables`."""
        return TableName(self.table, self.input_variable, self.label_variable, self.labels)


class OfView(OfTable):
    """A table, and which of its rows are meant."""

    result: Literal["", "right", "wrong", "error"] = Field("", description="how the prediction is; empty for any")
    truth: Class | Literal[""] = Field("", description="the true class; empty for any")
    predicted: Class | Literal[""] = Field("", description="the predicted class; empty for any")
    lowest: Annotated[float, Field(allow_inf_nan=False)] | Literal[""] = Field(
        "", alias="from", description="the lowest confidence: in percent where all confidences are probabilities"
    )
    highest: Annotated[float, Field(allow_inf_nan=False)] | Literal[""] = Field(
        "", alias="to", description="the highest confidence"
    )
    text: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="what a cell, the name of the image, of the overlay or of a class, or the error holds"
    )
    sort: Literal["row", "confident", "unsure", "class"] = Field("row", description="the order")

    @property
    def view(self) -> View:
        """The same for a `TableIndex`."""
        truth, predicted, lowest, highest = (
            None if value == "" else value for value in (self.truth, self.predicted, self.lowest, self.highest)
        )
        return View(self.result, truth, predicted, lowest, highest, self.text, self.sort)  # type: ignore[arg-type]


class OfRows(OfView):
    """Some rows of a view."""

    start: Annotated[int, Field(ge=0, le=_MOST)] = Field(0, description="the first one, from 0, in the view's order")
    count: Annotated[int, Field(ge=0, le=1000)] = Field(100, description="how many")


class OfRow(OfView):
    """A row, and the view in which those beside it are looked for."""

    number: Number = Field(description="from 1, in the table's own order")


class OfImage(OfTable):
    """An image of a table, or one that was given."""

    row: Number | None = Field(None, description="the row's number, of an image of a table")
    upload: Name = Field("", description="what /api/upload has answered, of an image that was given")
    kind: Literal["image", "overlay"] = Field("image", description="the row's image, or its overlay")
    size: Annotated[int, Field(ge=0, le=8192)] = Field(
        0, description="the most pixels of its longest edge; 0 for the image as it is"
    )


class Subject(OfTable):
    """The image that is meant: a row of a table, or one that was given."""

    row: Number | None = Field(None, description="the row's number")
    upload: Name = Field("", description="what /api/upload has answered")


class OfModel(_Taken):
    """A model."""

    model: Name = Field(description="the file's path in the folder")
    parameters: Name = Field("", description="the parameter file of a loose network")
    labels: Name = Field("", description="a labels file in the folder, or imagenet; empty for the model's own names")


class _OfMethod(OfModel):
    method: Name = Field("gradcam", description="see /api/model")
    layer: Name = Field("", description="see /api/model; empty for the default one")


class ToExplain(_OfMethod):
    """A question about an image."""

    image: Subject
    class_index: AnyClass = Field("predicted", description="the class: its index, its name, or predicted")
    against: AnyClass = Field("", description="the class to contrast with; empty for none")

    @property
    def asked(self) -> Asked:
        """The same for an `OpenedModel`."""
        return Asked(self.class_index, self.method, self.layer, self.against)


class ToDraw(ToExplain):
    """A question about an image, and how its answer looks."""

    alpha: Share = Field(0.5, description="how strongly the colors cover the image")
    colormap: Name = Field("jet", description="see /api/model")


class ToFile(ToDraw):
    """... to be downloaded."""

    format: Literal["png", "npy"] = Field("png", description="the overlay, or the map itself")


class ToSave(ToDraw):
    """... to be written into the folder."""

    output: Name = Field(description="the picture's path in the folder: .png, .jpg, .webp, ...")


class ToCover(OfModel):
    """A rectangle of an image that is covered with the image's mean color."""

    image: Subject
    rectangle: tuple[Share, Share, Share, Share] = Field(
        description="left, top, right and bottom in fractions of the image's width and height"
    )
    classes: Annotated[list[Class], Field(max_length=100)] = Field([], description="whose probabilities are wanted")


class ToAverage(_OfMethod, OfTable):
    """The images of a class."""

    truth: Class = Field(description="the true class")
    count: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="of so many of its images at most")

    @property
    def asked(self) -> Asked:
        """The same for an `OpenedModel`."""
        return Asked(self.truth, self.method, self.layer)


class ToRun(_OfMethod):
    """A batch, as Neural Network Console's plugin takes it."""

    input: Name = Field("", description="the CSV's path in the folder; empty for the folder's own images")
    output: Name = Field("gradcam.csv", description="the CSV to write; overlays go into a folder of its name")
    input_variable: Name = Field("", description="the variable that holds the image; empty for x")
    label_variable: Name = Field("", description="the variable that holds the class; empty for y")
    predicted: bool = Field(False, description="explain the predicted class of each image instead of its label")
    on_error: Literal["stop", "skip"] = Field("stop", description="at a bad row: stop, or leave its cell empty")
    overwrite: bool = Field(False, description="replace the finished result of an earlier run")


class ToReport(_Taken):
    """The result of a batch."""

    table: Name = Field(description="the CSV's path in the folder")
    labels: Name = Field("", description="a labels file in the folder, or imagenet; empty for the run's own names")
    overwrite: bool = Field(False, description="replace results of another kind too")
