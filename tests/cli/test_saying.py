"""How much is said beside a result."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reading.nnp.networks import small_classifier
from whylight.cli import main
from whylight.cli import progress as shown


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a model and an animation, whose first frame is taken with a warning."""
    small_classifier(tmp_path / "results.nnp")
    random = np.random.default_rng(0)
    frames = [Image.fromarray(random.integers(0, 255, (8, 8), np.uint8)) for _ in range(2)]
    frames[0].save(tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))


def said(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, str]:
    assert main(["gradcam", "--image", "image.gif", *options]) == 0
    found = capsys.readouterr()
    return found.out, found.err


def test_quiet_says_results_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    usual = said(capsys)
    assert "warning: image.gif: an animation" in usual[1]
    assert said(capsys, "-q") == (usual[0], "")
    assert main(["gradcam", "--image", "missing.png", "-q"]) == 2
    assert "missing.png" in capsys.readouterr().err


def test_verbose_says_what_was_chosen_and_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    first, again = said(capsys, "-v")[1], said(capsys, "--verbose")[1]
    assert "results.nnp: the explainer was compiled in " in first
    assert "results.nnp: the explainer is kept in " in again
    for text in (first, again):
        assert "whylight: device: auto" in text
        assert "whylight: gradcam took 0." in text


def test_many_passes_of_one_image_say_how_far_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "_SILENCE", 0.01)
    out, err = said(capsys, "--method", "rise")
    assert "whylight: explaining: " in err
    assert " passes after " in err
    assert "layer " not in out, "it looks at none"
    assert said(capsys, "--method", "rise", "-q")[1] == ""


def test_either_quiet_or_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradcam", "--image", "image.gif", "-q", "-v"]) == 2
    assert "not allowed with" in capsys.readouterr().err
