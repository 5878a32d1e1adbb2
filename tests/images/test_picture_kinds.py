"""A table of picture kinds, each read as Pillow reads it once `ImageOps.exif_transpose` has turned it upright."""

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from whylight.contract import InputFacts
from whylight.errors import WhylightError, WhylightWarning
from whylight.images.inputs import read_image
from whylight.images.pictures import picture_of, read_picture

Array = np.ndarray[Any, Any]

HEIC = Path(__file__).parents[1] / "data" / "heic" / "turned.heic"
ORIENTATION = 274
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
needs_jpeg_2000 = pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow reads no JPEG 2000")


def scene(mode: str, size: tuple[int, int]) -> Image.Image:
    """No symmetry: whatever is turned or mirrored differs."""
    width, height = size
    rows, columns = np.mgrid[:height, :width] / max(size)
    colors = np.stack([rows, columns, (rows - columns) ** 2, 0.3 + rows / 2], -1)
    pixels = (255 * colors).astype(np.uint8)
    match mode:
        case "1":
            return Image.fromarray(pixels[..., 0]).convert("1")
        case "P":
            return Image.fromarray(pixels[..., :3]).convert("P", palette=Image.Palette.ADAPTIVE)
        case "L":
            return Image.fromarray(pixels[..., 0])
        case "LA":
            return Image.fromarray(pixels[..., [0, 3]])
        case "RGBA":
            return Image.fromarray(pixels)
        case "CMYK":
            return Image.frombytes("CMYK", size, pixels.tobytes())
        case "I;16" | "I;16B":
            order = ">u2" if mode.endswith("B") else "<u2"
            return Image.frombytes(mode, size, (65535 * colors[..., 0]).astype(order).tobytes())
    return Image.fromarray(pixels[..., :3]).convert(mode)


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags.tobytes()


def in_upright_8_bits(image: Image.Image, channels: int) -> Array:
    """Pillow's own reading."""
    turned = ImageOps.exif_transpose(image)
    return np.asarray(turned.convert("RGB" if channels == 3 else "L")).reshape(turned.height, turned.width, channels)


KINDS = [
    ("JPEG", "jpg", "L", {}),
    ("JPEG", "jpg", "RGB", {}),
    ("JPEG", "jpg", "RGB", {"progressive": True}),
    ("JPEG", "jpg", "CMYK", {}),
    ("MPO", "jpg", "RGB", {"save_all": True, "append_images": [scene("RGB", (24, 16))]}),
    ("MPO", "mpo", "RGB", {"save_all": True, "append_images": [scene("RGB", (24, 16))]}),
    ("PNG", "png", "1", {}),
    ("PNG", "png", "L", {}),
    ("PNG", "png", "LA", {}),
    ("PNG", "png", "P", {}),
    ("PNG", "png", "P", {"transparency": 3}),
    ("PNG", "png", "P", {"transparency": bytes(range(0, 250, 2))}),
    ("PNG", "png", "RGB", {}),
    ("PNG", "png", "RGB", {"transparency": (0, 0, 0)}),
    ("PNG", "png", "RGBA", {}),
    ("TIFF", "tif", "1", {}),
    ("TIFF", "tif", "L", {}),
    ("TIFF", "tif", "RGB", {}),
    ("TIFF", "tif", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "tif", "RGBA", {}),
    ("TIFF", "tif", "CMYK", {}),
    ("TIFF", "tif", "YCbCr", {}),
    ("WEBP", "webp", "RGB", {}),
    ("WEBP", "webp", "RGBA", {"lossless": True}),
    pytest.param("AVIF", "avif", "RGB", {}, marks=needs_avif),
    pytest.param("AVIF", "avif", "RGBA", {}, marks=needs_avif),
]
"""Formats that hold an EXIF orientation: the format, a file's ending, the mode and how it is written."""

