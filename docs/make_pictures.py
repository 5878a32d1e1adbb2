"""Make the pictures of the documents: ``python docs/make_pictures.py IMAGENET_FOLDER``.

IMAGENET_FOLDER holds a classifier of the 1000 ImageNet classes, ``results.nnp``, ``labels.txt``, and in ``images``
photographs, among them ``coffee.png``; the second picture is made of the bundled samples. The pictures of a report are
taken by a browser: Playwright with Chromium.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image

import whylight
from whylight.cli.demo import run_demo
from whylight.drawing.grid import Cell, grid
from whylight.drawing.page import Page
from whylight.drawing.raster import drawn

PICTURES = Path(__file__).parent / "pictures"
_TILE = 288


def photograph(folder: Path) -> Page:
    """A photograph, why it is what it is, and why that rather than something like it."""
    path, other = folder / "images" / "coffee.png", "cup"
    model = whylight.load(folder / "results.nnp", labels=folder / "labels.txt")
    why = model.explainer()(path, "predicted")
    rather = model.explainer(against=other)(path, "predicted")
    cells = [
        (why.overlay(alpha=0), f"{why.class_name}, {why.probability:.1%}"),
        (why.overlay(), f"why {why.class_name}"),
        (rather.overlay(), f"why {why.class_name} rather than {other}"),
    ]
    return grid([[Cell(image, (_TILE, _TILE), text) for image, text in cells]], _TILE, colormap="jet")


def methods(folder: Path) -> Image.Image:
    """One photograph, explained by all methods of one pass."""
    path = folder / "images" / "coffee.png"
    return whylight.compare(folder / "results.nnp", path, labels=folder / "labels.txt").picture(columns=7, tile=150)


def comparison(folder: Path) -> Image.Image:
    """A figure of several methods, with a class name in two scripts."""
    names = [name.replace("espresso", "エスプレッソ espresso") for name in whylight.read_labels(folder / "labels.txt")]
    chosen = ["gradcam", "layercam", "cam", "eigencam", "kpca-cam", "fem", "fullgrad"]
    compared = whylight.compare(folder / "results.nnp", folder / "images" / "coffee.png", methods=chosen, labels=names)
    return compared.picture(columns=4, tile=180, title=True, legend=True, colormap="magma")


def reports(folder: Path, languages: dict[str, str]) -> None:
    """The page of a folder of photographs, as two commands make it: pictures by the browser's language."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        photos = Path(temporary) / "旅の写真 photos"
        photos.mkdir()
        for name, copy in (("chelsea", "猫"), ("coffee", "朝のコーヒー"), ("rocket", "rocket at dusk")):
            shutil.copy(folder / "images" / f"{name}.png", photos / f"{copy}.png")
        table, page = photos / "gradcam.csv", photos / "report.html"
        whylight.explain_dataset(folder / "results.nnp", photos, table, labels=folder / "labels.txt")
        whylight.write_report(table, page)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox"])
        for language, picture in languages.items():
            view = browser.new_context(locale=language, viewport={"width": 720, "height": 620}).new_page()
            view.goto(page.as_uri())
            view.locator(".card img").last.wait_for()
            view.wait_for_timeout(500)  # until the last image is drawn
            view.screenshot(path=PICTURES / picture)
        browser.close()


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    drawn(photograph(Path(sys.argv[1]))).save(PICTURES / "photograph.png", optimize=True)
    with tempfile.TemporaryDirectory() as temporary:
        run_demo(Path(temporary))
        Image.open(Path(temporary) / "cluttered_digits.png").save(PICTURES / "cluttered_digits.png", optimize=True)
    comparison(Path(sys.argv[1])).save(PICTURES / "comparison.png", optimize=True)
    methods(Path(sys.argv[1])).save(PICTURES / "methods.jpg", quality=85)
    reports(Path(sys.argv[1]), {"en-US": "report.png", "ja-JP": "report.ja.png"})
