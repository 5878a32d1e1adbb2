"""Files behind http, from a server on this machine."""

import functools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

import whylight
from samples import BUNDLED, evaluation
from whylight.errors import WhylightError
from whylight.files import web
from whylight.files.storage import location
from whylight.files.web import WebFile, web_file

MNIST = BUNDLED / "mnist"


class Files(SimpleHTTPRequestHandler):
    """A folder's files, an answer that never ends, and one that leads elsewhere."""

    def do_GET(self) -> None:
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(2**16))
            except OSError:
                return
        elif self.path == "/drops":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100):
                    self.wfile.write(b".")
                    time.sleep(0.1)
            except OSError:
                return
        elif self.path == "/half":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.close_connection = True
        elif self.path == "/nonsense":
            self.wfile.write(b"nonsense\r\n\r\n")
            self.close_connection = True
        elif self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Silent(BaseHTTPRequestHandler):
    """Takes a request, and does not answer."""

    def do_GET(self) -> None:
        threading.Event().wait(5)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serving(handler: object) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)  # type: ignore[arg-type]
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "site").mkdir()
    yield from serving(functools.partial(Files, directory=str(tmp_path / "site")))


def test_an_image_behind_a_url_is_explained_as_the_file_is(site: str, tmp_path: Path) -> None:
    images, labels, _ = evaluation(MNIST / "output_result.csv")
    (tmp_path / "site" / "写真 1.png").write_bytes(images[0].read_bytes())
    explainer = whylight.explainer(MNIST / "results.nnp", cache=False)
    expected = explainer(images[0], int(labels[0]))
    for url in (f"{site}/写真 1.png", f"{site}/%E5%86%99%E7%9C%9F%201.png", f"{site}/写真 1.png?width=28#top"):
        assert explainer(url, int(labels[0])).score == expected.score, url


def test_a_table_behind_a_url_and_urls_in_a_table(site: str, tmp_path: Path) -> None:
    images, labels, _ = evaluation(MNIST / "output_result.csv")
    (tmp_path / "site" / "a #1.png").write_bytes(images[0].read_bytes())
    (tmp_path / "site" / "data.csv").write_text(f"x,y\na #1.png,{labels[0]}\n")
    (tmp_path / "local.csv").write_text(f"x,y\n{site}/a%20%231.png,{labels[0]}\n")
    (tmp_path / "files.csv").write_text(f"x,y\n{images[0].resolve()},{labels[0]}\n")
    overlays = []
    for name, table in (("a", f"{site}/data.csv"), ("b", tmp_path / "local.csv"), ("c", tmp_path / "files.csv")):
        output = tmp_path / name / "gradcam.csv"
        assert whylight.explain_dataset(MNIST / "results.nnp", table, output, columns="predicted").explained == 1
        overlays.append((output.with_suffix("") / "0000" / "0.png").read_bytes())
    assert overlays[0] == overlays[1] == overlays[2]
    assert whylight.write_report(tmp_path / "b" / "gradcam.csv", tmp_path / "b" / "report.html").rows == 1
    assert (tmp_path / "b" / "report_files" / "0000" / "0.webp").is_file()


def test_urls_are_images_among_others(site: str, tmp_path: Path) -> None:
    Image.new("L", (28, 28), 90).save(tmp_path / "site" / "a.png")
    Image.new("L", (28, 28), 90).save(tmp_path / "b.png")
    dataset = whylight.open_dataset([f"{site}/a.png", str(tmp_path / "b.png")])
    assert [type(dataset.image(row, (0,))).__name__ for row in dataset.rows()] == ["WebFile", type(tmp_path).__name__]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.png", "none.png: cannot be fetched: 404 File not found"),
        ("endless", "endless: cannot be fetched: more than 1 MiB"),
        ("elsewhere", "elsewhere: cannot be fetched: 302"),
    ],
)
def test_what_cannot_be_fetched_is_said(site: str, path: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_LARGEST", 2**20)
    with pytest.raises(WhylightError, match=message) as caught:
        whylight.explainer(MNIST / "results.nnp", cache=False)(f"{site}/{path}")
    assert str(caught.value).startswith(site)


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(web, "_PATIENCE", 0.2)
    silent = serving(Silent)
    with pytest.raises(WhylightError, match="cannot be fetched: timed out"):
        web_file(f"{next(silent)}/a.png").read_bytes()
    next(silent, None)
    with pytest.raises(WhylightError, match="cannot be fetched: Connection refused"):
        web_file("http://127.0.0.1:9/a.png").read_bytes()


@pytest.mark.parametrize(
    ("url", "name", "suffix"),
    [
        ("https://example.org/a/猫.JPG?x=1", "猫.JPG", ".JPG"),
        ("http://example.org", "index", ""),
        ("https://日本.example/a b.png", "a b.png", ".png"),
    ],
)
def test_a_url_has_a_name(url: str, name: str, suffix: str) -> None:
    file = web_file(url)
    assert (file.name, file.suffix) == (name, suffix)
    assert file.url.isascii()
    assert " " not in file.url
    assert web_file(file.url) == file


def test_what_is_beside_a_file() -> None:
    assert web_file("https://example.org/a/data.csv").parent / "b c.png" == WebFile("https://example.org/a/b%20c.png")


@pytest.mark.parametrize("url", ["http://", "https:///a.png", "http://[::1/a.png"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(WhylightError, match="not a URL"):
        location(url)


def test_nothing_is_written_to_the_web(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="cannot be written: expected a file of this machine"):
        whylight.explain_dataset(MNIST / "results.nnp", MNIST / "output_result.csv", "https://example.org/gradcam.csv")
    with pytest.raises(WhylightError, match="a URL: expected a file of this machine; download it first"):
        whylight.load("https://example.org/model.onnx")


@pytest.mark.parametrize("name", ["half", "nonsense"])
def test_answers_that_are_no_http(site: str, name: str) -> None:
    with pytest.raises(WhylightError, match=rf"/{name}: cannot be fetched: "):
        web_file(f"{site}/{name}").read_bytes()


def test_an_answer_that_comes_in_drops_has_an_end(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drop comes in time, and all of it never."""
    monkeypatch.setattr(web, "_DEADLINE", 0.5)
    started = time.monotonic()
    with pytest.raises(WhylightError, match="not all of it came"):
        web_file(f"{site}/drops").read_bytes()
    assert time.monotonic() - started < 5
