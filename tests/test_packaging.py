"""What is built for other people: the wheel, what it holds, and that it works where nothing of the repository is."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import whylight
from whylight.reading.nnp import schema

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, made by the backend that pyproject.toml names."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith("whylight-")}
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=False)
    files = tracked.stdout.split("\n") if tracked.stdout else []
    expected = {name.removeprefix("src/") for name in files if name and (ROOT / name).exists()}
    assert not expected or names == expected
    assert {"whylight/py.typed", "whylight/graph/operators.pyi", "whylight/report/template/page.html"} <= names
    assert Path(schema.__file__).with_name("schema.json").relative_to(SOURCE).as_posix() in names


def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"src/whylight/api/__init__.py", "tests/test_packaging.py", "tests/data/chelsea.png", "Makefile"} <= names


def test_the_wheel_runs_in_an_environment_of_its_own(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=False)
    binaries = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    python = binaries / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # its dependencies are those of this environment; the repository itself is not among them
    others = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    (Path(packages) / "dependencies.pth").write_text(
        "\n".join(f"import sys; sys.path.append({str(path)!r})" for path in others), "utf-8"
    )
    where = subprocess.run(
        [python, "-I", "-c", "import whylight; print(whylight.__file__, whylight.__version__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert where.split() == [str(Path(packages) / "whylight" / "__init__.py"), whylight.__version__]
    said = subprocess.run(
        [binaries / "whylight", "demo"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "36 images of output_result.csv explained" in said
    assert (tmp_path / "whylight-demo" / "mnist.png").stat().st_size > 1000


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.M)
    assert cited
    assert cited[1] == version("whylight") == whylight.__version__
    assert re.search(rf"^## {re.escape(whylight.__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)


def test_a_users_packages_are_those_that_the_project_names() -> None:
    pinned = {
        line.partition("==")[0].lower()
        for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    }
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    named = re.findall(r'^    "([\w-]+)>=', project.partition("dependencies = [")[2].partition("\n]")[0], re.M)
    assert len(named) > 8
    assert set(named) <= pinned
