"""What is random while training: its neutral setting here, with a warning where that changes anything."""

from typing import Any

import numpy as np
import pytest

from reading.nnp.functions.running import Array, converted
from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape
from whylight.reading.nnp.functions import convert_function

X = np.random.default_rng(0).standard_normal((4, 3, 8, 7)).astype(np.float32)
BATCH: Shape = ("N", 3, 8, 7)
ERASE = {"area_ratios": (0.02, 0.4), "aspect_ratios": (0.3, 3.3), "replacements": (0.0, 255.0), "n": 1, "base_axis": 1}
NEUTRAL: dict[str, Any] = {
    "shape": (3, 8, 7),
    "pad": (0, 0),
    "min_scale": 1.0,
    "max_scale": 1.0,
    "angle": 0.0,
    "aspect_ratio": 1.0,
    "distortion": 0.0,
    "flip_lr": False,
    "flip_ud": False,
    "brightness": 0.0,
    "brightness_each": True,
    "contrast": 1.0,
    "contrast_center": 0.5,
    "contrast_each": True,
    "noise": 0.0,
    "seed": 3,
}


def assert_computes(expected: Array, kind: str, x: Array = X, **arguments: Any) -> None:
    """For the batch ``x`` and for its first image."""
    run = converted(kind, [("N", *x.shape[1:])], **arguments)
    np.testing.assert_allclose(run(x)[0], expected, 1e-5, 1e-6)
    np.testing.assert_allclose(run(x[:1])[0], expected[:1], 1e-5, 1e-6)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Dropout", {"p": 0.5, "seed": -1}),
        ("RandomFlip", {"axes": (), "base_axis": 1, "seed": -1}),
        ("RandomShift", {"shifts": (0, 0), "border_mode": "nearest", "base_axis": 1}),
        ("RandomErase", {"prob": 0.0, **ERASE}),
        ("RandomCrop", {"shape": (8, 7), "base_axis": 1}),
        ("ImageAugmentation", NEUTRAL),
    ],
)
def test_neutral_setting_changes_nothing_and_warns_of_nothing(kind: str, arguments: dict[str, Any]) -> None:
    assert_computes(X, kind, **arguments)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("RandomFlip", {"axes": (3,), "base_axis": 1, "seed": -1}),
        ("RandomShift", {"shifts": (0, 2), "border_mode": "reflect", "base_axis": 1}),
        ("RandomErase", {"prob": 0.5, **ERASE}),
        ("ImageAugmentation", NEUTRAL | {"pad": (2, 2)}),
        ("ImageAugmentation", NEUTRAL | {"min_scale": 0.8, "max_scale": 1.25}),
        ("ImageAugmentation", NEUTRAL | {"angle": 0.1}),
        ("ImageAugmentation", NEUTRAL | {"aspect_ratio": 1.3}),
        ("ImageAugmentation", NEUTRAL | {"distortion": 0.1}),
        ("ImageAugmentation", NEUTRAL | {"flip_lr": True}),
        ("ImageAugmentation", NEUTRAL | {"flip_ud": True}),
        ("ImageAugmentation", NEUTRAL | {"brightness": 0.1}),
        ("ImageAugmentation", NEUTRAL | {"contrast": 1.1}),
        ("ImageAugmentation", NEUTRAL | {"noise": 0.1}),
    ],
)
def test_random_change_is_left_out_with_a_warning(kind: str, arguments: dict[str, Any]) -> None:
    with pytest.warns(WhylightWarning, match=f"^{kind} .*left out") as record:
        assert_computes(X, kind, **arguments)
    assert "\n" not in str(record[0].message)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 4), X[:, :, 1:6, 1:5]),
        ((3, 5, 4), X[:, :, 1:6, 1:5]),
        ((2, 8, 2), X[:, :2, :, 2:4]),
        ((-1, 3, 1, 7), X[:, :, 3:4]),
        ((64, 3, 8, 6), X[:, :, :, :6]),
    ],
)
def test_random_crop_takes_the_centre(shape: tuple[int, ...], expected: Array) -> None:
    with pytest.warns(WhylightWarning, match="RandomCrop to shape .* takes the centre"):
        assert_computes(expected, "RandomCrop", shape=shape, base_axis=1)


