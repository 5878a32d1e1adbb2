"""Makes `turned.heic`: 64 x 48 pixels, red, green, blue and gray quarters, that its file says to turn by 90 degrees.

It takes `pillow-heif`, which can write; the tests take `pi-heif`, which only reads.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener  # type: ignore[import-not-found]

register_heif_opener()
quarters = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [128, 128, 128]]], np.uint8)
image = Image.fromarray(quarters.repeat(24, 0).repeat(32, 1))
exif = Image.Exif()
exif[274] = 6
image.save(Path(__file__).with_name("turned.heic"), quality=90, exif=exif.tobytes())
