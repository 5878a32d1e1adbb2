"""Digits among fragments of other digits, 64 x 64, with the box of each digit: drawn, as many as are asked for."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIZE = 64
CLASSES = 10
_FRAGMENTS = 8
_FRAGMENT = 9
_FONT = ImageFont.load_default(26)


@dataclass(frozen=True)
class Cluttered:
    """Images (N, 64, 64) uint8, labels (N,), and boxes (N, 4): left, top, right, bottom, the last two excluded."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int64]


def cluttered_digits(count: int, seed: int) -> Cluttered:
    """Draw digits: each turned by up to 20 degrees, of 18 to 26 pixels, anywhere, among eight fragments of others."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    images = np.zeros((count, SIZE, SIZE), np.uint8)
    boxes = np.zeros((count, 4), np.int64)
    for image, box, label in zip(images, boxes, labels, strict=True):
        digit = _digit(int(label), random)
        height, width = digit.shape
        top, left = random.integers(0, SIZE - height + 1), random.integers(0, SIZE - width + 1)
        box[:] = left, top, left + width, top + height
        for _ in range(_FRAGMENTS):
            other = _digit(int(random.integers(0, CLASSES)), random)
            row, column = (int(random.integers(0, max(extent - _FRAGMENT, 1))) for extent in other.shape)
            part = other[row : row + _FRAGMENT, column : column + _FRAGMENT]
            y, x = (int(random.integers(0, SIZE - extent)) for extent in part.shape)
            place = image[y : y + part.shape[0], x : x + part.shape[1]]
            np.maximum(place, part, out=place)
        image[top : top + height, left : left + width] = digit
    return Cluttered(images, labels, boxes)


def write(digits: Cluttered, folder: Path) -> Path:
    """Write the images and their dataset CSV, and give back the CSV's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["x:image", "y:label", "box__0:left", "box__1:top", "box__2:right", "box__3:bottom"])
        for number, (image, label, box) in enumerate(zip(digits.images, digits.labels, digits.boxes, strict=True)):
            name = f"{number:04}.png"
            Image.fromarray(image).save(folder / name)
            rows.writerow([name, label, *box])
    return path


def _digit(label: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """A digit, cut to its ink."""
    canvas = Image.new("L", (48, 48))
    ImageDraw.Draw(canvas).text((24, 24), str(label), 255, _FONT, anchor="mm", stroke_width=int(random.integers(0, 2)))
    canvas = canvas.rotate(random.uniform(-20, 20), Image.Resampling.BILINEAR)
    canvas = canvas.crop(canvas.getbbox())
    height = int(random.integers(18, 27))
    width = max(8, round(canvas.width * height / canvas.height * random.uniform(0.85, 1.15)))
    return np.asarray(canvas.resize((width, height), Image.Resampling.BILINEAR))
