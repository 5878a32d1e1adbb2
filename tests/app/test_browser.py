"""The app in a real browser: what a person does in Neural Network Console, and what only this page can do."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from onnx_samples import small_cnn
from page.browsers import CHROMIUM, accessibility_faults, chromium
from samples import BUNDLED

pytest.importorskip("fastapi")
pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect

PICTURES = os.environ.get("WHYLIGHT_SCREENSHOTS")
"""A folder for what the page looks like, where somebody wants to see it."""
DIGITS = BUNDLED / "mnist"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of the app, which runs until the block ends."""
    words = [sys.executable, "-m", "whylight", "app", str(folder), "--port", "0", "--no_browser"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        try:
            yield found[0]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("結果 folder") / "mnist"
    shutil.copytree(DIGITS, place)
    return place


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as found:
        yield found


@contextmanager
def opened(browser: Browser, address: str, width: int = 1280, **context: Any) -> Iterator[Page]:
    """The page, which must say nothing in its console and ask no other server."""
    problems: list[str] = []
    made = browser.new_context(**{"locale": "en-US", "viewport": {"width": width, "height": 1000}, **context})
    page = made.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    own = (address.partition("#")[0], "blob:", "data:")
    page.on("request", lambda request: None if request.url.startswith(own) else problems.append(request.url))
    page.set_default_timeout(20_000)
    page.goto(address)
    yield page
    made.close()
    assert problems == []


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page


def seen(page: Page, name: str) -> None:
    """Keep what the page looks like."""
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def expect_explained(page: Page, class_name: str) -> None:
    """The panel has the answer for this class."""
    expect(page.locator(".panel-decision")).to_have_text(re.compile(rf"^{class_name}: "))
    expect(page.locator(".panel-stage .panel-heat")).to_be_visible()


def heat_of(page: Page) -> str:
    """The colors of the map that is drawn."""
    return str(page.locator(".panel-stage .panel-heat").evaluate("canvas => canvas.toDataURL()"))


def open_row(page: Page, number: int) -> None:
    page.locator(f"#list [data-row='{number}'] a").first.click()


def wrong_rows(folder: Path) -> list[tuple[int, int, int]]:
    """Number, label and prediction, read from the CSV."""
    lines = (folder / "output_result.csv").read_text("utf-8").splitlines()[1:]
    rows = [(number, line.split(",")) for number, line in enumerate(lines, 1)]
    judged = [(number, int(cells[1]), int(np.argmax([float(cell) for cell in cells[2:]]))) for number, cells in rows]
    return [row for row in judged if row[1] != row[2]]


def test_a_wrong_row_is_explained_saved_and_linked_to(page: Page, folder: Path, browser: Browser) -> None:
    number, _, predicted = wrong_rows(folder)[0]
    page.locator("#counts .count_wrong a").click()
    expect(page.locator("#list [data-row]")).to_have_count(len(wrong_rows(folder)))
    open_row(page, number)
    expect_explained(page, str(predicted))
    sizes = page.locator(".panel-image").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert sizes == [28, 28]
    seen(page, "app")

    first = heat_of(page)
    guess = page.locator(".panel-guess").nth(1)
    second = int(guess.locator(".panel-name").inner_text())
    guess.click()
    expect_explained(page, str(second))
    assert heat_of(page) != first
    page.locator("[name=method]").select_option("layercam")
    page.locator("[name=layer]").select_option("@MainRuntime/Convolution")
    page.get_by_label("Opacity").fill("0.8")
    opacity = page.locator(".panel-stage .panel-heat").evaluate("canvas => getComputedStyle(canvas).opacity")
    assert opacity == "0.8"

    page.get_by_label("Save as").fill("saved/三.png")
    page.get_by_role("button", name="Save to the result folder").click()
    expect(page.locator(".panel-status")).to_contain_text("saved/三.png")
    image = folder / (folder / "output_result.csv").read_text("utf-8").splitlines()[number].split(",")[0]
    layer = "@MainRuntime/Convolution"
    explainer = whylight.explainer(folder / "results.nnp", "layercam", layer=layer, device="cpu")
    expected = explainer(image, second)
    drawn = np.asarray(Image.open(folder / "saved" / "三.png"))
    np.testing.assert_array_equal(drawn, np.asarray(expected.overlay(alpha=0.8)))

    link = page.url
    for part in (f"image={number}", f"class={second}", "method=layercam", "layer=", "alpha=0.8"):
        assert part in link
    with opened(browser, link) as again:
        expect_explained(again, str(second))
        expect(again.locator("[name=method]")).to_have_value("layercam")
        expect(again.locator("[name=layer]")).to_have_value(layer)
        expect(again.get_by_label("Opacity")).to_have_value("0.8")


def test_what_is_covered_changes_the_probabilities(page: Page, folder: Path) -> None:
    open_row(page, 1)
    expect_explained(page, "9")
    page.get_by_role("button", name="Cover a region").click()
    expect(page.locator("b.covered").first).to_be_visible()
    box = page.locator(".panel-stage").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
    with page.expect_response("**/api/cover") as answered:
        page.mouse.up()
    probability = next(each for each in answered.value.json()["probabilities"] if each["class_index"] == 9)
    pixels = np.asarray(Image.open(folder / "images" / "0000.png").convert("L")).copy()
    pixels[7:21, 7:21] = round(float(pixels.mean()))
    expected = whylight.explainer(folder / "results.nnp", device="cpu")(pixels, 9).probability
    assert probability["probability"] == pytest.approx(expected, abs=0.05)
    shown = page.locator(".panel-guess[aria-pressed='true'] b.covered")
    expect(shown).to_have_text(f"{probability['probability']:.1%}")
    seen(page, "covered")
    before = page.locator(".panel-shade").evaluate("shade => shade.style.left")
    page.locator(".panel-stage").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".panel-shade").evaluate("shade => shade.style.left") != before
    page.get_by_role("button", name="Uncover").click()
    expect(page.locator("b.covered")).to_have_count(0)


