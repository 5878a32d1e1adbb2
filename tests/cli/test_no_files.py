"""Devices, pipes, sockets, folders and what a system says of itself, in the place of each file: one line, at once."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reading.nnp.networks import small_classifier
from whylight.cli import main

SECONDS = 20

COMMANDS = [
    "gradcam -m FOUND.onnx image.png",
    "gradcam -m FOUND.nnp image.png",
    "gradcam -m FOUND.nntxt image.png",
    "gradcam -m FOUND.pt2 image.png",
    "gradcam -m loose.nntxt --parameters FOUND.h5 image.png",
    "gradcam -m loose.nntxt --parameters FOUND.protobuf image.png",
    "gradcam FOUND.png",
    "gradcam FOUND.npy",
    "gradcam FOUND.csv",
    "gradcam FOUND.dcm",
    "gradcam FOUND.mp4",
    "gradcam image.png --labels FOUND.txt",
    "gradcam image.png --labels FOUND.json",
    "gradcam image.png --fix x=FOUND.npy",
    "compare FOUND.onnx image.png",
    "compare results.nnp FOUND.png",
    "gradcam-batch -i FOUND.csv",
    "gradcam-batch -m FOUND.nnp -i data.csv",
    "gradcam-batch -i images.csv",
    "gradcam-batch -i labels.csv",
    "gradcam-batch -i data.csv --labels FOUND.txt",
    "report FOUND.csv",
    "report data.csv --labels FOUND.txt",
    "evaluate -m FOUND.nnp -i data.csv",
    "evaluate -i FOUND.csv",
    "evaluate -i images.csv --methods gradcam --metrics sparsity",
    "evaluate -i masks.csv --methods gradcam --metrics pointing_game --mask_variable mask",
    "evaluate -i data.csv --maps a=FOUND.csv",
    "sanity FOUND.nnp",
    "sanity results.nnp --image FOUND.png",
    "inspect FOUND.onnx",
    "inspect FOUND.nnp",
    "convert FOUND.onnx",
    "convert FOUND.nnp",
    "compile FOUND.onnx",
    "compile FOUND.nnp",
    "compile FOUND.h5",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model, an image and tables that name what is no file; what blocks is stopped."""
    small_classifier(tmp_path / "results.nnp")
    (tmp_path / "loose.nntxt").write_text("network { name: 'n' }")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "image.png")
    (tmp_path / "data.csv").write_text("x,y\nimage.png,0\n")
    (tmp_path / "images.csv").write_text("x,y\nFOUND.png,0\n")
    (tmp_path / "labels.csv").write_text("x,y\nimage.png,FOUND.npy\n")
    (tmp_path / "masks.csv").write_text("x,y,mask\nimage.png,0,FOUND.png\n")
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _too_long(*_: object) -> None:
    raise KeyboardInterrupt(f"more than {SECONDS} seconds")  # which nobody takes for a fault of a file


def put(kind: str, path: Path) -> None:
    """Something that is no file, or none that ends, at that path."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            held = socket.socket(socket.AF_UNIX)
            before = Path.cwd()
            os.chdir(path.parent)  # names of sockets are short
            held.bind(path.name)
            os.chdir(before)
            held.close()
        case "folder":
            path.mkdir()
        case link:
            path.symlink_to(link)


KINDS = ["pipe", "socket", "folder", "/dev/zero", "/dev/tty", "/proc/self/pagemap"]


@pytest.mark.skipif(os.name == "nt", reason="there are none")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_at_once(here: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str) -> None:
    for ending in ("onnx", "nnp", "nntxt", "pt2", "h5", "protobuf", "png", "npy", "csv", "dcm", "mp4", "txt", "json"):
        put(kind, here / f"FOUND.{ending}")
    assert main([*command.split(), "-q"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert "FOUND" in said.err
    expected = ("not a file", "is a folder", "is empty", "cannot be read", "no image", "several", "JSON", "expected")
    assert any(word in said.err for word in expected), said.err
