"""Image files in every format, read back by Pillow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.errors import WhylightError
from whylight.files.encoding import encoded_image, encoded_images, save_image

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


DESCRIPTION = "三毛猫 (281), the label; predicted: class 3"


def described(data: bytes) -> str:
    """What Pillow finds in an image file about what it shows."""
    image = Image.open(io.BytesIO(data))
    image.load()
    if image.format == "WEBP":
        held = image.getexif()[0x010E]
        return held.encode("latin-1").decode() if isinstance(held, str) else held.decode()
    found = image.info["Description"] if image.format == "PNG" else image.info["comment"].decode()
    return str(found)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_a_file_says_what_it_shows(ending: str) -> None:
    assert described(encoded_image(STEPS, ending, DESCRIPTION)) == DESCRIPTION
    plain, told = (np.asarray(Image.open(io.BytesIO(encoded_image(STEPS, ending, text)))) for text in ("", DESCRIPTION))
    np.testing.assert_array_equal(plain, told)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_each_of_many_files_has_its_own_description(ending: str) -> None:
    images = [STEPS, STEPS, STEPS[:9], STEPS]
    files = list(encoded_images(images, ending, map(str, range(4))))
    assert [described(data) for data in files] == ["0", "1", "2", "3"]


def test_a_description_is_no_reason_to_fail() -> None:
    encoded_image(STEPS, ".bmp", DESCRIPTION)
    assert len(described(encoded_image(STEPS, ".jpg", "x" * 100_000))) > 60_000
    assert described(encoded_image(STEPS, ".png", "a\ud800b")) == "a?b"


def test_an_image_is_saved(tmp_path: Path) -> None:
    save_image(STEPS, tmp_path / "new" / "a.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), STEPS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


@pytest.mark.parametrize("ending", [".tga", "", "png"])
def test_other_endings_are_refused(ending: str) -> None:
    with pytest.raises(WhylightError, match=r"no image format for '.*': expected one of \.png, \.jpg"):
        encoded_image(STEPS, ending)
