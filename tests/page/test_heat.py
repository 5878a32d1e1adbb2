"""Maps that a page draws are those that Python draws."""

import base64
import io
import json
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from whylight.drawing import render
from whylight.drawing.render import overlays
from whylight.page.compose import joined

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Page  # noqa: E402 (it may be missing)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
CROPS = [(0.0, 0.0, 1.0, 1.0), (0.125, 0.25, 0.875, 1.0)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        names = "bytesOf, floatsOf, drawHeat, heatAt, pngOf, npyOf, meanOf"
        page.set_content(f"<script type=module>{joined('heat')}\nwindow.heat = {{ {names} }};</script>")
        page.wait_for_function("window.heat")
        yield page
        browser.close()


def in_page(values: np.ndarray, crop: tuple[float, ...] = CROPS[0]) -> str:
    """A map as the expression of a page's script."""
    rows, columns = values.shape
    content = json.dumps(base64.b64encode(values.astype("<f4").tobytes()).decode())
    facts = f"rows: {rows}, columns: {columns}, crop: {list(crop)}"
    return f"{{ {facts}, values: window.heat.floatsOf({content}) }}"


def colors_of(name: str) -> str:
    return json.dumps(
        base64.b64encode(
            render.colorize(np.linspace(0, 1, 256, dtype=np.float32), name).round().astype(np.uint8).tobytes()
        ).decode()
    )


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize("colormap", ["jet", "viridis"])
def test_an_overlay_is_that_of_python(page: Page, crop: tuple[float, float, float, float], colormap: str) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    cam = random.random((5, 7), np.float32)
    (expected,) = overlays([pixels], cam[np.newaxis], crop, 0.4, colormap)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    address = json.dumps(f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    found = page.evaluate(
        f"""async () => {{
            const image = new Image();
            image.src = {address};
            await image.decode();
            const colors = window.heat.bytesOf({colors_of(colormap)});
            const blob = await window.heat.pngOf(image, {in_page(cam, crop)}, colors, 0.4);
            return Array.from(new Uint8Array(await blob.arrayBuffer()));
        }}"""
    )
    drawn = np.asarray(Image.open(io.BytesIO(bytes(found))).convert("RGB"), int)
    assert drawn.shape == np.asarray(expected).shape
    difference = np.abs(drawn - np.asarray(expected, int))
    assert difference.max() <= 3
    assert difference.mean() < 0.7


def test_a_map_is_kept_as_numpy_reads_it(page: Page) -> None:
    cam = np.random.default_rng(1).random((7, 9), np.float32)
    content = page.evaluate(
        f"""async () => Array.from(new Uint8Array(await window.heat.npyOf({in_page(cam)}).arrayBuffer()))"""
    )
    np.testing.assert_array_equal(np.load(io.BytesIO(bytes(content))), cam)


def test_the_number_under_a_place_is_that_of_its_cell(page: Page) -> None:
    cam = np.arange(12, dtype=np.float32).reshape(3, 4) / 11
    asked = [(0.1, 0.1), (0.9, 0.1), (0.6, 0.5), (0.99, 0.99)]
    crop = (0.5, 0.0, 1.0, 1.0)
    for x, y in asked:
        assert page.evaluate(f"() => window.heat.heatAt({in_page(cam)}, {x}, {y})") == cam[int(y * 3), int(x * 4)]
    assert page.evaluate(f"() => window.heat.heatAt({in_page(cam, crop)}, 0.5, 0.4)") is None
    assert page.evaluate(f"() => window.heat.heatAt({in_page(cam, crop)}, 0.1, 0.5)") == cam[0, 0]


def test_the_mean_of_maps(page: Page) -> None:
    cams = np.random.default_rng(2).random((3, 2, 2), np.float32)
    maps = ", ".join(map(in_page, cams))
    found = page.evaluate(f"() => Array.from(window.heat.meanOf([{maps}]).values)")
    np.testing.assert_allclose(found, cams.mean(0).ravel(), rtol=1e-6)
