"""The page that explains in the browser: its size, and how long the first and later explanations take.

    python benchmarks/page.py MODEL IMAGE IMAGE... [--labels FILE] [--repeat 5]

Chromium opens the page from a server on this machine, with and without threads, and from the disk. The first time is
from the opening of the page to the map of its first image; later ones are those that the page states, of other classes.
"""

import argparse
import functools
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import whylight

_ASK = """
async ([index]) => {
  const field = document.querySelector(".panel-answers input");
  field.value = String(index);
  field.dispatchEvent(new Event("change"));
  const body = document.getElementById("panel-body");
  while (body.getAttribute("aria-busy") === "true") await new Promise((next) => setTimeout(next, 5));
  return document.querySelector(".panel-status").textContent;
}
"""


class _Quiet(SimpleHTTPRequestHandler):
    isolated = False

    def log_message(self, *_: Any) -> None:
        pass

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@contextmanager
def served(folder: Path, isolated: bool) -> Iterator[str]:
    kind = type("Handler", (_Quiet,), {"isolated": isolated})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def measure(page: Page, address: str, repeat: int) -> tuple[float, float]:
    """Seconds to the first map, and the median of those of later ones."""
    page.set_default_timeout(300_000)
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(".panel-guess")
    first = time.perf_counter() - started
    said = [page.evaluate(_ASK, [index]) for index in range(repeat)]
    return first, statistics.median(float(text.split(" ")[0]) for text in said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("image", nargs="+")
    parser.add_argument("--labels")
    parser.add_argument("--method", default="gradcam,layercam")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as driver:
        folder = Path(temporary)
        known: dict[str, Any] = {"image": arguments.image, "labels": arguments.labels}
        page = whylight.write_page(arguments.model, folder / "page", arguments.method, **known)
        single = whylight.write_page(arguments.model, folder / "page.html", arguments.method, single=True, **known)
        print(f"folder: {page.bytes / 1e6:.1f} MB, of which a browser without WebGPU loads {page.loaded / 1e6:.1f}")
        print(f"single: {single.bytes / 1e6:.1f} MB")
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        for name, isolated in (("server", False), ("server, threads", True)):
            with served(folder / "page", isolated) as address:
                first, later = measure(browser.new_context().new_page(), address, arguments.repeat)
                print(f"{name}: first {first:.2f} s, later {1000 * later:.0f} ms")
        address = (folder / "page.html").as_uri()
        first, later = measure(browser.new_context().new_page(), address, arguments.repeat)
        print(f"single file: first {first:.2f} s, later {1000 * later:.0f} ms")


if __name__ == "__main__":
    main()
