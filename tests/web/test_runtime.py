"""ONNX Runtime Web is fetched once, and nothing but the package that was tested is taken."""

import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from web.pages import served
from whylight.errors import WhylightError
from whylight.running.cache import folder
from whylight.web import runtime
from whylight.web.runtime import VERSION, WASM, WEBGPU, runtime_files

NAME = f"onnxruntime-web-{VERSION}.tgz"
LOCK = Path(__file__).parents[2] / "examples" / "web" / "package-lock.json"


def package(number: int = 0) -> bytes:
    """A package as npm makes them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in ("README.md", WEBGPU.binary, WEBGPU.module, WASM.module, WASM.binary):
            info = tarfile.TarInfo(f"package/dist/{name}")
            data = f"{name} {number}".encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry's folder for the package, and a cache of this test's own."""
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "registry" / "onnxruntime-web" / "-"
    place.mkdir(parents=True)
    (place / NAME).write_bytes(package())
    integrity = base64.b64encode(hashlib.sha512(package()).digest()).decode()
    monkeypatch.setattr(runtime, "_INTEGRITY", integrity)
    return place


def test_it_is_fetched_once_and_then_kept(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "registry") as address:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
        assert runtime_files(WASM)[WASM.binary] == f"{WASM.binary} 0".encode()
    # the server is gone
    assert runtime_files(WASM, WEBGPU).keys() == {WASM.module, WASM.binary, WEBGPU.module, WEBGPU.binary}
    assert (folder() / NAME).read_bytes() == (registry / NAME).read_bytes()


def test_another_package_is_refused(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (registry / NAME).write_bytes(package(1))
    with served(tmp_path / "registry") as address:
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", address)
        with pytest.raises(WhylightError, match="its SHA-512 is another one"):
            runtime_files(WASM)
    assert not (folder() / NAME).exists()


def test_what_was_changed_in_the_cache_is_fetched_again(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (folder() / NAME).write_bytes(package(2))
    with served(tmp_path / "registry") as address:
        monkeypatch.setenv("npm_config_registry", address)
        monkeypatch.delenv("NPM_CONFIG_REGISTRY", raising=False)
        assert runtime_files(WASM)[WASM.module] == f"{WASM.module} 0".encode()


def test_without_a_registry_it_is_said_what_to_do(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(WhylightError, match="'npm pack onnxruntime-web@") as caught:
        runtime_files(WASM)
    assert "\n" not in str(caught.value)


def test_it_is_the_package_that_npm_knows_by_this_version() -> None:
    locked = json.loads(LOCK.read_text("utf-8"))["packages"]["node_modules/onnxruntime-web"]
    assert locked["version"] == VERSION
    assert locked["integrity"] == f"sha512-{runtime._INTEGRITY}"