PLAIN_KINDS = [
    ("BMP", "bmp", "1", {}),
    ("BMP", "bmp", "L", {}),
    ("BMP", "bmp", "P", {}),
    ("BMP", "bmp", "RGB", {}),
    ("BMP", "bmp", "RGBA", {}),
    ("DIB", "dib", "RGB", {}),
    ("GIF", "gif", "L", {}),
    ("GIF", "gif", "P", {"transparency": 2}),
    pytest.param("JPEG2000", "jp2", "L", {}, marks=needs_jpeg_2000),
    pytest.param("JPEG2000", "jp2", "LA", {}, marks=needs_jpeg_2000),
    pytest.param("JPEG2000", "jp2", "RGB", {"irreversible": True}, marks=needs_jpeg_2000),
    pytest.param("JPEG2000", "j2k", "RGBA", {}, marks=needs_jpeg_2000),
]
"""Those that hold none."""


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (37, 23), (16, 64)])
@pytest.mark.parametrize(("form", "ending", "mode", "options"), [*KINDS, *PLAIN_KINDS])
def test_each_kind_is_read_as_pillow_reads_it(
    tmp_path: Path, form: str, ending: str, mode: str, options: dict[str, Any], size: tuple[int, int], channels: int
) -> None:
    path = tmp_path / f"a.{ending}"
    scene(mode, size).save(path, form, **options)
    with Image.open(path) as image:
        expected = in_upright_8_bits(image, channels)
    picture = read_picture(path, channels)
    assert picture.white == 255
    np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "ending", "mode", "options"), KINDS)
def test_photographs_are_turned_upright(
    tmp_path: Path, form: str, ending: str, mode: str, options: dict[str, Any], orientation: int
) -> None:
    path = tmp_path / f"a.{ending}"
    scene(mode, (37, 23)).save(path, form, exif=exif(orientation), **options)
    content = path.read_bytes()  # Pillow 13 maps plain TIFF files into memory by the sides of the turned image
    with Image.open(io.BytesIO(content)) as image:
        expected = in_upright_8_bits(image, 3)
    assert expected.shape[:2] == ((37, 23) if orientation > 4 else (23, 37))
    np.testing.assert_array_equal(read_picture(path, 3).pixels, expected)
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(picture_of(image, 3).pixels, expected)
    np.testing.assert_array_equal(read_image(content, facts()).pixels, expected)


def test_an_orientation_in_xmp_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="8"/></x:xmpmeta>'
    scene("RGB", (37, 23)).save(path, xmp=xmp.encode())
    with Image.open(path) as image:
        expected = in_upright_8_bits(image, 3)
    assert expected.shape == (37, 23, 3)
    np.testing.assert_array_equal(read_picture(path, 3).pixels, expected)


