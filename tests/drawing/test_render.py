"""Colors and overlays, against the Console plugins' stored pictures and their formula."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samples import DATA
from whylight.drawing import render
from whylight.drawing.colormaps import COLORMAPS
from whylight.drawing.render import colorize, overlay, overlays
from whylight.errors import WhylightError
from whylight.files.bands import pixels_of

REFERENCES = sorted((DATA / "reference").glob("*.npz"))


def jet(value: Any) -> Any:
    """The plugins' color of one value, branch by branch."""
    if value < 1 / 8:
        return 0, 0, 4 * (value + 1 / 8)
    if value < 3 / 8:
        return 0, 4 * (value - 1 / 8), 1
    if value < 5 / 8:
        return 4 * (value - 3 / 8), 1, 1 - 4 * (value - 3 / 8)
    if value < 7 / 8:
        return 1, 1 - 4 * (value - 5 / 8), 0
    return 1 - 4 * (value - 7 / 8), 0, 0


def test_jet_is_the_plugins_formula() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    expected: Any = 255 * np.array([jet(v) for v in values])
    np.testing.assert_allclose(colorize(values), expected, atol=1e-3)


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_every_color_map_goes_from_its_first_color_to_its_last(colormap: str) -> None:
    colors = colorize(np.linspace(0, 1, 256, dtype=np.float32), colormap)
    assert colors.shape == (256, 3)
    assert colors.min() >= 0
    assert colors.max() <= 255
    assert np.abs(np.diff(colors, axis=0)).max() < 10, "neighboring values have neighboring colors"


PUBLISHED = {
    "viridis": ["440154", "482475", "355f8d", "21918c", "5ec962", "dfe318", "fde725"],
    "magma": ["000004", "140e36", "641a80", "b73779", "fc8961", "fde7a9", "fcfdbf"],
    "inferno": ["000004", "160b39", "6a176e", "bc3754", "f98e09", "f1ef75", "fcffa4"],
    "cividis": ["00224e", "083370", "4f576c", "7d7c78", "bcae6c", "f3db42", "fee838"],
    "turbo": ["30123b", "4559cb", "19d5cd", "a4fc3c", "fb7e21", "a11201", "7a0403"],
}
"""Colors of matplotlib's maps at these places of 255."""
PLACES = np.array([0, 25, 76, 128, 192, 243, 255], np.float32)


@pytest.mark.parametrize("colormap", PUBLISHED)
def test_color_maps_are_the_published_ones_between_their_ends_too(colormap: str) -> None:
    expected = np.array([list(bytes.fromhex(color)) for color in PUBLISHED[colormap]])
    np.testing.assert_allclose(colorize(PLACES / np.float32(255), colormap), expected, atol=1)


def test_gray_is_the_value_itself() -> None:
    assert colorize(np.array([0, 0.5, 1], np.float32), "gray").tolist() == [[0] * 3, [127.5] * 3, [255] * 3]


@pytest.mark.parametrize("path", REFERENCES, ids=lambda path: path.stem)
def test_overlays_equal_the_plugins_pictures(path: Path) -> None:
    with np.load(path) as reference:
        image = np.broadcast_to(np.round(reference["input"][0] * 255).astype(np.uint8), reference["overlay"].shape)
        picture = overlay(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))), reference["cam_nnc"])
    expected = np.asarray(Image.open(path.with_suffix(".png")).convert("RGB"), int)
    assert np.abs(np.asarray(picture, int) - expected).max() <= 1


def test_alpha_goes_from_image_to_colors() -> None:
    image = Image.new("RGB", (4, 4), (10, 20, 30))
    cam = np.full((2, 2), 0.5, np.float32)
    assert np.asarray(overlay(image, cam, alpha=0)).reshape(-1, 3).tolist() == [[10, 20, 30]] * 16
    covered = np.asarray(overlay(image, cam, alpha=1), int)
    assert np.abs(covered - np.array([127, 255, 127])).max() <= 1


