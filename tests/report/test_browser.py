"""The page in a real browser, opened from the disk."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from page.browsers import CHROMIUM, accessibility_faults, chromium, watched_page
from report.tables import digits_result, state_facts, write_image, write_table
from samples import BUNDLED, evaluation
from whylight.contract import Origin
from whylight.report.options import ReportOptions
from whylight.report.page import write_report

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect  # noqa: E402 (it may be missing)

ROW = ".card small span:first-child"
WIDE = "".join(chr(ord(letter) + 0xFEE0) for letter in "HONEY")
HOSTILE = '</script><img src=x onerror="window.broken = 1"><b title=\'"&'

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("digits")
    write_report(digits_result(folder), folder / "report.html")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def judged() -> tuple[list[int], list[int], list[float]]:
    """The true and predicted classes of the digits, and the confidences."""
    _, labels, outputs = evaluation(BUNDLED / "mnist" / "output_result.csv")
    return labels.tolist(), outputs.argmax(1).tolist(), outputs.max(1).tolist()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    """200 rows of three classes, by turns; every third row is wrong, every 50th has an error; the confidence rises."""
    folder = tmp_path_factory.mktemp("many")
    write_image(folder / "a.png")
    rows = [
        ["a.png", "a.png", row % 3, (row + (row % 9 < 3)) % 3, (row + 1) / 200, 1, "it broke" if row % 50 == 7 else ""]
        for row in range(200)
    ]
    table = write_table(folder, "gradcam,x,y,predicted,probability,rank,error", rows)
    write_report(table, folder / "report.html", ReportOptions(labels=["ant", "bee, honeybee", HOSTILE]))
    return (folder / "report.html").as_uri()


def expect_rows(page: Page, rows: list[int]) -> None:
    """The cards on the page are those of these rows."""
    expect(page.locator(ROW)).to_have_text([f"Row {row}" for row in rows])


def expect_first_rows(page: Page, rows: list[int]) -> None:
    """The page begins with the cards of these rows."""
    for position, row in enumerate(rows):
        expect(page.locator(ROW).nth(position)).to_have_text(f"Row {row}")


def cell(page: Page, truth: int, predicted: int) -> str:
    return page.locator(f".matrix tbody tr:nth-child({truth + 1}) td:nth-child({predicted + 2})").inner_text()


# ---- what it shows


def test_the_counts_and_the_matrix(page: Page, digits: str, judged: tuple[list[int], list[int], list[float]]) -> None:
    truths, predicted, _ = judged
    page.goto(digits)
    right = int(np.sum(np.array(truths) == predicted))
    shares = [f"{right / len(truths):.1%}", str(len(truths)), str(len(truths)), str(right), str(len(truths) - right)]
    assert page.locator("#counts dd").all_inner_texts() == shares
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (truths, predicted), 1)
    for place in np.ndindex(10, 10):
        assert cell(page, *place) == (str(matrix[place]) if matrix[place] else "")
    expect_rows(page, list(range(1, len(truths) + 1)))


def test_images_are_there_without_blocks_and_described(page: Page, digits: str) -> None:
    page.goto(digits)
    first = page.locator(".card img").first
    expect(first).to_have_attribute("alt", "Image: 0000.png")
    assert first.evaluate("image => [image.naturalWidth, getComputedStyle(image).imageRendering]") == [28, "auto"]
    assert first.bounding_box()["width"] > 2 * 28, "enlarged"  # type: ignore[index]


def test_labels_that_are_all_predictions_are_not_called_accuracy(page: Page, tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    for predicted, said in ([0, 1], "Labels that are the prediction"), ([0, 0], "Accuracy"):
        rows = [["a.png", "a.png", truth, predicted[truth]] for truth in (0, 1)]
        write_report(write_table(tmp_path, "gradcam,x,y,predicted", rows), tmp_path / "report.html")
        page.goto((tmp_path / "report.html").as_uri())
        expect(page.locator("#counts dt").first).to_have_text(said)


def test_a_single_page_needs_nothing_beside_it(page: Page, tmp_path: Path) -> None:
    write_image(tmp_path / "here" / "small.png", 28, 28)
    write_image(tmp_path / "here" / "large.png", 1200, 800, seed=1)
    rows = [["small.png", "large.png", 0], ["", "small.png", 1]]
    table = write_table(tmp_path / "here", "gradcam,x,y", rows)
    write_report(table, tmp_path / "here" / "a.html", ReportOptions(single=True))
    shutil.move(tmp_path / "here" / "a.html", tmp_path / "mailed.html")
    shutil.rmtree(tmp_path / "here")
    page.goto((tmp_path / "mailed.html").as_uri())
    images = page.locator(".card img")
    expect(images).to_have_count(3)
    sizes = images.evaluate_all("all => Promise.all(all.map(one => one.decode().then(() => one.naturalWidth)))")
    assert sizes == [384, 28, 28]
    expect(page.locator(".missing")).to_have_text(["No overlay"])
    page.locator(".card").first.click()
    viewer = page.locator("#viewer")
    expect(viewer.locator("figcaption")).to_have_text(["Image large.png", "Overlay small.png"])
    assert viewer.locator("img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 384
    expect(viewer.locator("figure a")).to_have_count(0)


def test_missing_files_and_errors_have_their_place(page: Page, tmp_path: Path) -> None:
    rows = [["", "lost.png", 0, "lost.png: no such file"], ["lost.png", "lost.png", 1, ""]]
    write_report(write_table(tmp_path, "gradcam,x,y,error", rows), tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator(".missing")).to_have_text(["No image", "No overlay"] * 2)
    expect(page.locator(".problem")).to_have_text("lost.png: no such file")
    page.get_by_role("radio", name="Errors").check()
    expect_rows(page, [1])
    page.locator(".card").click()
    expect(page.locator("#viewer-error")).to_have_text("lost.png: no such file")


def test_without_predictions_nothing_is_judged(page: Page, tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png")
    table = write_table(tmp_path, "gradcam,x,y", [[image.name, image.name, label] for label in (1, 0, 2)])
    write_report(table, tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator("#counts dt").all_inner_texts() == ["Images", "Explained"]
    for hidden in ("#overview", "#results", "#confidence", "select[name=predicted]"):
        expect(page.locator(hidden)).to_be_hidden()
    page.locator("select[name=sort]").select_option("class")
    expect_rows(page, [2, 1, 3])


def test_many_classes_make_a_list(page: Page, tmp_path: Path) -> None:
    rows = [["", "", row % 1000, (row % 1000 + (row >= 1990)) % 1000, 0.5] for row in range(2000)]
    write_report(write_table(tmp_path, "gradcam,x,y,predicted,probability", rows), tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator(".list tbody tr")).to_have_count(1000)
    assert page.locator(".list tbody tr").first.inner_text().split() == ["990", "2", "1", "50.0%"]
    expect(page.locator("#confusions li")).to_have_count(10)
    page.locator("#confusions a").first.click()
    expect_rows(page, [1991])
    page.locator(".list a").nth(999).click()
    expect_rows(page, [990, 1990])


# ---- filters, order, pages


def test_filters(page: Page, digits: str, judged: tuple[list[int], list[int], list[float]]) -> None:
    truths, predicted, confidences = judged
    rows = list(enumerate(zip(truths, predicted, confidences, strict=True), 1))
    page.goto(digits)
    page.get_by_role("radio", name="Wrong").check()
    expect_rows(page, [row for row, (truth, guess, _) in rows if truth != guess])
    page.get_by_role("radio", name="Right").check()
    page.locator("select[name=truth]").select_option("3")
    expect_rows(page, [row for row, (truth, guess, _) in rows if truth == guess == 3])
    page.get_by_text("Clear filters").click()
    page.locator("select[name=predicted]").select_option("9")
    expect_rows(page, [row for row, (_, guess, _) in rows if guess == 9])
    page.get_by_text("Clear filters").click()
    page.get_by_label("Lowest confidence").fill("50")
    page.get_by_label("Highest confidence").fill("98.5")
    page.keyboard.press("Enter")
    between = [row for row, (_, _, confidence) in rows if 0.5 <= confidence <= 0.985]
    expect_rows(page, between)
    expect(page.locator("#shown")).to_have_text(f"{len(between)} of {len(rows)} images")


def test_a_cell_of_the_matrix_shows_its_images(page: Page, many: str) -> None:
    page.goto(many)
    page.locator(".matrix td.wrong a").first.click()
    assert page.evaluate("location.hash") == "#truth=0&predicted=1"
    expect_rows(page, [row + 1 for row in range(200) if row % 9 == 0])
    expect(page.locator("[aria-current=true]")).to_have_count(2)  # the cell, and the confusion in the list
    expect(page.locator("select[name=predicted]")).to_have_value("1")


def test_a_text_is_looked_for_in_names_and_errors(page: Page, many: str) -> None:
    page.goto(many)
    wanted = page.get_by_label("Text")
    wanted.fill("IT BROKE")
    expect_rows(page, [8, 58, 108, 158])
    assert page.evaluate("[location.hash, history.length]") == ["#text=IT+BROKE", 2]
    wanted.fill(f"{WIDE}bees")
    expect(page.locator("#none")).to_have_text("No image fits these filters.")
    wanted.fill(WIDE)
    bees = [row + 1 for row in range(200) if 1 in (row % 3, (row + (row % 9 < 3)) % 3)]
    expect_rows(page, bees[:60])
    page.get_by_role("radio", name="Wrong").check()
    expect_rows(page, [row for row in bees if (row - 1) % 9 < 3])
    expect(wanted).to_have_value(WIDE)
    page.get_by_text("Clear filters").click()
    expect(wanted).to_have_value("")
    wanted.fill("a.PNG")
    expect(page.locator("#shown")).to_have_text("200 images")


def test_orders(page: Page, many: str) -> None:
    page.goto(many)
    for order, first in {"confident": [200, 199], "unsure": [1, 2], "class": [1, 4], "row": [1, 2]}.items():
        page.locator("select[name=sort]").select_option(order)
        expect_first_rows(page, first)


def test_pages(page: Page, many: str) -> None:
    page.goto(many)
    expect_rows(page, list(range(1, 61)))
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="Page 4").click()
    expect_rows(page, list(range(181, 201)))
    page.go_back()
    expect_rows(page, list(range(61, 121)))
    page.get_by_role("radio", name="Errors").check()
    expect_rows(page, [8, 58, 108, 158])
    expect(page.locator("#pages")).to_be_hidden()


# ---- which class is explained


@pytest.mark.parametrize(
    ("origin", "variable", "overlay", "card", "header"),
    [
        ("label", "y", "Overlay for cat (the label)", "Map of cat", "The overlays explain the label of each image"),
        ("predicted", None, "Overlay for dog (predicted)", "Map of dog", "explain the predicted class of each image"),
        ("asked", "class", "Overlay for bird (asked for)", "Map of bird", "explain the classes that were asked for"),
    ],
)
def test_the_page_says_which_class_is_explained(
    page: Page, tmp_path: Path, origin: Origin, variable: str | None, overlay: str, card: str, header: str
) -> None:
    """A wrong image: its label is not what is predicted, and its overlay is of one of them."""
    write_image(tmp_path / "o" / "0000" / "0.png")
    rows = [["o/0000/0.png"] * 2 + [0, 1, 2], ["o/0000/0.png"] * 2 + [1, 1, 1]]
    table = write_table(tmp_path, "gradcam,x,y,predicted,class", rows)
    state_facts(tmp_path / "o", origin, variable, ["cat", "dog", "bird"])
    write_report(table, tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator("#explained")).to_contain_text(header)
    for part in ("method gradcam", "layer conv5", "model m.onnx", "score before the final activation"):
        expect(page.locator("#explained")).to_contain_text(part)
    expect(page.locator(".card .explained")).to_have_text([card])
    page.locator(".card").first.click()
    expect(page.locator("#viewer-facts .explained dd")).to_have_text(overlay.removeprefix("Overlay for "))
    expect(page.locator("#viewer-pair figcaption").last).to_contain_text(overlay)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-facts .explained dd")).to_have_text("dog (the label, predicted)")


# ---- links and history


def test_a_link_restores_the_view(page: Page, many: str) -> None:
    page.goto(f"{many}#result=right&truth=1&from=20&sort=confident&page=1&image=101")
    expect(page.locator("#viewer-title")).to_have_text("Row 101")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    assert page.evaluate("location.hash") == "#result=right&truth=1&from=20&sort=confident"
    expected = [row + 1 for row in range(200) if row % 3 == 1 and row % 9 >= 3 and row + 1 >= 40]
    expect_rows(page, expected[::-1])
    expect(page.locator("input[name=from]")).to_have_value("20")
    expect(page.locator("input[value=right]")).to_be_checked()


@pytest.mark.parametrize("part", ["page=99", "image=999999", "truth=x&sort=constructor", "constructor=1", "%E0%A4%A"])
def test_a_broken_link_shows_what_it_can(page: Page, many: str, part: str) -> None:
    page.goto(f"{many}#{part}")
    expect(page.locator(".card")).to_have_count(20 if part == "page=99" else 60)


def test_an_image_opens_large_and_goes_back(page: Page, digits: str) -> None:
    page.goto(digits)
    page.locator(".card").nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer-title")).to_have_text("Row 3")
    assert page.locator("#viewer-pair figcaption a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    ) == [
        "images/0002.png",
        "images/0002.png",
    ]
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer-title")).to_have_text("Row 4")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer-title")).to_have_text("Row 1")
    expect(page.get_by_label("Previous image")).to_be_disabled()
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    assert page.evaluate("[...document.querySelectorAll('.card')].indexOf(document.activeElement)") == 2
    page.locator(".card").nth(5).click()
    page.get_by_label("Close").click()
    expect(page.locator("#viewer")).to_be_hidden()
    assert not page.evaluate("location.hash").strip("#")


# ---- languages, access, safety, size


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(browser: Browser, many: str, language: str, scheme: str) -> None:
    with watched_page(browser, color_scheme=scheme, reduced_motion="reduce") as page:
        page.goto(many)
        page.locator(f"button[value={language}]").click()
        assert accessibility_faults(page) == []
        page.goto(f"{many}#truth=0&predicted=1&text=ant&image=10")
        expect(page.locator("#viewer")).to_be_visible()
        assert accessibility_faults(page) == []


def test_japanese_by_switch_and_by_the_browsers_language(page: Page, browser: Browser, many: str) -> None:
    page.goto(many)
    expect(page.locator("h2").first).to_have_text("Confusion matrix")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator("h2").first).to_have_text("混同行列")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    assert "undefined" not in page.locator("body").inner_text()
    with browser.new_context(locale="ja-JP") as context:
        other = context.new_page()
        other.goto(many)
        expect(other.locator("#shown")).to_have_text("200 枚")


def test_a_hostile_name_is_only_a_name(page: Page, many: str) -> None:
    page.goto(f"{many}#truth=2&predicted=2&image=6")
    expect(page.locator("#viewer-facts dd").first).to_have_text(HOSTILE)
    expect(page.locator("select[name=truth] option:checked")).to_have_text(HOSTILE)
    assert page.evaluate("window.broken") is None
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes")
def test_a_name_that_is_no_text_has_its_card(page: Page, tmp_path: Path) -> None:
    image = write_image(tmp_path / "a.png")
    shutil.copy(image, os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    rows = [["a.png", "a.png", 0]] * 2
    table = write_table(tmp_path, "gradcam,x,y", rows)
    table.write_bytes(table.read_bytes().replace(b"a.png,0", b"\xff.png,0", 1))
    write_report(table, tmp_path / "report.html")
    page.goto((tmp_path / "report.html").as_uri())
    expect_rows(page, [1, 2])


def test_injected_markup_could_not_run(page: Page, browser: Browser, many: str) -> None:
    with browser.new_context() as context:
        other = context.new_page()
        other.goto(many)
        other.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.broken = 1\">')"
        )
        other.wait_for_timeout(200)
        assert other.evaluate("window.broken") is None


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, digits: str) -> None:
    with browser.new_context(viewport={"width": 375, "height": 700}) as context:
        page = context.new_page()
        for view in ("", "#image=1"):
            page.goto(digits + view)
            assert page.evaluate("document.documentElement.scrollWidth") <= 375
        assert page.evaluate("document.getElementById('viewer').scrollWidth") <= 375


def test_50_000_rows_open_at_once(page: Page, many: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    truths, predicted = random.integers(0, 3, (2, 50_000)).tolist()
    confidences = random.permutation(50_000) / 50_000
    rows = [
        [f"images/{row:05d}.png", f"gradcam/{row // 1000:04d}/{row}.png", 0, truth, guess, None, confidence, ""]
        for row, (truth, guess, confidence) in enumerate(zip(truths, predicted, confidences.tolist(), strict=True))
    ]
    text = Path(many.removeprefix("file://")).read_text(encoding="utf-8")
    start, end = text.index('id="rows">') + len('id="rows">'), text.index("</script>")
    (tmp_path / "report.html").write_text(text[:start] + json.dumps(rows) + text[end:], encoding="utf-8")
    began = time.perf_counter()
    page.goto((tmp_path / "report.html").as_uri())
    expect(page.locator(".card")).to_have_count(60)
    assert time.perf_counter() - began < 5
    expect(page.locator("#shown")).to_have_text("50,000 images")
    began = time.perf_counter()
    page.locator("select[name=sort]").select_option("confident")
    expect_first_rows(page, [int(confidences.argmax()) + 1])
    assert time.perf_counter() - began < 2
    began = time.perf_counter()
    page.get_by_label("Text").fill("0499")
    found = sum("0499" in image or "0499" in overlay for image, overlay, *_ in rows)
    expect(page.locator("#shown")).to_have_text(f"{found} of 50,000 images")
    assert time.perf_counter() - began < 2