def test_keys(page: Page) -> None:
    open_row(page, 2)
    expect_explained(page, "3")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-title")).to_contain_text("Row 3")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#panel-title")).to_contain_text("Row 2")
    expect_explained(page, "3")
    layer = page.locator("[name=layer]").input_value()
    page.keyboard.press("[")
    expect(page.locator("[name=layer]")).not_to_have_value(layer)
    page.keyboard.press("]")
    expect(page.locator("[name=layer]")).to_have_value(layer)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def test_an_image_of_ones_own(page: Page, folder: Path) -> None:
    page.get_by_label("An image of yours").set_input_files(folder / "images" / "0001.png")
    expect_explained(page, "3")
    expect(page.locator("#panel-title")).to_have_text("0001.png")


def test_a_batch_is_run_cancelled_and_goes_on(browser: Browser, tmp_path: Path) -> None:
    place = tmp_path / "mnist"
    shutil.copytree(DIGITS, place)
    header, *rows = (place / "output_result.csv").read_text("utf-8").splitlines()
    (place / "many.csv").write_text("\n".join([header, *rows * 400]) + "\n", "utf-8")
    with served(place) as address, opened(browser, f"{address}#table=output_result.csv") as page:
        expect(page.locator("#list [data-row]").first).to_be_visible()
        page.get_by_text("Explain the whole dataset").click()
        form, said = page.locator("#batch-form"), page.locator("#batch-said")
        expect(form.get_by_label("Input")).to_have_value("output_result.csv")
        form.get_by_role("button", name="Start").click()
        expect(said).to_contain_text("36 images are explained")
        page.get_by_role("link", name="Open the result").click()
        expect(page.locator("#counts .count_explained dd")).to_have_text("36")
        page.get_by_role("link", name="Write a report").click()
        expect(said).to_contain_text("Written")
        seen(page, "batch")

        form.get_by_label("Input").fill("many.csv")
        form.get_by_label("Output").fill("many_result.csv")
        form.get_by_role("button", name="Start").click()
        expect(said).to_have_text(re.compile(r"^[1-9][\d,]* of 14,400"))
        page.get_by_role("button", name="Cancel").click()
        expect(said).to_contain_text("Cancelled after")
        form.get_by_role("button", name="Start").click()
        expect(said).to_contain_text("images are explained", timeout=120_000)
        assert len((place / "many_result.csv").read_text("utf-8").splitlines()) == 14_401


@pytest.mark.parametrize("language", ["en-US", "ja-JP"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_languages_schemes_and_widths(browser: Browser, address: str, language: str, scheme: str, width: int) -> None:
    title = {"en-US": "Explain the whole dataset", "ja-JP": "データセット全体を説明する"}[language]
    with opened(browser, f"{address}#image=1", width, locale=language, color_scheme=scheme) as page:
        expect(page.get_by_text(title)).to_be_visible()
        expect_explained(page, "9")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing sticks out"
        page.get_by_text(title).click()
        assert accessibility_faults(page) == []
        seen(page, f"app-{language[:2]}-{scheme}-{width}")


def test_classes_by_their_names_in_color(browser: Browser) -> None:
    with served(BUNDLED / "cluttered_digits") as address, opened(browser, address) as page:
        expect(page.locator("#list [data-row]").first).to_be_visible()
        open_row(page, 1)
        expect(page.locator(".panel-guess")).to_have_count(5)
        assert page.locator(".panel-stage").evaluate(
            "stage => stage.clientWidth / stage.clientHeight"
        ) == pytest.approx(
            page.locator(".panel-image").evaluate("image => image.naturalWidth / image.naturalHeight"), rel=0.05
        )
        seen(page, "cluttered")


def test_photographs_and_a_model_in_onnx(browser: Browser, tmp_path: Path) -> None:
    """No table: the folder's images are the dataset; one is larger than any screen, and none is square."""
    onnx.save(small_cnn((24, 32), channels=3), tmp_path / "model.onnx")
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\ndog\n", "utf-8")
    random = np.random.default_rng(0)
    for number, size in enumerate([(3000, 4000), (60, 20), (90, 160)]):
        pixels = random.integers(0, 256, (*(max(1, each // 20) for each in size), 3)).astype(np.uint8)
        Image.fromarray(pixels).resize(size[::-1]).save(tmp_path / f"photograph {number}.jpg")
    with served(tmp_path) as address, opened(browser, address) as page:
        expect(page.locator("#list [data-row]")).to_have_count(3)
        page.locator("[name=labels]").select_option("labels.txt")
        expect(page.locator("#list [data-row]")).to_have_count(3)
        for number in (1, 2, 3):
            open_row(page, number)
            expect(page.locator("#panel-title")).to_contain_text(f"photograph {number - 1}.jpg")
            expect_explained(page, "(ant|bee|cat|dog)")
            seen(page, f"photograph{number}")
        page.get_by_label("Class", exact=True).fill("2: cat")
        page.get_by_label("Class", exact=True).press("Enter")
        expect_explained(page, "cat")
        page.get_by_label("Rather than").fill("dog")
        page.get_by_label("Rather than").press("Enter")
        expect(page.locator(".panel-status")).to_have_text(re.compile(" s"))
        assert "against=3" in page.url


def test_the_mean_map_of_each_class(page: Page) -> None:
    page.get_by_role("button", name="Compute them").click()
    expect(page.locator("#means-list li")).to_have_count(10)
