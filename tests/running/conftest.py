"""A folder to run in, and a cache of its own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reading.nnp.networks import small_classifier


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with a model and an image."""
    small_classifier(tmp_path / "results.nnp")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path
