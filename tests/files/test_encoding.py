"""Image files, read back by Pillow."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from whylight.files.encoding import encoded_image

FULL_COLORS, HALF_OF_THEM = 0, 2
"""As `PIL.JpegImagePlugin.get_sampling` numbers 4:4:4 and 4:2:0."""


@pytest.mark.parametrize(("shape", "sampling"), [((28, 28, 3), FULL_COLORS), ((600, 800, 3), HALF_OF_THEM)])
def test_small_jpeg_files_keep_all_colors(shape: tuple[int, int, int], sampling: int) -> None:
    pixels = np.zeros(shape, np.uint8)
    pixels[:, :, 0] = np.linspace(0, 255, shape[1])
    image = Image.open(io.BytesIO(encoded_image(pixels, ".jpg")))
    assert get_sampling(image) == sampling
    assert np.abs(np.asarray(image).astype(int) - pixels).mean() < 3
