"""JPEG files decoded at reduced scale, against all of their pixels and the filter's formula in numpy."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.contract import InputFacts
from whylight.images.inputs import prepared_inputs, read_image
from whylight.images.pictures import read_picture

Array = np.ndarray[Any, Any]

FACTS = InputFacts("x", 3, (64, 48), "CHW", 255)
ORIENTATION = 274


@cache
def photograph(height: int, width: int) -> Array:
    """Detail of all sizes, and noise."""
    random = np.random.default_rng(0)
    pixels = np.full((height, width, 3), 120, np.float32)
    size = 4
    while size <= width:
        detail = random.normal(0, 100 / size**0.5, (max(2, size * height // width), size, 3)).astype(np.float32)
        planes = [Image.fromarray(detail[..., channel].copy()) for channel in range(3)]
        enlarged = [np.asarray(plane.resize((width, height), Image.Resampling.BICUBIC)) for plane in planes]
        pixels += np.stack(enlarged, -1)
        size *= 2
    return (pixels + random.normal(0, 5, (height, width, 1))).clip(0, 255).astype(np.uint8)


def jpeg(path: Path, pixels: Array, mode: str = "RGB", orientation: int = 1, **options: Any) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).convert(mode).save(path, "JPEG", quality=92, exif=exif, **options)
    return path


def upright(path: Path, mode: str = "RGB") -> Array:
    """All pixels of the file, turned by numpy."""
    with Image.open(path) as image:
        orientation = image.getexif().get(ORIENTATION, 1)
        pixels = np.asarray(image.convert(mode))
    turns = {1: lambda a: a, 3: lambda a: a[::-1, ::-1], 6: lambda a: np.rot90(a, -1), 5: lambda a: a.swapaxes(0, 1)}
    return np.asarray(turns[orientation](pixels))


def filtered(pixels: Array, size: tuple[int, ...]) -> Array:
    """Antialiased bilinear, in double precision: tents as wide as the scale."""
    for axis, new in enumerate(size):
        old = pixels.shape[axis]
        scale = max(old / new, 1)
        distance = np.arange(old) + 0.5 - (np.arange(new)[:, np.newaxis] + 0.5) * old / new
        weights = np.clip(1 - np.abs(distance) / scale, 0, None)
        weights /= weights.sum(1, keepdims=True)
        pixels = np.moveaxis(np.tensordot(weights, pixels, (1, axis)), 0, axis)
    return pixels


@pytest.mark.parametrize("orientation", [1, 3, 5, 6])
@pytest.mark.parametrize(("height", "width"), [(1600, 1200), (1204, 1598), (2080, 2064)])
@pytest.mark.parametrize("size", ["input", 200, 300])
def test_inputs_are_those_of_all_pixels(
    tmp_path: Path, size: str | int, height: int, width: int, orientation: int
) -> None:
    path = jpeg(tmp_path / "a.jpg", photograph(height, width), orientation=orientation)
    whole = upright(path)
    picture = read_image(path, FACTS, size)
    assert picture.size != whole.shape[:2], "not all of it was decoded"
    difference = np.abs(prepared_inputs([picture], FACTS)[0].transpose(1, 2, 0) - filtered(whole, FACTS.size))
    assert difference.mean() < 0.5, "of 255; 0.25 is what rounding alone does"
    assert difference.max() < 3


@pytest.mark.parametrize(
    ("sides", "size", "scale"),
    [
        ((1600, 1200), "input", 4),
        ((1600, 1200), 400, 4),
        ((1600, 1200), 401, 2),
        ((1600, 1200), 801, 1),
        ((1600, 1020), 10, 2),
        ((2048, 2048), 256, 8),
        ((2044, 2048), 256, 4),
        ((1602, 1200), "input", 2),
        ((1601, 1200), "input", 1),
    ],
)
def test_no_more_is_decoded_than_is_needed(tmp_path: Path, sides: tuple[int, int], size: str | int, scale: int) -> None:
    Image.new("RGB", sides).save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", FACTS, size).size == (sides[1] // scale, sides[0] // scale)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_other_modes(tmp_path: Path, mode: str, subsampling: int) -> None:
    options = {} if mode == "L" else {"subsampling": subsampling}
    path = jpeg(tmp_path / "a.jpg", photograph(1200, 1600), mode, **options)
    (found,) = prepared_inputs([read_image(path, FACTS, "input")], FACTS)
    assert np.abs(found.transpose(1, 2, 0) - filtered(upright(path), FACTS.size)).mean() < 0.5


def test_gray_models(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg", photograph(1200, 1600))
    facts = InputFacts("x", 1, (64, 48), "CHW", 255)
    ((found,),) = prepared_inputs([read_image(path, facts, "input")], facts)
    assert np.abs(found - filtered(upright(path, "L"), FACTS.size)).mean() < 0.5


def test_everything_else_is_decoded_in_full(tmp_path: Path) -> None:
    pixels = photograph(1200, 1600)
    path = jpeg(tmp_path / "a.jpg", pixels)
    whole = np.asarray(Image.open(path))
    stored = InputFacts("x", 3, (64, 48), "CHW", 255, exif_orientation=False)
    for given, size in ((FACTS, "original"), (stored, "input"), (stored, 100)):
        np.testing.assert_array_equal(read_image(path, given, size).pixels, whole)
    for ending in ("png", "bmp", "webp"):
        Image.fromarray(pixels).save(tmp_path / f"a.{ending}", lossless=True)
        np.testing.assert_array_equal(read_image(tmp_path / f"a.{ending}", FACTS, "input").pixels, pixels)
    small = jpeg(tmp_path / "small.jpg", photograph(300, 383))
    np.testing.assert_array_equal(read_image(small, FACTS, "input").pixels, np.asarray(Image.open(small)))


def test_content_and_open_files_are_reduced_as_files_are(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.jpg", photograph(1200, 1600), orientation=6)
    expected = read_image(path, FACTS, 256).pixels
    for image in (path.read_bytes(), io.BytesIO(path.read_bytes()), str(path)):
        np.testing.assert_array_equal(read_image(image, FACTS, 256).pixels, expected)
    assert read_picture(path, 3).size == (1600, 1200)