def test_the_map_lies_where_the_crop_was() -> None:
    image = Image.new("RGB", (8, 8), (100, 100, 100))
    picture = np.asarray(overlay(image, np.ones((2, 2), np.float32), crop=(0.25, 0.5, 0.75, 1.0)))
    inside = np.zeros((8, 8), bool)
    inside[2:6, 4:8] = True
    assert (picture[inside] == [113, 50, 50]).all(), "half of jet's dark red, half of the image"
    assert (picture[~inside] == 50).all(), "dimmed where the network did not look"


@pytest.mark.parametrize(("alpha", "colormap"), [(1.5, "jet"), (-0.1, "jet"), (float("nan"), "jet"), (0.5, "rainbow")])
def test_what_is_wrong_is_said(alpha: float, colormap: str) -> None:
    with pytest.raises(WhylightError, match="expected"):
        overlay(Image.new("RGB", (2, 2)), np.zeros((2, 2), np.float32), alpha=alpha, colormap=colormap)


def in_full(image: Any, cam: Any, alpha: float, colormap: str) -> Any:
    """The overlay, with nothing looked up in a table and Pillow's own resize."""
    size = image.shape[1::-1]
    planes = colorize(cam, colormap).transpose(2, 0, 1)
    heat = [np.asarray(Image.fromarray(plane.copy()).resize(size, Image.Resampling.BILINEAR)) for plane in planes]
    return (alpha * np.stack(heat, -1) + (1 - alpha) * image).astype(np.uint8).astype(int)


@pytest.mark.parametrize("colormap", COLORMAPS)
@pytest.mark.parametrize("shape", [(7, 7), (5, 12), (56, 40), (1, 1)])
def test_a_batch_of_all_sizes_is_the_formula_in_full(shape: tuple[int, int], colormap: str) -> None:
    random = np.random.default_rng(5)
    sizes = [(28, 28)] * 40 + [(1, 1), (300, 170), (6, 9), (300, 170), (2, 500)] + [(28, 28), (6, 9)]
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    cams = random.random((len(images), *shape), np.float32)
    copies = [image.copy() for image in images]
    drawn = map(pixels_of, overlays(images, cams, alpha=0.75, colormap=colormap))
    for image, cam, picture in zip(images, cams, drawn, strict=True):
        assert (picture.shape, picture.dtype.name) == (image.shape, "uint8")
        assert np.abs(picture - in_full(image, cam, 0.75, colormap)).max() <= 1
    for image, copy in zip(images, copies, strict=True):
        np.testing.assert_array_equal(image, copy)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("size", [(1301, 403), (300, 2001), (2, 150_000), (150_000, 2)])
def test_large_images_are_the_formula_in_full(size: tuple[int, int], alpha: float) -> None:
    random = np.random.default_rng(6)
    image = random.integers(0, 256, (*size, 3), np.uint8)
    for shape in ((1, 1), (2, 3), (7, 7), (80, 56)):
        cam = random.random(shape, np.float32)
        picture = overlay(Image.fromarray(image), cam, alpha=alpha, colormap="inferno")
        assert np.abs(np.asarray(picture, int) - in_full(image, cam, alpha, "inferno")).max() <= 1


def test_the_map_of_a_large_image_lies_where_the_crop_was() -> None:
    image = np.full((1000, 800, 3), 100, np.uint8)
    cam = np.random.default_rng(7).random((2, 2), np.float32)
    picture = np.asarray(overlay(Image.fromarray(image), cam, crop=(0.25, 0.5, 0.75, 1.0)), int)
    expected = np.full(image.shape, 50)
    expected[250:750, 400:] = in_full(image[250:750, 400:], cam, 0.5, "jet")
    assert np.abs(picture - expected).max() <= 1


@pytest.mark.parametrize("cells", [1, 7, 56, 112])
@pytest.mark.parametrize(("size", "columns"), [(28, 84), (224, 672), (720, 3240), (4000, 18000)])
def test_products_stay_in_one_thread(cells: int, size: int, columns: int) -> None:
    openblas_threads_from = 1 << 19
    bands = render._bands(cells, size, columns, 0, 1)
    assert [row for rows, _, _ in bands for row in range(size)[rows]] == list(range(size))
    assert max(weights.size * columns for _, _, weights in bands) < openblas_threads_from


def test_a_batch_of_nothing() -> None:
    assert list(overlays([], np.empty((0, 7, 7), np.float32))) == []
