"""Pictures, compared with arrays that were never pictures and formulas written out here."""

import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samples import SHARED, needs_shared
from whylight.errors import WhylightError
from whylight.files.bands import image_of
from whylight.images.pictures import Picture, display, model_input, model_inputs, picture_of, read_picture

Array = np.ndarray[Any, Any]

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (6, 5), np.uint8)
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (6, 5, 1), np.uint8)
GRAY_16 = RNG.integers(0, 65536, (6, 5), np.uint16)


def luma(rgb: Array) -> Array:
    """ITU-R BT.601."""
    return np.asarray(0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2])


def triangle(size: int, new: int) -> Array:
    """The matrix of an antialiased bilinear filter: tents as wide as the scale, at the centers of the new pixels."""
    scale = max(size / new, 1)
    distance = np.arange(size) + 0.5 - (np.arange(new)[:, np.newaxis] + 0.5) * size / new
    weights = np.clip(1 - np.abs(distance) / scale, 0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def bytes_of(picture: Picture) -> Array:
    assert picture.white == 255
    assert picture.pixels.dtype == np.uint8
    return picture.pixels.astype(int)


# ---- what the models of the samples saw


def reference_image(name: str) -> Path:
    sample, number = name.rsplit("_", 2)[:2]
    if sample == "lite0":
        return SHARED / f"samples/imagenet/images/{number}.png"
    if sample in ("mnist", "four_or_nine"):
        return SHARED / f"samples/{sample}/images/{number}.png"
    return SHARED / "samples/imagenet/images/chelsea.png"


REFERENCES = sorted((SHARED / "reference").glob("*.npz"))


@needs_shared
@pytest.mark.parametrize("reference", REFERENCES, ids=lambda path: path.stem)
def test_models_see_what_the_console_shows_them(reference: Path) -> None:
    with np.load(reference) as arrays:
        expected = arrays["input"][0]
    channels, height, width = expected.shape
    picture = read_picture(reference_image(reference.stem), channels)
    np.testing.assert_allclose(model_input(picture, (height, width), 1), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model_input(picture, (height, width), 255), expected * 255, rtol=0, atol=1e-4)


# ---- channels


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.TIFF", "a.gif"])
def test_gray_files_as_gray_and_as_rgb(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, Image.fromarray(GRAY))
    np.testing.assert_array_equal(bytes_of(read_picture(path, 1)), GRAY[..., np.newaxis])
    np.testing.assert_array_equal(bytes_of(read_picture(path, 3)), np.stack([GRAY] * 3, -1))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_color_files_as_rgb_and_as_gray(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, Image.fromarray(RGB))
    np.testing.assert_array_equal(bytes_of(read_picture(path, 3)), RGB)
    np.testing.assert_allclose(bytes_of(read_picture(path, 1))[..., 0], luma(RGB), atol=0.51)


@pytest.mark.parametrize("name", ["a.jpg", "a.jpeg"])
def test_jpeg(tmp_path: Path, name: str) -> None:
    flat = np.full((16, 16, 3), [200, 100, 50], np.uint8)
    path = saved(tmp_path / name, Image.fromarray(flat), quality=95)
    np.testing.assert_allclose(bytes_of(read_picture(path, 3)), flat, atol=3)
    np.testing.assert_allclose(bytes_of(read_picture(path, 1))[..., 0], luma(flat), atol=3)


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    color = saved(tmp_path / "color.png", Image.fromarray(np.concatenate([RGB, ALPHA], -1)))
    gray = saved(tmp_path / "gray.png", Image.fromarray(np.concatenate([GRAY[..., np.newaxis], ALPHA], -1)))
    np.testing.assert_array_equal(bytes_of(read_picture(color, 3)), RGB)
    np.testing.assert_allclose(bytes_of(read_picture(color, 1))[..., 0], luma(RGB), atol=0.51)
    np.testing.assert_array_equal(bytes_of(read_picture(gray, 1))[..., 0], GRAY)
    np.testing.assert_array_equal(bytes_of(read_picture(gray, 3)), np.stack([GRAY] * 3, -1))


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_palettes_are_resolved(tmp_path: Path, name: str, transparency: int | bytes | None) -> None:
    colors = np.array([[255, 0, 0], [10, 200, 30], [0, 0, 250]], np.uint8)
    indices = RNG.integers(0, 3, (6, 5), np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(colors.tobytes())
    if isinstance(transparency, bytes) and name == "a.gif":
        pytest.skip("a GIF has one transparent color")
    options = {} if transparency is None else {"transparency": transparency}
    path = saved(tmp_path / name, image, **options)
    np.testing.assert_array_equal(bytes_of(read_picture(path, 3)), colors[indices])
    np.testing.assert_allclose(bytes_of(read_picture(path, 1))[..., 0], luma(colors[indices]), atol=0.51)


def test_one_bit_and_cmyk(tmp_path: Path) -> None:
    bits = RNG.integers(0, 2, (6, 5)).astype(bool)
    path = saved(tmp_path / "bits.png", Image.fromarray(bits))
    np.testing.assert_array_equal(bytes_of(read_picture(path, 1))[..., 0], bits * 255)
    ink = RNG.integers(0, 256, (6, 5, 4), np.uint8)
    path = saved(tmp_path / "ink.tif", Image.fromarray(ink, "CMYK"))
    expected = 255 * (1 - ink[..., :3] / 255) * (1 - ink[..., 3:] / 255)
    np.testing.assert_allclose(bytes_of(read_picture(path, 3)), expected, atol=1.5)
    np.testing.assert_allclose(bytes_of(read_picture(path, 1))[..., 0], luma(expected), atol=2)


def test_lab_becomes_gray_too() -> None:
    assert bytes_of(picture_of(Image.new("LAB", (5, 6), (255, 128, 128)), 1)).min() > 250


# ---- 16 bits


def gray_16_png(path: Path, values: Array) -> Path:
    """A 16-bit gray PNG, byte by byte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def gray_16_files(folder: Path) -> list[Path]:
    big_endian = Image.frombytes("I;16B", (5, 6), GRAY_16.astype(">u2").tobytes())
    white_is_zero = Image.fromarray(65535 - GRAY_16)
    return [
        gray_16_png(folder / "a.png", GRAY_16),
        saved(folder / "a.tif", Image.fromarray(GRAY_16)),
        saved(folder / "b.tif", big_endian),
        saved(folder / "c.tif", white_is_zero, tiffinfo={262: 0}),
    ]


def test_16_bits_are_kept(tmp_path: Path) -> None:
    for path in gray_16_files(tmp_path):
        for channels in (1, 3):
            picture = read_picture(path, channels)
            expected = np.stack([GRAY_16] * channels)
            assert (picture.white, picture.pixels.dtype.name) == (65535, "uint16"), path
            np.testing.assert_array_equal(picture.pixels.transpose(2, 0, 1), expected, err_msg=str(path))
            np.testing.assert_allclose(model_input(picture, (6, 5), 1), expected / 65535, rtol=1e-6)
            np.testing.assert_allclose(model_input(picture, (6, 5), 255), expected / 257, rtol=1e-6)


def test_16_bits_held_in_32_as_older_pillow_does() -> None:
    picture = picture_of(Image.fromarray(GRAY_16.astype(np.int32)), 1)
    np.testing.assert_array_equal(picture.pixels[..., 0], GRAY_16)
    with pytest.raises(WhylightError, match=r"values from -1 to 70000: expected 8 or 16 bits"):
        picture_of(Image.fromarray(np.array([[-1, 70000]], np.int32)), 1)


# ---- sizes


def test_resizing_16_bits_keeps_them() -> None:
    values = 25600 + RNG.integers(0, 256, (12, 9), np.uint16)
    expected = triangle(12, 5) @ values @ triangle(9, 4).T
    resized = model_input(picture_of(values, 1), (5, 4), 65535)
    np.testing.assert_allclose(resized[0], expected, rtol=1e-6)
    assert np.unique(resized).size > 10


def test_resizing_8_bits_rounds_to_8_bits() -> None:
    for pixels in (RGB, GRAY):
        picture = picture_of(pixels, 3 if pixels.ndim == 3 else 1)
        for height, width in ((3, 2), (13, 4), (6, 11)):
            planes = np.moveaxis(picture.pixels, -1, 0)
            expected = triangle(6, height) @ planes @ triangle(5, width).T
            resized = model_input(picture, (height, width), 255)
            np.testing.assert_array_equal(resized, resized.round())
            np.testing.assert_allclose(resized, expected, atol=1.01)


def test_an_image_that_fits_is_not_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Image.Image, "resize")
    image = model_input(picture_of(RGB, 3), (6, 5), 1)
    assert (image.shape, image.dtype.name, image.flags.c_contiguous) == ((3, 6, 5), "float32", True)
    np.testing.assert_allclose(image, RGB.transpose(2, 0, 1) / 255, rtol=1e-6)


def test_pictures_of_all_kinds_in_one_batch() -> None:
    unit = RNG.random((6, 5, 3)).astype(np.float32)
    pictures = [
        picture_of(RGB, 3),
        picture_of(GRAY_16, 3),
        picture_of(unit, 3),
        Picture(unit * 7, None, "the model's own"),
        picture_of(RGB.repeat(3, 0).repeat(3, 1), 3),
    ]
    inputs = model_inputs(pictures, (6, 5), 2)
    assert (inputs.shape, inputs.dtype.name, inputs.flags.c_contiguous) == ((5, 3, 6, 5), "float32", True)
    expected: list[Array] = [RGB / 127.5, np.stack([GRAY_16] * 3, -1) / 32767.5, unit * 2, unit * 7]
    for image, values in zip(inputs, expected, strict=False):
        np.testing.assert_allclose(image, values.transpose(2, 0, 1), rtol=1e-6)
    small = Image.fromarray(pictures[4].pixels).resize((5, 6), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(inputs[4], np.asarray(small).transpose(2, 0, 1) / 127.5, rtol=1e-6)


# ---- arrays and values


def test_arrays_in_every_layout() -> None:
    first = RGB.transpose(2, 0, 1)
    for array in (RGB, first, np.concatenate([RGB, ALPHA], -1)):
        np.testing.assert_array_equal(bytes_of(picture_of(array, 3)), RGB)
        np.testing.assert_allclose(bytes_of(picture_of(array, 1))[..., 0], luma(RGB), atol=0.51)
    for array in (GRAY, GRAY[..., np.newaxis], GRAY[np.newaxis], np.stack([GRAY, ALPHA[..., 0]], -1)):
        np.testing.assert_array_equal(bytes_of(picture_of(array, 1))[..., 0], GRAY)
        np.testing.assert_array_equal(bytes_of(picture_of(array, 3)), np.stack([GRAY] * 3, -1))
    deep = RNG.integers(0, 65536, (6, 5, 4), np.uint16)
    np.testing.assert_array_equal(picture_of(deep, 3).pixels, deep[..., :3])
    np.testing.assert_allclose(picture_of(deep, 1).pixels[..., 0], luma(deep), atol=0.51)


def test_channels_come_first_where_both_could(tmp_path: Path) -> None:
    either = RNG.integers(0, 256, (3, 4, 3), np.uint8)
    np.save(tmp_path / "a.npy", either)
    for picture in (picture_of(either, 3), read_picture(tmp_path / "a.npy", 3)):
        np.testing.assert_array_equal(model_input(picture, (4, 3), 255), either)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_float_arrays_from_0_to_1(kind: type) -> None:
    values: Array = RNG.random((6, 5, 3)).astype(kind)
    picture = picture_of(values, 3)
    assert picture.white == 1
    np.testing.assert_allclose(model_input(picture, (6, 5), 255), values.transpose(2, 0, 1) * 255.0, rtol=1e-3)


def test_a_picture_is_no_view_of_the_array() -> None:
    array = GRAY_16.copy()
    picture = picture_of(array, 1)
    array[:] = 0
    np.testing.assert_array_equal(picture.pixels[..., 0], GRAY_16)


def test_a_float_tiff_is_from_0_to_1(tmp_path: Path) -> None:
    values = RNG.random((6, 5)).astype(np.float32)
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    np.testing.assert_array_equal(model_input(read_picture(path, 1), (6, 5), 1)[0], values)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4), bool), "values of type bool"),
        (np.zeros((4, 4), np.int64), "values of type int64: expected uint8, uint16, or float from 0 to 1"),
        (np.full((4, 4), 2.5), "values from 2.5 to 2.5: expected float values from 0 to 1"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.zeros((2, 3, 4, 5), np.uint8), r"shape \(2, 3, 4, 5\), but the model has 3 channels"),
        (np.zeros((5, 6, 7), np.uint8), r"expected \(3, H, W\) or \(H, W, 3\)"),
        (np.zeros((0, 5, 3), np.uint8), "0 pixels: it is empty"),
    ],
)
def test_arrays_that_are_no_pictures(array: Array, message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        picture_of(array, 3)


def test_bytes_in_npy_files_are_pixels(tmp_path: Path) -> None:
    """As in Python: the same picture as that of the array, and of a PNG with the same pixels."""
    values = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    np.save(tmp_path / "a.npy", values)
    Image.fromarray(values).save(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.npy", 3)
    for other in (picture_of(values, 3), read_picture(tmp_path / "a.png", 3)):
        assert found.white == other.white == 255
        np.testing.assert_array_equal(found.pixels, other.pixels)


def test_npy_values_are_the_models_own(tmp_path: Path) -> None:
    values = RNG.normal(0, 50, (3, 6, 5))
    path = tmp_path / "a.npy"
    for stored in (values, values.transpose(1, 2, 0), np.asfortranarray(values)):
        np.save(path, stored)
        picture = read_picture(path, 3)
        assert picture.white is None
        np.testing.assert_allclose(model_input(picture, (6, 5), 1), values, rtol=1e-6)
        np.testing.assert_array_equal(model_input(picture, (6, 5), 255), model_input(picture, (6, 5), 1))
    resized = model_input(read_picture(path, 3), (3, 4), 1)
    np.testing.assert_allclose(resized, triangle(6, 3) @ values @ triangle(5, 4).T, rtol=1e-4, atol=1e-4)
    np.save(path, GRAY.astype(np.int64))
    np.testing.assert_array_equal(model_input(read_picture(path, 1), (6, 5), 1)[0], GRAY)


def test_other_channel_counts_come_from_npy(tmp_path: Path) -> None:
    values = RNG.random((5, 4, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    picture = read_picture(tmp_path / "a.npy", 5)
    np.testing.assert_array_equal(model_input(picture, (4, 4), 1), values)
    assert model_input(picture, (2, 3), 1).shape == (5, 2, 3)
    assert model_input(picture_of(RNG.integers(0, 256, (6, 7, 5), np.uint8), 5), (3, 3), 255).shape == (5, 3, 3)
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    with pytest.raises(WhylightError, match=r"a\.png: an image of 3 channels, but the model has 5 channels: .*\.npy"):
        read_picture(path, 5)


def test_csv_matrices(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbf1, 2.5,"-3e1"\r\n\r\n4,5,6\r\n')
    picture = read_picture(path, 1)
    assert picture.white is None
    np.testing.assert_array_equal(model_input(picture, (2, 3), 255), [[[1, 2.5, -30], [4, 5, 6]]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"1,2\n3\n", "rows of different lengths"),
        (b"1,cat\n", "could not convert string to float: .*cat"),
        (b"", "is empty"),
        (b"\n", "shape"),
        (b"\xff\xfe1", "not UTF-8 text"),
        (b"1,nan\n", "NaN"),
    ],
)
def test_csv_files_that_are_no_matrix(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    with pytest.raises(WhylightError, match=f"a.csv:? .*{message}"):
        read_picture(path, 1)


def npy_with_header(path: Path, header: str, data: bytes = b"") -> Path:
    text = header.ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data)
    return path


def test_npy_files_that_are_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"

    def message_of() -> str:
        with pytest.raises(WhylightError, match=r"a\.npy: ") as error:
            read_picture(path, 1)
        assert "\n" not in str(error.value)
        return str(error.value)

    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    assert "Python objects" in message_of()
    np.save(path, np.zeros((4, 4), complex))
    assert "complex128: expected real numbers" in message_of()
    np.save(path, np.full((4, 4), np.inf))
    assert "NaN or infinite" in message_of()
    np.save(path, np.zeros((3, 6, 5)))
    assert "shape (3, 6, 5), but the model has 1 channel: expected (1, H, W) or (H, W, 1) or (H, W)" in message_of()
    np.save(path, np.zeros((0, 5)))
    message_of()
    path.write_bytes(b"PK\x03\x04 not numpy's")
    message_of()
    npy_with_header(path, "{'descr': '<f4', 'fortran_order': False, 'shape': (900000000, 900000000), }")
    message_of()


# ---- DICOM


def dicom(path: Path, pixels: Array, **attributes: Any) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    dataset.PlanarConfiguration = 0
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.save_as(path, enforce_file_format=True)
    return path


STORED_12 = RNG.integers(0, 4096, (6, 4), np.uint16)
VALUES = STORED_12.astype(float)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, VALUES / 4095),
        ({"PhotometricInterpretation": "MONOCHROME1"}, 1 - VALUES / 4095),
        ({"RescaleSlope": 0.5, "RescaleIntercept": 100}, (VALUES * 0.5 + 100) / 4095),
        ({"RescaleSlope": 2, "RescaleIntercept": -1024}, np.clip((VALUES * 2.0 - 1024) / 4095, 0, 1)),
        ({"WindowCenter": 2000, "WindowWidth": 1001}, np.clip((VALUES - 1499.5) / 1000, 0, 1)),
        (
            {"WindowCenter": [40, 7], "WindowWidth": [401, 9], "RescaleIntercept": -1024},
            (VALUES - 1024 + 160.5) / 400,
        ),
    ],
)
def test_dicom_values(tmp_path: Path, attributes: dict[str, Any], expected: Array) -> None:
    path = dicom(tmp_path / "a.dcm", STORED_12, BitsStored=12, **attributes)
    picture = read_picture(path, 3)
    assert picture.pixels.shape == (6, 4, 3)
    for plane in model_input(picture, (6, 4), 1):
        np.testing.assert_allclose(plane, expected.clip(0, 1), atol=1e-6)


def test_dicom_signed_values_and_colors(tmp_path: Path) -> None:
    signed = RNG.integers(-1000, 3000, (6, 4), np.int16)
    picture = read_picture(dicom(tmp_path / "a.dcm", signed, WindowCenter=1000, WindowWidth=4001), 1)
    np.testing.assert_allclose(picture.pixels[..., 0], ((signed + 1000.5) / 4000).clip(0, 1), atol=1e-6)
    rgb = RNG.integers(0, 256, (6, 4, 3), np.uint8)
    path = dicom(tmp_path / "b.dcm", rgb)
    np.testing.assert_allclose(model_input(read_picture(path, 3), (6, 4), 255), rgb.transpose(2, 0, 1), atol=1e-4)
    np.testing.assert_allclose(model_input(read_picture(path, 1), (6, 4), 255)[0], luma(rgb), atol=1e-3)


def test_dicom_palettes(tmp_path: Path) -> None:
    indices = RNG.integers(0, 256, (6, 4), np.uint8)
    colors = RNG.integers(0, 65536, (3, 256), np.uint16)
    tables = {}
    for name, table in zip(("Red", "Green", "Blue"), colors, strict=True):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{name}PaletteColorLookupTableData"] = table.tobytes()
    path = dicom(tmp_path / "a.dcm", indices, PhotometricInterpretation="PALETTE COLOR", **tables)
    np.testing.assert_allclose(model_input(read_picture(path, 3), (6, 4), 1), colors[:, indices] / 65535, rtol=1e-6)


def test_broken_dicom_files(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", STORED_12)
    whole = path.read_bytes()
    for broken, message in (
        (whole[:-9], "less than expected"),
        (whole[:200], "without an image"),
        (b"no DICOM", "DICM"),
        (b"", "is empty"),
    ):
        path.write_bytes(broken)
        with pytest.raises(WhylightError, match=rf"a\.dcm:? .*{message}"):
            read_picture(path, 1)
    dicom(path, STORED_12, Rows=65535, Columns=65535)
    with pytest.raises(WhylightError, match=r"65535 x 65535 pixels would take"):
        read_picture(path, 1)


# ---- files that are no image


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for name in ("none.png", "none.npy", "none.csv", "none.dcm", "x" * 5000 + ".png"):
        with pytest.raises(WhylightError, match=r"no such file|cannot be read"):
            read_picture(tmp_path / name, 1)
    for name in ("a.png", "a.npy", "a.dcm"):
        (tmp_path / name).mkdir()
        with pytest.raises(WhylightError, match=f"{name}: is a folder"):
            read_picture(tmp_path / name, 1)
    with pytest.raises(WhylightError) as error:
        read_picture(tmp_path / "two\nlines.png", 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content", [b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(WhylightError, match=r"a\.png: not an image: expected AVIF, BMP, GIF"):
        read_picture(path, 3)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "a.tif", "b.png"])
def test_truncated_images(tmp_path: Path, name: str) -> None:
    noise = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(tmp_path / name, Image.fromarray(noise).convert("P" if name == "b.png" else "RGB"))
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(WhylightError, match=name) as error:
            read_picture(path, 3)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.bmp", "a.jpg", "a.tif"])
def test_corrupt_images_never_raise_anything_else(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(1)
    path = saved(tmp_path / name, Image.fromarray(RGB))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(20):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 4)] = random.integers(0, 256, 4)
        path.write_bytes(damaged.tobytes())
        with suppress(WhylightError):
            assert read_picture(path, 3).pixels.shape[-1] == 3


# ---- for people to look at


def test_display() -> None:
    def shown(picture: Picture, maximum: float = 1) -> Array:
        image = image_of(display(picture, maximum))
        assert image.mode == "RGB"
        return np.asarray(image).astype(float)

    np.testing.assert_array_equal(shown(picture_of(RGB, 3)), RGB)
    np.testing.assert_array_equal(shown(picture_of(GRAY, 1)), np.stack([GRAY] * 3, -1))
    np.testing.assert_allclose(shown(picture_of(GRAY_16, 1))[..., 1], GRAY_16 / 257, atol=0.51)
    own = np.array([[[-1.0], [0.25], [1e30]]], np.float32)
    np.testing.assert_array_equal(shown(Picture(own, None, ""))[0, :, 0], [0, 64, 255])
    np.testing.assert_array_equal(shown(Picture(own * 200, None, ""), 255)[0, :, 0], [0, 50, 255])
    many = np.stack([GRAY] * 4 + [255 - GRAY], -1)
    np.testing.assert_allclose(shown(picture_of(many, 5))[..., 2], many.mean(-1), atol=0.51)


def test_reading_images_and_datasets_needs_no_model_library() -> None:
    code = (
        "import sys, whylight.images.pictures, whylight.dataset.csv_table; "
        "sys.exit(str({'onnx', 'onnxruntime', 'torch', 'pydicom', 'h5py'} & set(sys.modules) or ''))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr.strip() == ""
    )