def test_image_augmentation_to_a_smaller_shape_takes_the_centre_with_one_slice() -> None:
    with pytest.warns(WhylightWarning, match="ImageAugmentation is left out: it takes the centre"):
        assert_computes(X[:, :, 1:7, 1:5], "ImageAugmentation", **NEUTRAL | {"shape": (3, 6, 4), "angle": 0.2})
    op = GraphBuilder()
    with pytest.warns(WhylightWarning):
        convert_function(op, "ImageAugmentation", [op.input("x", BATCH)], NEUTRAL | {"shape": (6, 4)})
    assert [node.op_type for node in op.nodes] == ["Slice"]


def test_image_augmentation_to_a_larger_shape_goes_on_with_the_edges() -> None:
    expected = np.pad(X, ((0, 0), (0, 0), (2, 2), (1, 1)), "edge")
    assert_computes(expected, "ImageAugmentation", **NEUTRAL | {"shape": (3, 12, 9), "pad": (2, 1)})
    with pytest.warns(WhylightWarning):
        assert_computes(expected, "ImageAugmentation", **NEUTRAL | {"shape": (12, 9)})


def resampled(image: Array, height: int, width: int, scale: float) -> Array:
    """One channel, each pixel of the output looked up in the input between its four neighbours."""
    result = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        y = np.clip((row + 0.5 - height / 2) / scale + (image.shape[0] - 1 / scale) / 2, 0, image.shape[0] - 1)
        x = np.clip((column + 0.5 - width / 2) / scale + (image.shape[1] - 1 / scale) / 2, 0, image.shape[1] - 1)
        top, left = min(int(y), image.shape[0] - 2), min(int(x), image.shape[1] - 2)
        below, right = y - top, x - left
        upper = image[top, left] * (1 - right) + image[top, left + 1] * right
        lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
        result[row, column] = upper * (1 - below) + lower * below
    return result


def test_image_augmentation_with_one_scale_resizes_every_image() -> None:
    x = X[..., :6]
    expected = np.array([[resampled(channel, 4, 3, 0.5) for channel in image] for image in x])
    fixed = NEUTRAL | {"min_scale": 0.5, "max_scale": 0.5, "shape": (3, 4, 3)}
    assert_computes(expected, "ImageAugmentation", x, **fixed)


def test_image_augmentation_takes_the_scale_nearest_to_one() -> None:
    expected = np.array([[resampled(channel, 9, 5, 1.5) for channel in image] for image in X])
    arguments = NEUTRAL | {"min_scale": 1.5, "max_scale": 2.0, "shape": (3, 9, 5)}
    with pytest.warns(WhylightWarning, match=r"at scale 1\.5"):
        assert_computes(expected, "ImageAugmentation", **arguments)


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("RandomCrop", {"shape": (9, 7)}, "crops to shape"),
        ("RandomCrop", {"shape": (0, 7)}, "does not fit the input"),
        ("RandomCrop", {"shape": (1, 1, 3, 8, 7)}, "does not fit the input"),
        ("ImageAugmentation", NEUTRAL | {"shape": (1, 8, 7)}, "in its last two axes only"),
        ("ImageAugmentation", NEUTRAL | {"shape": (7,)}, "in its last two axes only"),
        ("ImageAugmentation", NEUTRAL | {"pad": (1,)}, "two pads"),
        ("ImageAugmentation", NEUTRAL | {"min_scale": 0.0, "max_scale": 0.0}, "expected positive ones"),
        ("ImageAugmentation", NEUTRAL | {"shape": (10**9, 7)}, "the matrix of its sampling .* would take"),
    ],
)
@pytest.mark.filterwarnings("ignore::whylight.errors.WhylightWarning")
def test_impossible_arguments(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(WhylightError, match=message):
        converted(kind, [BATCH], **arguments)
