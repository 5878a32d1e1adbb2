"""Where the objects of a dataset CSV are: boxes or masks of a row, as the model's input shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.dataset.table import Dataset, Row
from whylight.errors import WhylightError
from whylight.files.values import read_values
from whylight.images.pictures import Picture, picture_of, read_picture
from whylight.trust.cases import FloatArray, Regions, Values
from whylight.trust.localization import bounding_boxes

_SIDES = ("left", "top", "right", "bottom")
_MASK_ARRAYS = (".npy", ".csv")


@dataclass(frozen=True)
class RegionColumns:
    """Where a dataset CSV says where the objects are.

    Attributes:
        boxes: the positions of left, top, right and bottom, in pixels of the image, right and bottom excluded.
        mask: the position of the mask's file: an image or array, not zero where the object is.
    """

    boxes: tuple[int, ...] = ()
    mask: tuple[int, ...] = ()


def region_columns(dataset: Dataset, box_variable: str | None, mask_variable: str | None) -> RegionColumns | None:
    """The columns of boxes, or else of masks; by default the variables ``box`` and ``mask`` where there are such.

    A box's four columns are left, top, right, bottom in this order, unless the labels in the header say another.

    Raises:
        WhylightError: a variable is missing, or a box has not four columns.
    """
    if mask_variable or (not box_variable and "box" not in dataset.variables and "mask" in dataset.variables):
        return RegionColumns(mask=dataset.columns_of(mask_variable or "mask"))
    if not box_variable and "box" not in dataset.variables:
        return None
    name = box_variable or "box"
    positions = dataset.columns_of(name)
    if len(positions) != len(_SIDES):
        raise WhylightError(
            f"{dataset.source}: variable '{name}' has {len(positions)} columns: expected 4: {', '.join(_SIDES)}"
        )
    labels = [(dataset.columns[position].label or "").strip().lower() for position in positions]
    if sorted(labels) == sorted(_SIDES):
        positions = tuple(positions[labels.index(side)] for side in _SIDES)
    return RegionColumns(boxes=positions)


def read_regions(
    dataset: Dataset, columns: RegionColumns, rows: Sequence[Row], pictures: Sequence[Picture], size: tuple[int, int]
) -> Regions:
    """The regions of rows, at the model's input size. A row with empty cells has none.

    Raises:
        WhylightError: a box is not four numbers with left < right and top < bottom, or a mask cannot be read, has
            another size than the image, or is empty.
    """
    coverage = np.full((len(rows), *size), np.nan, np.float32)
    boxes = np.full((len(rows), 4), np.nan)
    for index, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        if dataset.is_empty(row, columns.boxes or columns.mask):
            continue
        try:
            if columns.boxes:
                boxes[index] = _scaled_box(dataset.cells(row, columns.boxes), picture, size)
                coverage[index] = _box_coverage(boxes[index], size)
            else:
                coverage[index] = _mask_coverage(dataset, row, columns.mask, picture, size)
                boxes[index] = bounding_boxes(coverage[index : index + 1] >= min(0.5, coverage[index].max()))[0]
        except WhylightError as error:
            raise dataset.row_error(row, error) from error
    return Regions(coverage, boxes)


def _scaled_box(cells: Sequence[str], picture: Picture, size: tuple[int, int]) -> Values:
    try:
        box = np.array([float(cell) for cell in cells])
    except ValueError:
        raise WhylightError(f"box {', '.join(cells)}: expected four numbers: {', '.join(_SIDES)}") from None
    height, width = picture.pixels.shape[:2]
    inside = np.clip(box, 0, [width, height, width, height])
    if not (inside[:2] < inside[2:]).all():
        raise WhylightError(
            f"box {', '.join(cells)}: expected left < right and top < bottom within an image of {width} x {height}"
        )
    return np.asarray(inside * np.array([size[1] / width, size[0] / height] * 2), np.float64)


def _box_coverage(box: Values, size: tuple[int, int]) -> FloatArray:
    """(H, W): the part of each pixel that is in the box."""
    left, top, right, bottom = box
    rows, columns = np.arange(size[0]), np.arange(size[1])
    tall = np.clip(np.minimum(rows + 1, bottom) - np.maximum(rows, top), 0, 1)
    wide = np.clip(np.minimum(columns + 1, right) - np.maximum(columns, left), 0, 1)
    return np.outer(tall, wide).astype(np.float32)


def _mask_coverage(
    dataset: Dataset, row: Row, position: tuple[int, ...], picture: Picture, size: tuple[int, int]
) -> FloatArray:
    mask = dataset.image(row, position)
    source, values = _mask_values(mask)
    if values.shape != picture.pixels.shape[:2]:
        found, expected = (" x ".join(map(str, shape[::-1])) for shape in (values.shape, picture.pixels.shape[:2]))
        raise WhylightError(f"{source}: a mask of {found} pixels: expected {expected}, as the image has")
    if not values.any():
        raise WhylightError(f"{source}: the mask is empty: expected values other than 0 where the object is")
    covered = Image.fromarray((values != 0).astype(np.float32))
    return np.asarray(covered.resize((size[1], size[0]), Image.Resampling.BOX), np.float32)


def _mask_values(mask: Any) -> tuple[str, NDArray[Any]]:
    """What messages call a mask, and its values (H, W): of a file, a Pillow image or an array."""
    if isinstance(mask, np.ndarray):
        return "the mask", mask
    if isinstance(mask, Image.Image):
        return "the mask", picture_of(mask, 1).pixels[..., 0]
    if mask.suffix.lower() in _MASK_ARRAYS:
        return str(mask), read_values(mask)
    return str(mask), read_picture(mask, 1).pixels[..., 0]
