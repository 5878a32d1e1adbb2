"""Interpolation against nnabla's formula, one output element at a time."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from reading.nnp.functions.running import Array, converted
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape
from whylight.reading.nnp.functions import convert_function

SETTINGS = [
    {"mode": mode, "align_corners": align_corners, "half_pixel": half_pixel, "half_pixel_for_nn": half_pixel_for_nn}
    for mode, align_corners, half_pixel, half_pixel_for_nn in [
        ("linear", True, False, False),
        ("linear", False, True, False),
        ("linear", False, False, False),
        ("nearest", True, False, False),
        ("nearest", False, True, False),
        ("nearest", False, False, False),
        ("nearest", False, False, True),
        ("nearest", True, False, True),
    ]
]


def weights(
    index: int, size: int, output: int, mode: str, align_corners: bool, half_pixel: bool, half_pixel_for_nn: bool
) -> list[tuple[int, float]]:
    """The input elements of one axis that make an output element, each with its share."""
    scale = 0.0 if output == 1 else (size - 1) / (output - 1) if align_corners else size / output
    position = max(0.0, scale * (index + 0.5) - 0.5) if half_pixel else scale * index
    if mode == "nearest":
        if half_pixel_for_nn:
            position = size / output * (index + 0.5)
        return [(min(int(position + 1e-6), size - 1), 1.0)]
    first = int(position)
    return [(first, 1 - position + first), (min(first + 1, size - 1), position - first)]


def brute_force(x: Array, output_size: Sequence[int], **setting: Any) -> Array:
    leading, sizes = x.shape[: -len(output_size)], x.shape[-len(output_size) :]
    elements = x.reshape(*leading, -1)
    y = np.zeros((*leading, *output_size))
    for target in product(*map(range, output_size)):
        axes = zip(target, sizes, output_size, strict=True)
        for source in product(*(weights(index, size, output, **setting) for index, size, output in axes)):
            place, shares = zip(*source, strict=True)
            element = elements[..., np.ravel_multi_index(place, sizes)]
            y.reshape(*leading, -1)[..., np.ravel_multi_index(target, output_size)] += np.prod(shares) * element
    return y


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    ("shape", "output_size"),
    [
        ((5,), (8,)),
        ((3, 4), (7, 1)),
        (("N", 4), (8,)),
        (("N", 3, 5), (2,)),
        (("N", 3, 5), (10,)),
        (("N", 2, 4, 3), (8, 9)),
        (("N", 2, 7, 5), (3, 11)),
        (("N", 2, 4, 3), (7,)),
        (("N", 3, 2, 4), (6, 2, 5)),
        (("N", 2, 3, 2, 4), (5, 1, 7)),
        (("N", 2, 2, 3, 4), (6, 5)),
    ],
)
def test_interpolate(shape: Shape, output_size: Sequence[int], setting: dict[str, Any]) -> None:
    run = converted("Interpolate", [shape], output_size=output_size, channel_last=False, **setting)
    for size in (2, 3):
        x = np.random.default_rng(0).standard_normal([extent if isinstance(extent, int) else size for extent in shape])
        (y,) = run(x)
        np.testing.assert_allclose(y, brute_force(x, output_size, **setting), 1e-4, 1e-5)


@pytest.mark.parametrize("setting", SETTINGS[1:4])
def test_channels_last(setting: dict[str, Any]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 3, 5))
    (y,) = converted("Interpolate", [("N", 4, 3, 5)], output_size=(3, 7), channel_last=True, **setting)(x)
    expected = np.moveaxis(brute_force(np.moveaxis(x, -1, 1), (3, 7), **setting), 1, -1)
    np.testing.assert_allclose(y, expected, 1e-4, 1e-5)


@pytest.mark.parametrize("setting", [*SETTINGS[:3], SETTINGS[5], SETTINGS[6]])
def test_images_are_resized_by_one_node(setting: dict[str, Any]) -> None:
    op = GraphBuilder()
    arguments = {"output_size": (8, 6), "channel_last": False, **setting}
    (y,) = convert_function(op, "Interpolate", [op.input("x", ("N", 3, 4, 3))], arguments)
    assert y.shape == ("N", 3, 8, 6)
    assert [node.op_type for node in op.nodes] == ["Resize"]


@pytest.mark.parametrize(
    ("mode", "output_size"), [("cubic", (8, 8)), ("linear", (8, 8, 8, 8)), ("nearest", ()), ("linear", (8, 0))]
)
def test_what_cannot_be_resized(mode: str, output_size: Sequence[int]) -> None:
    with pytest.raises(WhylightError):
        converted(
            "Interpolate",
            [("N", 3, 4, 4)],
            output_size=output_size,
            channel_last=False,
            **{**SETTINGS[0], "mode": mode},
        )
