"""ONNX Runtime Web: fetched once from an npm registry, kept in the cache, and the same bytes for everyone."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.web import web_file
from whylight.files.writing import replacing
from whylight.running.cache import folder

VERSION = "1.30.0"
_PACKAGE = "onnxruntime-web"
_INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""The package's SHA-512, as npm's lock files have it: whoever serves it, it is this one or none."""
_REGISTRY = "https://registry.npmjs.org"
_REGISTRY_VARIABLES = ("NPM_CONFIG_REGISTRY", "npm_config_registry")

LICENSE = f"""ONNX Runtime Web {VERSION}, https://github.com/microsoft/onnxruntime

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""  # fmt: skip
"""Of the runtime: the package names its license, and does not hold the text."""


@dataclass(frozen=True)
class Runtime:
    """One build of the runtime.

    Attributes:
        module: the name of its JavaScript module.
        binary: the name of its WebAssembly file, which the module looks for beside it.
    """

    module: str
    binary: str


WASM = Runtime("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = Runtime("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
"""The one that knows graphics processors is twice as large: a page asks for it where there is one."""


def runtime_files(*runtimes: Runtime) -> dict[str, bytes]:
    """The files of some builds, by their names, from the package in the cache, or fetched into it.

    The package is looked for at npm's registry, or at the one that npm's own variable ``NPM_CONFIG_REGISTRY`` names.

    Raises:
        WhylightError: it cannot be fetched, or is not the one that whylight was tested with.
    """
    wanted = {name for runtime in runtimes for name in (runtime.module, runtime.binary)}
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(_package()), mode="r|gz") as archive:  # from front to back, once
        for member in archive:
            name = member.name.removeprefix("package/dist/")
            if name in wanted and (file := archive.extractfile(member)):
                found[name] = file.read()
            if len(found) == len(wanted):
                break
    return found


def _package() -> bytes:
    """The package's content; one in the cache that is not what it should be is fetched again."""
    kept = folder() / f"{_PACKAGE}-{VERSION}.tgz"
    with suppress(OSError):
        content = kept.read_bytes()
        if _is_whole(content):
            return content
    registry = next((os.environ[name] for name in _REGISTRY_VARIABLES if os.environ.get(name)), _REGISTRY)
    url = f"{registry.rstrip('/')}/{_PACKAGE}/-/{_PACKAGE}-{VERSION}.tgz"
    try:
        content = web_file(url).read_bytes()
    except WhylightError as error:
        raise WhylightError(
            f"{error}: expected the npm package {_PACKAGE} {VERSION}; 'npm pack {_PACKAGE}@{VERSION}' fetches it, "
            f"and it is taken from {kept}"
        ) from error
    if not _is_whole(content):
        raise WhylightError(f"{url}: not the npm package {_PACKAGE} {VERSION}: its SHA-512 is another one")
    _keep(content, kept)
    return content


def _is_whole(content: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(content).digest()).decode() == _INTEGRITY


def _keep(content: bytes, path: Path) -> None:
    """For the next page; where that cannot be done it is fetched again."""
    with suppress(WhylightError), replacing(path) as file:
        file.write(content)
