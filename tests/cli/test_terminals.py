"""The program on terminals and pipes of all kinds, and what it leaves behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reading.nnp.networks import small_classifier

NAMES = ("猫", "café", "→ dog")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a model, an image and names of its classes, and a home without anything."""
    small_classifier(tmp_path / "results.nnp")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "image.png")
    (tmp_path / "labels.txt").write_text("\n".join(NAMES), "utf-8")
    (tmp_path / "output_result.csv").write_text("x:image,y:label\nimage.png,0\nimage.png,1\n", "utf-8")
    (tmp_path / "home").mkdir()
    return tmp_path


def program(here: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    """The program in a process of its own, with an environment of its own."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "SYSTEMROOT")}
    home = {name: str(here / "home") for name in ("HOME", "USERPROFILE", "LOCALAPPDATA")}
    command = [sys.executable, "-m", "whylight", *arguments]
    return subprocess.run(command, cwd=here, env=kept | home | variables, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "ascii:strict"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("gradcam", "--image", "image.png", "--labels", "labels.txt"),
        ("evaluate", "--metrics", "insertion", "--methods", "gradcam"),
        ("methods",),
        ("gradcam", "--image", "猫.png"),
        ("gradcam", "--help"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_cannot_be_shown_is_replaced(here: Path, arguments: tuple[str, ...], encoding: str) -> None:
    done = program(here, *arguments, PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert b"Traceback" not in done.stderr
    assert done.returncode == (2 if "猫.png" in arguments else 0), done.stderr


def test_json_loses_nothing_where_the_pipe_takes_ascii_alone(here: Path) -> None:
    command = ("gradcam", "--image", "image.png", "--labels", "labels.txt", "--json")
    for encoding in ("ascii", "cp1252", "utf-8"):
        done = program(here, *command, PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode(encoding))["class_name"] == NAMES[0], encoding


def test_nothing_but_its_own_cache_is_left_in_the_users_folders(here: Path) -> None:
    for _ in range(2):  # from the compiler, then from the cache
        assert program(here, "gradcam", "--image", "image.png").returncode == 0
    left = [path.relative_to(here / "home").parts for path in (here / "home").rglob("*") if path.is_file()]
    assert left
    assert {part for parts in left for part in parts if part.lower() in ("microsoft", "whylight")} == {"whylight"}
    assert all("whylight" in parts for parts in left), left
