"""The table over a source that answers when it likes, in a real browser: as a server does, and not as a report does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from markupsafe import Markup

from whylight.page import compose

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect  # noqa: E402 (it may be missing)

from page.browsers import CHROMIUM, accessibility_faults, chromium, watched_page  # noqa: E402

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

TEMPLATE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A table</title>
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'">
<style>{{ style }}</style></head><body>
<header><a class="skip" href="#images" id="skip" data-text="skip"></a><h1>A table</h1></header>
<main>{% include "table.html" %}</main>
<script type="module">{{ script }}{{ own }}</script></body></html>
"""
SOURCE = """
// 150 rows of ten classes; those of class 3 are taken for 5; row n's word is the letter n modulo 26
const dot = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=";
const everyRow = Array.from({ length: 150 }, (_, index) => ({
  number: index + 1, name: `images/${index}.png`, overlayName: "", image: dot, overlay: null, thumbnail: dot,
  overlayThumbnail: null, truth: index % 10, predicted: index % 10 === 3 ? 5 : index % 10, explained: null,
  confidence: (index + 1) / 150, error: index === 7 ? "it broke" : "",
  cells: [String.fromCharCode(97 + index % 26), "<b>"],
}));
window.asked = [];
window.wait = () => 0;
const slow = (what) => {
  window.asked.push(what);
  return new Promise((resolve) => setTimeout(resolve, window.wait(what)));
};
const fitting = (view) => everyRow.filter((row) =>
  (view.result !== "wrong" || row.truth !== row.predicted) && (!view.text || row.cells.includes(view.text)));
const source = {
  facts: {
    names: [], by: null, rows: 150, explained: 0, right: 135, wrong: 15, errors: 1, columns: ["word", "mark <up>"],
    confusions: Array.from({ length: 10 }, (_, index) => [index, index === 3 ? 5 : index, 15]),
    truths: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], predictions: [0, 1, 2, 4, 5, 6, 7, 8, 9],
    hasConfidences: true, areProbabilities: true,
  },
  rows: async (view, start, count) => {
    await slow(`rows ${view.result}${view.text} ${start}`);
    if (view.text === "!") throw new Error("the table is gone");
    return { rows: fitting(view).slice(start, start + count), total: fitting(view).length };
  },
  row: async (view, number) => {
    await slow(`row ${number}`);
    const all = fitting(view);
    const position = all.findIndex((row) => row.number === number);
    const [before, after] = [-1, 1].map((step) => all[position + step]?.number ?? 0);
    return { row: everyRow[number - 1] ?? null, before, after };
  },
};
window.opened = [];
keepInAddress("model");
window.table = new Table({ layout: "rows", open: ({ row }) => window.opened.push(row?.number ?? 0) });
window.replaceKept = replaceKept;
writeTexts();
table.show(source);
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with watched_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("table") / "table.html"
    template = compose.templates.from_string(TEMPLATE)
    own = Markup(SOURCE)
    path.write_text(template.render(**compose.parts("table"), own=own), encoding="utf-8")
    return path.as_uri()


def shown_rows(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".rows tbody th").all_inner_texts()]


def test_a_row_has_the_tables_own_columns(page: Page, address: str) -> None:
    page.goto(address)
    headings = page.locator(".rows thead th")
    expect(headings).to_have_text(
        ["Row", "Image", "True class", "Predicted class", "word", "mark <up>", "Error"],
    )
    cells = page.locator(".rows tbody tr").nth(3).locator("th, td")
    expect(cells).to_have_text(["4", "", "3", "5 ✕ 2.7%", "d", "<b>", ""])
    expect(page.locator(".rows img").nth(3)).to_have_attribute("alt", "Image: 3.png")
    expect(page.locator(".rows .problem").nth(7)).to_have_text("it broke")
    assert shown_rows(page) == list(range(1, 61))


def test_only_a_page_of_rows_is_asked_for(page: Page, address: str) -> None:
    page.goto(f"{address}#page=9")
    expect(page.locator(".rows tbody tr")).to_have_count(30)
    assert page.evaluate("asked") == ["rows  480", "rows  120"]


def test_a_click_anywhere_on_a_row_opens_it(page: Page, address: str) -> None:
    page.goto(address)
    cell = page.locator(".rows tbody tr").nth(4).locator("td").nth(4)
    cell.scroll_into_view_if_needed()
    box = cell.bounding_box()
    assert box
    page.mouse.click(box["x"] + 20, box["y"] + 20)
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "5")
    assert page.evaluate("[location.hash, opened]") == ["#image=5", [0, 5]]


def test_the_page_turns_with_the_row_that_is_open(page: Page, address: str) -> None:
    page.goto(f"{address}#image=60")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "60")
    page.evaluate("table.move(1)")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "61")
    assert page.evaluate("location.hash") == "#page=2&image=61"
    page.evaluate("table.move(-1)")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "60")
    assert shown_rows(page)[0] == 1
    in_sight = "row => row.getBoundingClientRect().bottom <= row.closest('.scroll').getBoundingClientRect().bottom + 1"
    assert page.locator(".rows [aria-current]").evaluate(in_sight)
    assert page.evaluate("scrollY") == 0, "what stands around the table has not moved"


def test_with_none_open_the_first_row_opens(page: Page, address: str) -> None:
    page.goto(f"{address}#result=wrong")
    expect(page.locator(".rows tbody tr")).to_have_count(15)
    page.evaluate("table.move(1)")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "4")
    page.evaluate("table.move(1)")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "14")


def test_an_answer_that_comes_late_is_dropped(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".rows tbody tr")).to_have_count(60)
    page.evaluate("wait = (what) => (what.startsWith('rows a') || what === 'row 2' ? 400 : 0); 0")
    page.evaluate("location.hash = '#text=a&image=2'")
    page.wait_for_function("asked.includes('row 2')")
    page.evaluate("location.hash = '#text=b&image=3'")
    expect(page.locator(".rows tbody td:nth-child(5)").first).to_have_text("b")
    page.wait_for_timeout(500)
    assert set(page.locator(".rows tbody td:nth-child(5)").all_inner_texts()) == {"b"}
    assert page.evaluate("opened.at(-1)") == 3
    assert page.evaluate("opened.includes(2)") is False


def test_a_source_that_fails_says_why_and_the_page_goes_on(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".rows tbody tr")).to_have_count(60)
    page.evaluate("location.hash = '#text=!'")
    expect(page.locator("#none")).to_have_text("the table is gone")
    expect(page.locator(".rows")).to_have_count(0)
    page.get_by_text("Clear filters").click()
    expect(page.locator(".rows tbody tr")).to_have_count(60)
    expect(page.locator("#none")).to_be_hidden()


def test_headings_order_the_rows(page: Page, address: str) -> None:
    page.goto(f"{address}#page=2")
    heading = page.locator("#list").get_by_role("columnheader", name="Predicted class")
    expect(heading).not_to_have_attribute("aria-sort", "ascending")
    for order, direction in (("unsure", "ascending"), ("confident", "descending"), ("unsure", "ascending")):
        heading.get_by_role("link").click()
        expect(heading).to_have_attribute("aria-sort", direction)
        assert page.evaluate("location.hash") == f"#sort={order}"
        expect(page.locator("select[name=sort]")).to_have_value(order)


def test_what_the_page_keeps_stays_in_every_address(page: Page, address: str) -> None:
    page.goto(f"{address}#model=a.onnx&other=1&image=5")
    expect(page.locator(".rows [aria-current]")).to_have_attribute("data-row", "5")
    link = page.locator(".rows tbody tr a").first
    expect(link).to_have_attribute("href", "#model=a.onnx&image=1")
    page.evaluate("replaceKept({ model: 'b c.onnx' })")
    assert page.evaluate("[location.hash, history.length]") == ["#model=b+c.onnx&image=5", 2]
    expect(link).to_have_attribute("href", "#model=b+c.onnx&image=1")
    expect(page.locator(".matrix a").first).to_have_attribute("href", "#model=b+c.onnx&predicted=0")
    page.get_by_role("radio", name="Wrong").check()
    assert page.evaluate("location.hash") == "#model=b+c.onnx&result=wrong"
    page.evaluate("replaceKept({ model: '' })")
    assert page.evaluate("location.hash") == "#result=wrong"


def test_what_is_typed_stays_while_an_answer_comes(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("wait = (what) => (what.startsWith('rows') ? 400 : 0); 0")
    wanted = page.get_by_label("Text")
    wanted.fill("a")
    page.wait_for_function("asked.includes('rows a 0')")
    wanted.press_sequentially("bc")
    page.wait_for_timeout(1200)
    expect(wanted).to_have_value("abc")
    assert page.evaluate("asked.at(-1)") == "rows abc 0"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everyone_can_use_it(browser: Browser, address: str, language: str, scheme: str) -> None:
    with watched_page(browser, color_scheme=scheme) as page:
        page.add_init_script(f"localStorage.setItem('whylight-language', '{language}')")
        page.goto(f"{address}#sort=unsure&image=3")
        expect(page.locator(".rows [aria-current]")).to_have_count(1)
        assert accessibility_faults(page) == []


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, address: str, tmp_path: Path) -> None:
    with watched_page(browser, viewport={"width": 400, "height": 700}) as page:
        page.goto(address)
        expect(page.locator(".rows tbody tr")).to_have_count(60)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
