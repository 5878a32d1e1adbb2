"""Charts: names can be told apart, in the legend, in the lines and on the axes."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from whylight.drawing.chart import Bars, Lines, Panel, Style, chart
from whylight.drawing.page import Bar, Line, Page, Text
from whylight.drawing.raster import drawn

METHODS = [f"method-{number}" for number in range(33)]
STAGES = np.arange(4.0)
FALLING = (STAGES, np.array([1, 0.6, 0.3, 0.1]))


def lab(color: str) -> Any:
    """A color in CIELAB, D65."""
    rgb = np.array(list(bytes.fromhex(color[1:]))) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ linear / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_all_methods_have_lines_of_their_own() -> None:
    styles = [Style.of(number) for number in range(len(METHODS))]
    assert len(set(styles)) == len(METHODS)
    for one, other in combinations(styles, 2):
        far = float(np.linalg.norm(lab(one.color) - lab(other.color)))
        assert far > 30 or one.dashes != other.dashes
    assert min(np.linalg.norm(lab(style.color) - lab("#ffffff")) for style in styles) > 40, "all are seen on white"


def test_a_method_looks_the_same_in_every_panel_and_in_the_legend() -> None:
    curves = dict.fromkeys(METHODS, FALLING)
    page = chart([Lines("one", "", curves), Bars("two", METHODS, [1.0] * 33), Lines("three", "", curves)], METHODS)
    for number, name in enumerate(METHODS):
        style = Style.of(number)
        lines = [item for item in page.items if isinstance(item, Line) and item.dashes == tuple(style.dashes)]
        assert len([item for item in lines if item.color == style.color]) == 3, name
        assert len([item for item in page.items if isinstance(item, Bar) and item.color == style.color]) in (3, 4)
    assert [text for text in page.texts if text in METHODS][-33:] == METHODS, "the legend, behind the names of the bars"


def stages(*names: str) -> Page:
    positions = np.arange(float(len(names)))
    lines = Lines("title", "", {"gradcam": (positions, positions / len(names))}, names_at_positions=names, high=1)
    return chart([lines], ["gradcam"])


def test_layers_are_named_by_what_tells_them_apart() -> None:
    page = stages("unchanged", "@MainRuntime/Convolution", "@MainRuntime/Convolution_2", "@MainRuntime/Affine")
    for name in ("unchanged", "Convolution", "Convolution_2", "Affine", "in @MainRuntime/"):
        assert name in page.texts
    assert not [text for text in page.texts if "..." in text]


def test_long_layer_names_are_numbered_and_listed_in_full() -> None:
    names = [f"/vit/encoder/layer.{number}/attention/output/dense/MatMul" for number in range(12)]
    page = stages(*names)
    for number in range(12):
        assert str(number + 1) in page.texts
        assert f"{number}/attention/output/dense/MatMul" in page.texts
    assert "in /vit/encoder/layer." in page.texts
    heights = [item.at[1] for item in page.items if isinstance(item, Text)]
    assert max(heights) < page.size[1], "all of the list is on the page"


@pytest.mark.parametrize("names", [("a", "b"), ("/model/a", "/model/b"), ("conv1", "conv10"), ("same", "same")])
def test_short_names_stay_as_they_are(names: tuple[str, ...]) -> None:
    ends = [name.rsplit("/")[-1] for name in names]
    assert [text for text in stages(*names).texts if text in ends] == ends


def test_the_chart_is_drawn_whole() -> None:
    curves = {name: (STAGES, np.array([0.1, float(number), 2, 3]) / 33) for number, name in enumerate(METHODS)}
    panels: list[Panel] = [
        Bars("bars", METHODS, [0.0, -0.5, float("nan"), *[0.1] * 30], [0.05] * 33),
        Lines("lines", "y", curves, "x"),
    ]
    page = chart(panels, METHODS)
    picture = np.asarray(drawn(page))
    assert picture.shape == (round(page.size[1]), round(page.size[0]), 3)
    assert (picture[-3:] == 255).all()
    assert (picture[:, -2:] == 255).all()
