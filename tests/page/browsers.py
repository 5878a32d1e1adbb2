"""Chromium, and what is asked of a page in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
_FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"


@contextmanager
def chromium() -> Iterator["Browser"]:
    """The Chromium that is installed, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: "Browser", **context: Any) -> Iterator["Page"]:
    """A page that must say nothing in its console, and load nothing but files."""
    problems: list[str] = []
    with browser.new_context(**{"locale": "en-US", "viewport": {"width": 1280, "height": 900}, **context}) as opened:
        page = opened.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
        page.on("request", lambda request: problems.append(request.url) if "://" in request.url[5:] else None)
        page.set_default_timeout(10_000)
        yield page
    assert problems == []


def accessibility_faults(page: "Page") -> list[str]:
    """What axe-core finds: the rule and the element, of each fault."""
    if not _AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [f"{fault['id']}: {node['html']}: {node['failureSummary']}" for fault in found for node in fault["nodes"]]
