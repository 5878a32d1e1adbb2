"""What all tests share."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or fills the cache of the person who runs it."""
    folder: Path = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("WHYLIGHT_CACHE", str(folder))


@pytest.fixture(autouse=True)
def nobody_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test registers has no part in what another one keeps."""
    monkeypatch.setattr("whylight.registry._OUTSIDE", set())
