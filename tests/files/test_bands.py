"""Images between Pillow and arrays, against Pillow's own conversions of the whole image."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.files.bands import image_of, is_large, keeping_memory, pixels_of, size_of

SHAPES = [(1, 1, 3), (28, 28, 1), (300, 301, 3), (3, 90_000, 3), (90_000, 3, 3), (700, 501, 1)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_there_and_back(shape: tuple[int, int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    flat = pixels[..., 0] if shape[2] == 1 else pixels
    whole = Image.fromarray(flat)
    np.testing.assert_array_equal(pixels_of(whole), pixels)
    image = image_of(flat)
    assert (image.mode, image.size) == (whole.mode, whole.size)
    np.testing.assert_array_equal(np.asarray(image), flat)
    assert size_of(image) == size_of(pixels) == shape[:2]
    assert is_large(size_of(image)) == (pixels.size > 3 * 87381 if shape[2] == 3 else pixels.size > 87381)


def test_what_is_asked_for_is_not_copied() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    image = Image.new("RGB", (400, 400))
    assert pixels_of(pixels) is pixels
    assert image_of(image) is image


def test_memory_is_kept_for_a_while() -> None:
    memory: Any = Image.core  # type: ignore[attr-defined]
    before = memory.get_blocks_max()
    with keeping_memory(2):
        assert memory.get_blocks_max() > before
    assert memory.get_blocks_max() == before
