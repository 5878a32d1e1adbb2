"""What imports what: the contract that `make lint` checks, and that it finds what is against it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import whylight
from reading.nnp.networks import small_classifier
from whylight.cli import main

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "whylight"
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache', '--no-logo'])"

pytest.importorskip("importlinter")


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Check the package in the folder's ``src`` by the contract in its ``pyproject.toml``."""
    code = f"import sys; sys.path.insert(0, 'src'); {LINT}"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(SOURCE, tmp_path / "src" / "whylight", ignore=shutil.ignore_patterns("__pycache__", "samples"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_source_keeps_its_contract(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("files/png.py", "import whylight.images.pictures", "whylight.files is not allowed to import whylight.images"),
        ("classifier/layer.py", "import whylight.cli", "whylight.classifier is not allowed to import whylight.cli"),
        ("trust/metrics.py", "import whylight.report", "whylight.trust is not allowed to import whylight.report"),
        ("errors.py", "import whylight", "whylight.errors is not allowed to import whylight.api"),
        ("running/session.py", "import onnx", "whylight.running is not allowed to import onnx"),
        ("running/maps.py", "import whylight.graph.builder", "whylight.running is not allowed to import onnx"),
        ("methods/axes.py", "import onnx", "whylight.methods is not allowed to import onnx"),
        ("images/arrays.py", "import h5py", "whylight.images is not allowed to import h5py"),
        ("graph/tensor.py", "import whylight.graph.inference", "No cycles are allowed in whylight.graph"),
    ],
)
def test_what_is_against_the_contract_is_named(copy: Path, module: str, line: str, broken: str) -> None:
    path = copy / "src" / "whylight" / module
    path.write_text(path.read_text() + f"\n\ndef late() -> None:\n    {line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert broken in done.stdout


def test_a_new_stage_is_given_its_place(copy: Path) -> None:
    (copy / "src" / "whylight" / "attic.py").write_text("")
    done = lint(copy)
    assert done.returncode == 1
    assert "attic" in done.stdout


def test_at_most_ten_modules_lie_flat() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= 10


def test_running_a_compiled_file_needs_no_library_that_reads_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small_classifier(tmp_path / "results.nnp")
    Image.new("L", (8, 8), 99).save("image.png")
    assert main(["compile", "results.nnp", "--method", "gradcam", "--output", "explainer.onnx"]) == 0
    code = (
        "import sys, whylight; whylight.Explainer('explainer.onnx')('image.png', 1).overlay().save('overlay.png');"
        "print({'onnx', 'google.protobuf', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with Image.open("overlay.png") as overlay:
        assert overlay.size == (8, 8)
    assert whylight.Explainer("explainer.onnx").device == "cpu"
