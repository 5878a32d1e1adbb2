"""Image files in every format, read back by Pillow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.errors import WhylightError
from whylight.files.encoding import encoded_image, save_image

STEPS = np.linspace(0, 255, 24 * 32 * 3).astype(np.uint8).reshape(24, 32, 3)
FORMATS = [(".png", "PNG", 0), (".PNG", "PNG", 0), (".bmp", "BMP", 0), (".jpg", "JPEG", 12), (".jpeg", "JPEG", 12)]


@pytest.mark.parametrize(("ending", "form", "tolerance"), [*FORMATS, (".webp", "WEBP", 20)])
@pytest.mark.parametrize("pixels", [STEPS, STEPS[..., 0]], ids=["RGB", "gray"])
def test_the_ending_names_the_format(ending: str, form: str, tolerance: int, pixels: Any) -> None:
    data = encoded_image(pixels, ending)
    assert data == encoded_image(Image.fromarray(pixels), ending)
    image = Image.open(io.BytesIO(data))
    assert image.format == form
    found = np.asarray(image.convert("RGB" if pixels.ndim == 3 else "L"), int)
    assert np.abs(found - pixels).max() <= tolerance


def test_jpeg_keeps_the_colors_of_single_pixels() -> None:
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2] = 255, 0, 0
    stripes[:, 1::2] = 0, 0, 255
    image = Image.open(io.BytesIO(encoded_image(stripes, ".jpg")))
    assert np.abs(np.asarray(image, int) - stripes).max() < 40


def test_an_image_is_saved(tmp_path: Path) -> None:
    save_image(STEPS, tmp_path / "new" / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), STEPS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


@pytest.mark.parametrize("ending", [".tga", "", "png"])
def test_other_endings_are_refused(ending: str) -> None:
    with pytest.raises(WhylightError, match=r"no image format for '.*': expected one of \.png, \.jpg"):
        encoded_image(STEPS, ending)
