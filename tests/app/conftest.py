"""An app over a copy of the bundled digits, called as programs call it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from samples import BUNDLED

if TYPE_CHECKING:
    from starlette.testclient import TestClient

ADDRESS = "http://127.0.0.1:8760"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A result folder: model, table and images."""
    return Path(shutil.copytree(BUNDLED / "mnist", tmp_path / "mnist"))


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A client of the app of that folder."""
    pytest.importorskip("fastapi")
    from starlette.testclient import TestClient

    from whylight.app.options import AppOptions
    from whylight.app.server import create_app

    with TestClient(create_app(folder, AppOptions(), tmp_path / "cache"), base_url=ADDRESS) as found:
        yield found
