"""Where tests find their data: in the repository, and in a folder beside it where that is at hand."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import whylight

DATA = Path(__file__).parent / "data"
BUNDLED = Path(whylight.__file__).parent / "samples"
SHARED = Path(__file__).parents[2] / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the larger samples are not at hand")


def evaluation(table: Path) -> tuple[list[Path], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The images, labels and outputs of an ``output_result.csv``."""
    with table.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    outputs = [index for index, name in enumerate(header) if name.startswith("y'")]
    images = [table.parent / row[0] for row in rows]
    return images, np.array([int(row[1]) for row in rows]), np.array([[float(row[i]) for i in outputs] for row in rows])


def pixels(path: Path, size: tuple[int, int] | None = None) -> np.ndarray[Any, Any]:
    """An image as (C, H, W) float32 from 0 to 1, resized as the Console does."""
    image: Image.Image = Image.open(path)
    if size and image.size != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    array = np.asarray(image, np.float32) / 255
    return array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)
