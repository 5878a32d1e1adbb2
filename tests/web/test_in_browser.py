"""The page in a real browser, from a server of files and from the disk: what it shows is what Python computes."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from onnx_samples import HEIGHT, WIDTH, cnn
from samples import BUNDLED, SHARED, needs_shared
from web.pages import installed_files, needs_runtime, served
from whylight.methods import methods

playwright = pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser, Page, expect  # noqa: E402 (it may be missing)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium", path="/usr/bin")
expect.set_options(timeout=60_000)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
CLUTTERED = BUNDLED / "cluttered_digits"
HOSTILE = '</script><img src=x onerror="window.broken = 1"><b title=\'"&'
OWN_WORD = "No available adapters."
"""What Chromium says where a page asks for a graphics processor and there is none."""

pytestmark = [needs_runtime, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must say nothing in its console, and ask nobody but the one that it comes from."""
    problems: list[str] = []
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.on("console", lambda message: None if message.text == OWN_WORD else problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    own = ("file:", "blob:", "data:", "http://127.0.0.1:")
    page.on("request", lambda request: None if request.url.startswith(own) else problems.append(request.url))
    page.set_default_timeout(60_000)
    yield page
    context.close()
    assert problems == []


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.web.page.runtime_files", installed_files)


class Shown:
    """A page that was opened, and what a person does with it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        expect(page.locator("#notice")).to_contain_text("WebAssembly")

    def give(self, image: Path) -> None:
        self.page.set_input_files("#image", image)
        expect(self.page.locator("#panel-title")).to_have_text(image.name)
        self.settled()

    def settled(self) -> None:
        expect(self.page.locator("#panel-body")).to_have_attribute("aria-busy", "false")

    def field(self, label: str) -> Any:
        return self.page.locator(f".panel-field:has(> span:text-is('{label}'))").locator("input, select")

    def ask(self, label: str, value: str) -> None:
        field = self.field(label)
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
            field.press("Enter")
        self.settled()

    def map(self) -> np.ndarray[Any, Any]:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Map as NPY").click()
        found: np.ndarray[Any, Any] = np.load(download.value.path())
        return found

    def top(self) -> list[tuple[str, float]]:
        """Names and percentages of the most probable classes, as they are written."""
        rows = [row.inner_text().split("\n") for row in self.page.locator(".panel-guess").all()]
        return [(row[0], float(row[-1].rstrip("%"))) for row in rows]


@pytest.fixture
def opened(page: Page, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Opens the page of a model, from a server or from the disk."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def open_page(model: Any, source: str = "server", isolated: bool = False, **options: Any) -> Shown:
            if source == "disk":
                whylight.write_page(model, tmp_path / "page.html", single=True, **options)
                return Shown(page, (tmp_path / "page.html").as_uri())
            whylight.write_page(model, tmp_path / "page", **options)
            return Shown(page, stack.enter_context(served(tmp_path / "page", isolated)))

        yield open_page


def fitting(classifier: Any) -> list[str]:
    """The methods of one pass that explain a model."""
    found = []
    for name, method in methods().items():
        if method.driver is None:
            try:
                classifier.explainer(name)
            except whylight.WhylightError:
                continue  # it is for another architecture
            found.append(name)
    return found


# ---- the maps are those of Python


@pytest.mark.parametrize("source", ["server", "disk"])
def test_each_method_of_one_pass_gives_the_map_of_python(opened: Any, source: str) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    names = fitting(classifier)
    assert len(names) > 10
    assert "gradcam" in names
    shown = opened(classifier, source, methods=names)
    image = CLUTTERED / "images" / "0003.png"
    shown.give(image)
    shown.ask("Class", "7")
    for name in names:
        shown.ask("Method", name)
        np.testing.assert_allclose(shown.map(), classifier.explainer(name)(image, 7).cam, atol=1e-3, err_msg=name)


def test_pictures_of_other_sizes_are_resized_as_in_python(opened: Any, tmp_path: Path) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    shown = opened(classifier)
    for number, size in enumerate([(150, 97), (31, 200), (20, 30)]):
        with Image.open(CLUTTERED / "images" / "0003.png") as picture:
            picture.resize(size, Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
        shown.give(tmp_path / f"{number}.png")
        shown.ask("Class", "7")
        expected = classifier.explainer()(tmp_path / f"{number}.png", 7)
        np.testing.assert_allclose(shown.map(), expected.cam, atol=1e-3)


@pytest.mark.parametrize("source", ["server", "disk"])
def test_gray_digits(opened: Any, source: str) -> None:
    classifier = whylight.load(BUNDLED / "mnist" / "results.nnp")
    shown = opened(classifier, source, methods="gradcam,layercam,input-x-gradient")
    explainers = {name: classifier.explainer(name) for name in ("gradcam", "layercam", "input-x-gradient")}
    for image in sorted((BUNDLED / "mnist").rglob("*.png"))[:3]:
        shown.give(image)
        for name, explainer in explainers.items():
            shown.ask("Method", name)
            expected = explainer(image)
            np.testing.assert_allclose(shown.map(), expected.cam, atol=1e-3)
            assert [one for one, _ in shown.top()] == [str(index) for index, _ in expected.top]
            probabilities = [100 * probability for _, probability in expected.top]
            np.testing.assert_allclose([share for _, share in shown.top()], probabilities, atol=0.06)


@needs_shared
@pytest.mark.parametrize("source", ["server", "disk"])
def test_photographs_with_efficientnet_lite0(opened: Any, source: str) -> None:
    folder = SHARED / "samples" / "imagenet"
    classifier = whylight.load(folder / "results.nnp", labels="imagenet")
    names = ("gradcam", "layercam", "gradcam++")
    shown = opened(classifier, source, methods=names)
    explainers = {name: classifier.explainer(name) for name in names}
    for image in sorted((folder / "images").glob("*.png"))[:2]:
        shown.give(image)
        for name, explainer in explainers.items():
            shown.ask("Method", name)
            expected = explainer(image)
            np.testing.assert_allclose(shown.map(), expected.cam, atol=1e-3)
            assert shown.top()[0][0] == classifier.class_names[expected.predicted]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["Rgb8", "Bgr8"])
def test_pixels_are_normalized_as_the_model_says(opened: Any, tmp_path: Path, layout: str, order: str) -> None:
    model = cnn(layout=layout)
    onnx.helper.set_model_props(model, {"Image.BitmapPixelFormat": order, "Image.NominalPixelRange": "Normalized_0_1"})
    onnx.save(model, tmp_path / "model.onnx")
    known: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    pixels = np.random.default_rng(0).integers(0, 256, (3 * HEIGHT, WIDTH + 5, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    shown = opened(tmp_path / "model.onnx", **known)
    shown.give(tmp_path / "image.png")
    shown.ask("Class", "2")
    expected = whylight.explainer(tmp_path / "model.onnx", **known)(tmp_path / "image.png", 2)
    np.testing.assert_allclose(shown.map(), expected.cam, atol=1e-3)
    own = next(share for name, share in shown.top() if name == "2")
    assert own == pytest.approx(100 * expected.probability, abs=0.06)


def test_a_model_of_a_fixed_batch(opened: Any, tmp_path: Path) -> None:
    onnx.save(cnn(batch=3), tmp_path / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    shown = opened(tmp_path / "model.onnx", input_range=1)
    shown.give(tmp_path / "image.png")
    expected = whylight.explainer(tmp_path / "model.onnx", input_range=1)(tmp_path / "image.png")
    np.testing.assert_allclose(shown.map(), expected.cam, atol=1e-3)


def test_a_page_that_may_have_threads_has_them(opened: Any) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    shown = opened(classifier, isolated=True)
    image = CLUTTERED / "images" / "0001.png"
    shown.give(image)
    cores = shown.page.evaluate("() => navigator.hardwareConcurrency")
    expect(shown.page.locator("#notice")).to_contain_text(f"threads: {min(cores, 8)}")
    np.testing.assert_allclose(shown.map(), classifier.explainer()(image).cam, atol=1e-3)


@pytest.mark.parametrize("turns", [True, False])
def test_photographs_are_turned_as_the_model_says(opened: Any, tmp_path: Path, turns: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    # of squares of one color, which all decoders of JPEG read alike
    blocks = np.random.default_rng(1).integers(0, 256, (8, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    Image.fromarray(blocks).save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    classifier = whylight.load(CLUTTERED / "results.nnp", exif_orientation=turns)
    shown = opened(classifier)
    shown.give(tmp_path / "turned.jpg")
    expected = classifier.explainer()(tmp_path / "turned.jpg")
    np.testing.assert_allclose(shown.map(), expected.cam, atol=2e-2)
    size = shown.page.locator(".panel-image").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert size == ([128, 64] if turns else [64, 128])


# ---- what a person asks


def test_layers_and_methods_are_chosen_without_another_run(opened: Any) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    layers = ["@MainRuntime/ReLU_2", "@MainRuntime/ReLU_3"]
    shown = opened(classifier, methods="gradcam,layercam,gradient", layer=layers)
    image = CLUTTERED / "images" / "0002.png"
    shown.give(image)
    for layer in layers:
        shown.ask("Layer", layer)
        for name in ("layercam", "gradcam"):
            shown.ask("Method", name)
            np.testing.assert_allclose(shown.map(), classifier.explainer(name, layer=layer)(image).cam, atol=1e-3)
    shown.ask("Method", "gradient")
    assert shown.field("Layer").is_disabled()
    np.testing.assert_allclose(shown.map(), classifier.explainer("gradient")(image).cam, atol=1e-3)


def test_classes_are_asked_by_name_and_what_is_none_is_said(opened: Any) -> None:
    names = ["ant", "bee, honeybee", HOSTILE, *(f"class {index}" for index in range(3, 10))]
    classifier = whylight.load(CLUTTERED / "results.nnp", labels=names)
    shown = opened(classifier)
    image = CLUTTERED / "images" / "0001.png"
    shown.give(image)
    shown.ask("Class", "HoneyBee")
    expect(shown.page.locator(".panel-decision")).to_contain_text("bee, honeybee")
    np.testing.assert_allclose(shown.map(), classifier.explainer()(image, 1).cam, atol=1e-3)
    shown.ask("Class", "10")
    expect(shown.page.locator(".panel-status")).to_have_text("Class 10 is out of range: the model has classes 0 to 9")
    shown.ask("Class", "wasp")
    expect(shown.page.locator(".panel-status")).to_contain_text("No class 'wasp'")
    assert shown.page.evaluate("() => window.broken") is None


def test_what_is_covered_changes_the_probabilities(opened: Any, tmp_path: Path) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    shown = opened(classifier)
    image = CLUTTERED / "images" / "0001.png"
    shown.give(image)
    shown.page.get_by_role("button", name="Cover a region").click()
    expect(shown.page.locator("b.covered").first).to_be_visible()
    found = [float(one.inner_text().rstrip("%")) for one in shown.page.locator("b.covered").all()]
    # the region that it begins with: from 0.4 to 0.6 in both directions
    pixels = np.array(Image.open(image).convert("RGB"))
    height, width = pixels.shape[:2]
    rows, columns = slice(round(0.4 * height), round(0.6 * height)), slice(round(0.4 * width), round(0.6 * width))
    pixels[rows, columns] = pixels.reshape(-1, 3).mean(0).round()
    explainer = classifier.explainer()
    probabilities = explainer.probabilities(explainer.inputs([explainer.picture(pixels)]))[0]
    expected = [100 * probabilities[index] for index, _ in explainer(image).top]
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_images_are_dropped_pasted_and_taken_by_the_camera(opened: Any) -> None:
    shown = opened(whylight.load(CLUTTERED / "results.nnp"))
    content = list((CLUTTERED / "images" / "0001.png").read_bytes())
    for kind, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        shown.page.evaluate(
            """([kind, carrier, content]) => {
                const given = new DataTransfer();
                given.items.add(new File([new Uint8Array(content)], `${kind}.png`, { type: "image/png" }));
                const event = kind === "drop"
                    ? new DragEvent(kind, { [carrier]: given, bubbles: true, cancelable: true })
                    : new ClipboardEvent(kind, { [carrier]: given, bubbles: true });
                document.body.dispatchEvent(event);
            }""",
            [kind, carrier, content],
        )
        expect(shown.page.locator("#panel-title")).to_have_text(f"{kind}.png")
        shown.settled()
    shown.page.get_by_role("button", name="Camera").click()
    shown.page.wait_for_function("() => document.getElementById('camera-video').videoWidth > 0")
    shown.page.get_by_role("button", name="Take the picture").click()
    expect(shown.page.locator("#panel-title")).to_have_text("camera.png")
    shown.settled()
    assert len(shown.top()) == 5


@pytest.mark.parametrize("source", ["server", "disk"])
def test_a_page_begins_with_its_own_images(opened: Any, source: str) -> None:
    classifier = whylight.load(CLUTTERED / "results.nnp")
    images = [str(CLUTTERED / "images" / f"000{number}.png") for number in range(3)]
    shown = opened(classifier, source, image=images)
    expect(shown.page.locator("#panel-title")).to_have_text("0000.png")
    shown.page.get_by_role("button", name="0002.png").click()
    expect(shown.page.locator("#panel-title")).to_have_text("0002.png")
    shown.settled()
    np.testing.assert_allclose(shown.map(), classifier.explainer()(images[2]).cam, atol=1e-3)


def test_what_is_no_image_is_said_and_both_languages_say_it(opened: Any, tmp_path: Path) -> None:
    shown = opened(whylight.load(CLUTTERED / "results.nnp"))
    (tmp_path / "notes.png").write_bytes(b"no image")
    shown.page.set_input_files("#image", tmp_path / "notes.png")
    expect(shown.page.locator("#notice")).to_have_text("notes.png: not an image that this browser reads")
    shown.page.get_by_role("button", name="日本語").click()
    expect(shown.page.get_by_role("button", name="カメラ")).to_be_visible()
    assert shown.page.locator("html").get_attribute("lang") == "ja"


def test_the_picture_is_saved_from_the_page(opened: Any) -> None:
    shown = opened(whylight.load(CLUTTERED / "results.nnp"))
    image = CLUTTERED / "images" / "0001.png"
    shown.give(image)
    with shown.page.expect_download() as download:
        shown.page.get_by_role("button", name="Picture as PNG").click()
    expected = whylight.explain(CLUTTERED / "results.nnp", image, cache=False)
    assert not isinstance(expected, list)
    found = np.array(Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB"), int)
    np.testing.assert_allclose(found, np.array(expected.overlay(), int), atol=3)