def test_an_orientation_that_a_program_sets() -> None:
    image = scene("RGB", (37, 23))
    image.getexif()[ORIENTATION] = 6
    np.testing.assert_array_equal(picture_of(image, 3).pixels, in_upright_8_bits(image, 3))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_the_switch_leaves_them_as_they_are_stored(tmp_path: Path, ending: str, orientation: int) -> None:
    path = tmp_path / f"a.{ending}"
    scene("RGB", (37, 23)).save(path, exif=exif(orientation))
    with Image.open(path) as image:
        stored = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(picture_of(image, 3, exif_orientation=False).pixels, stored)
    np.testing.assert_array_equal(read_picture(path, 3, exif_orientation=False).pixels, stored)
    for given in (path, str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(read_image(given, facts(exif_orientation=False)).pixels, stored)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bits_in_either_order_of_bytes(tmp_path: Path, mode: str, orientation: int) -> None:
    path = tmp_path / "a.tif"
    image = scene(mode, (37, 23))
    values = np.asarray(image).astype(int)
    image.save(path, exif=exif(orientation))
    picture = read_picture(path, 1)
    assert picture.white == 65535
    np.testing.assert_array_equal(picture.pixels[..., 0], np.rot90(values, -1) if orientation == 6 else values)


@pytest.mark.parametrize("name", ["gif", "png", "webp", pytest.param("avif", marks=needs_avif)])
def test_of_an_animation_the_first_frame_is_taken_and_said(tmp_path: Path, name: str) -> None:
    frames = [scene("RGB", (37, 23)), scene("RGB", (37, 23)).transpose(Image.Transpose.ROTATE_180)]
    path = tmp_path / f"a.{name}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    with Image.open(path) as image:
        first = np.asarray(image.convert("RGB"))
    with pytest.warns(WhylightWarning, match=rf"a\.{name}: an animation: the first is taken"):
        picture = read_picture(path, 3)
    np.testing.assert_array_equal(picture.pixels, first)
    assert np.abs(picture.pixels.astype(int) - np.asarray(frames[0])).mean() < 10  # and not the second


def test_of_several_pages_the_first_is_taken_and_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    scene("RGB", (37, 23)).save(path, save_all=True, append_images=[scene("L", (8, 9))])
    with pytest.warns(WhylightWarning, match=r"a\.tif: several pages: the first is taken"):
        np.testing.assert_array_equal(read_picture(path, 3).pixels, np.asarray(scene("RGB", (37, 23))))


def test_a_phones_second_view_is_no_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    scene("RGB", (37, 23)).save(path, "MPO", save_all=True, append_images=[scene("RGB", (24, 16))])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(path, 3).pixels.shape == (23, 37, 3)


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_damaged_metadata_cost_a_warning_not_the_picture(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    scene("RGB", (37, 23)).save(path, exif=b"Exif\0\0nonsense that is no TIFF header")
    with pytest.warns(WhylightWarning, match=r"its EXIF data cannot be read"):
        assert read_picture(path, 3).pixels.shape == (23, 37, 3)


@pytest.mark.parametrize("ending", ["jpg", "png", "", "txt"])
@pytest.mark.parametrize("form", ["WEBP", "JPEG", "TIFF", "GIF", pytest.param("JPEG2000", marks=needs_jpeg_2000)])
def test_the_content_tells_the_format_whatever_the_ending_says(tmp_path: Path, form: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    scene("RGB", (37, 23)).save(path, form)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_picture(path, 3).pixels, in_upright_8_bits(image, 3))


# ---- HEIC


@pytest.mark.skipif(find_spec("pi_heif") is None, reason="nothing reads HEIC")
@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "a.jpg"])
def test_heic(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HEIC.read_bytes())
    pixels = read_picture(path, 3).pixels
    assert pixels.shape == (64, 48, 3)
    corners = pixels[[8, 8, -8, -8], [8, -8, 8, -8]]
    expected = [(40, 40, 200), (200, 40, 40), (128, 128, 128), (40, 200, 40)]  # quarters turned clockwise
    np.testing.assert_allclose(corners, expected, atol=12)


def test_heic_without_a_package_that_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:

    monkeypatch.setattr("whylight.images.heif.find_spec", lambda _: None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC.read_bytes())
    with pytest.raises(WhylightError, match=r"a\.heic: a HEIC image: .*pip install 'whylight\[heic\]'") as caught:
        read_picture(path, 3)
    assert "\n" not in str(caught.value)


def facts(exif_orientation: bool = True) -> InputFacts:
    return InputFacts("x", 3, (8, 8), "CHW", 1.0, exif_orientation=exif_orientation)


@pytest.mark.skipif(find_spec("pi_heif") is None, reason="nothing reads HEIC")
def test_heic_items_of_a_kind_that_is_no_text(tmp_path: Path) -> None:
    """Read, it ends the process: it is refused before."""
    whole = HEIC.read_bytes()
    place = whole.index(b"Exif", whole.index(b"infe"))
    (tmp_path / "a.heic").write_bytes(whole[: place + 2] + b"\xff\xff" + whole[place + 4 :])
    with pytest.raises(WhylightError, match=r"a\.heic: not an image, or damaged: an item's kind is no UTF-8 text"):
        read_picture(tmp_path / "a.heic", 3)
