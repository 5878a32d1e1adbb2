"""Pages for a browser: ONNX Runtime Web as npm has installed it for the example, and a server of files."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from whylight.web.runtime import Runtime

INSTALLED = Path(__file__).parents[2] / "examples" / "web" / "node_modules" / "onnxruntime-web" / "dist"

needs_runtime = pytest.mark.skipif(not INSTALLED.is_dir(), reason="npm ci --prefix examples/web was not run")


def installed_files(*runtimes: Runtime) -> dict[str, bytes]:
    """In place of `whylight.web.runtime.runtime_files`: the same bytes, without a registry."""
    names = (name for runtime in runtimes for name in (runtime.module, runtime.binary))
    return {name: (INSTALLED / name).read_bytes() for name in names}


class _Files(SimpleHTTPRequestHandler):
    isolated = False

    def log_message(self, *_: Any) -> None:
        pass

    def end_headers(self) -> None:
        if self.isolated:
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


@contextmanager
def served(folder: Path, isolated: bool = False) -> Iterator[str]:
    """The address of a folder, as a plain server of files gives it; or with what lets a page have threads."""
    kind = type("Handler", (_Files,), {"isolated": isolated})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
