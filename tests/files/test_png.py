"""PNG files, read back by Pillow; and no larger than those that Pillow takes its time for."""

import io
import struct
import zlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samples import DATA
from whylight.files import png

RNG = np.random.default_rng(3)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@pytest.fixture(params=["isal.isal_zlib", None])
def compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType | None:
    """With the fast library and without it."""
    module = pytest.importorskip(request.param) if request.param else None
    monkeypatch.setattr(png, "isal_zlib", module)
    return module


def read(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=["PNG"])
    image.load()
    return image


@pytest.mark.usefixtures("compressor")
@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 9), (9, 1), (28, 28), (5, 4, 1), (6, 5, 2), (7, 6, 3), (6, 7, 4), (301, 400, 3), (2, 90_000, 3)],
)
def test_pixels_come_back(shape: tuple[int, ...]) -> None:
    for pixels in (RNG.integers(0, 256, shape, np.uint8), np.full(shape, 255, np.uint8)):
        image = read(png.encoded_png(pixels))
        assert image.mode == MODES[(*shape, 1)[2]]
        np.testing.assert_array_equal(np.asarray(image).reshape(shape), pixels)


@pytest.mark.usefixtures("compressor")
def test_many_images_at_once_keep_their_order_and_pixels() -> None:
    shapes = [(28, 28, 3)] * 130 + [(28, 28), (28, 28, 1), (300, 301, 3), (300, 301, 3)] + [(28, 28, 3)] * 2
    images = [RNG.integers(0, 256, shape, np.uint8) for shape in shapes]
    found = [np.asarray(read(data)) for data in png.encoded_pngs(iter(images))]
    assert len(found) == len(images)
    for pixels, image in zip(images, found, strict=True):
        np.testing.assert_array_equal(image, pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def test_pixels_may_lie_anywhere_in_memory() -> None:
    pixels = np.broadcast_to(RNG.integers(0, 256, (6, 5, 1), np.uint8), (6, 5, 3))
    for view in (pixels, pixels[::-1], pixels.transpose(1, 0, 2)):
        np.testing.assert_array_equal(np.asarray(read(png.encoded_png(view))), view)


@pytest.mark.usefixtures("compressor")
def test_files_are_nearly_as_small_as_those_that_take_long() -> None:
    images: list[Any] = [Image.open(DATA / "chelsea.png").convert("RGB")]
    images += [Image.open(DATA / "reference" / f"arch_{name}_2.png").convert("RGB") for name in ("resnet", "vgg")]
    ours = sum(len(png.encoded_png(np.asarray(image))) for image in images)
    theirs = 0
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=9)
        theirs += buffer.tell()
    assert ours < 1.06 * theirs


def test_checksums_are_right() -> None:
    data = png.encoded_png(RNG.integers(0, 256, (4, 4), np.uint8))[8:]
    kinds = []
    while data:
        (size,) = struct.unpack(">I", data[:4])
        assert struct.unpack(">I", data[8 + size : 12 + size]) == (zlib.crc32(data[4 : 8 + size]),)
        kinds.append(data[4:8])
        data = data[12 + size :]
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
