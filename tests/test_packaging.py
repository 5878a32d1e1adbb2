"""What is built, installed and pinned: the wheel, the sdist, and the lists of packages."""

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from whylight.version import __version__

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "whylight"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def lines_of(name: str) -> list[str]:
    """The lines of a list of packages that are no comments."""
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def name_of(requirement: str) -> str:
    """A package's name as indexes compare it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def source_files() -> set[str]:
    """What belongs to the package, as the wheel names it."""
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(PACKAGE.parent).as_posix() for path in files}


# ---- what is built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, made by the backend that pyproject.toml names."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"whylight-{__version__}-py3-none-any.whl"
    information = f"whylight-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.startswith(f"{information}/")}
        described = archive.read(f"{information}/METADATA").decode()
        programs = archive.read(f"{information}/entry_points.txt").decode()
        assert f"{information}/licenses/LICENSE" in archive.namelist()
    assert names == source_files()
    for needed in (
        "py.typed",
        "graph/operators.pyi",
        "reading/nnp/schema.json",
        "page/report.html",
        "samples/mnist/results.nnp",
        "samples/cluttered_digits/output_result.csv",
    ):
        assert f"whylight/{needed}" in names
    assert f"\nVersion: {__version__}\n" in described
    assert f"\nSummary: {PROJECT['description']}\n" in described
    assert "whylight = whylight.cli:run" in programs


def test_the_sdist_holds_what_the_tests_need(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    top = f"whylight-{__version__}"
    with tarfile.open(path) as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
    assert {f"src/{name}" for name in source_files()} <= names
    tests = (each for each in (ROOT / "tests").rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    assert {each.relative_to(ROOT).as_posix() for each in tests} <= names
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.txt", "CITATION.cff"} <= names
    assert not [name for name in names if re.match(r"\.venv|dist/|\.git/", name) or "__pycache__" in name]


def test_the_installed_wheel_runs_the_demo(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment)
    at = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=at))
    programs = Path(sysconfig.get_path("scripts", "venv", vars=at))
    python = programs / ("python.exe" if os.name == "nt" else "python")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", wheel],
        check=True,
    )
    # What whylight needs is taken from here. The .pth files there are not read, hence not the one that names src.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    clean["WHYLIGHT_CACHE"] = str(tmp_path / "cache")

    def ran(*command: str | Path) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    imported = ran(python, "-c", "import whylight; print(whylight.__file__)").strip()
    assert Path(imported).resolve() == (packages / "whylight" / "__init__.py").resolve()
    assert ran(programs / "whylight", "--version").split() == ["whylight", __version__]
    said = ran(programs / "whylight", "demo")
    assert "Look at " in said
    for picture in ("mnist.png", "cluttered_digits.png", "mnist/grad_cam.png", "mnist/gradcam.csv"):
        assert (tmp_path / "whylight-demo" / picture).stat().st_size > 100, picture


# ---- what is said about it


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    fields = dict(re.findall(r"^([\w-]+): +(.+)$", text, re.MULTILINE))
    assert fields["version"] == __version__
    assert fields["license"] == PROJECT["license"]
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", changes, re.MULTILINE)


# ---- what is pinned


def needed(requirements: Iterable[str]) -> set[str]:
    """The names of packages and of what they need, as the installed ones say."""
    requirement = pytest.importorskip("packaging.requirements").Requirement
    names: set[str] = set()
    waiting = [requirement(each) for each in requirements]
    while waiting:
        one = waiting.pop()
        applies = one.marker is None or one.marker.evaluate({"extra": ""})
        if applies and name_of(one.name) not in names:
            names.add(name_of(one.name))
            waiting += map(requirement, metadata.requires(one.name) or ())
    return names


def test_a_user_gets_what_whylight_needs_and_nothing_else() -> None:
    pins = lines_of("requirements.txt")
    assert all("==" in pin for pin in pins)
    versions = {name_of(pin): pin.split(";")[0].split("==")[1].strip() for pin in pins}
    if any(metadata.version(name) != version for name, version in versions.items() if name != "isal"):
        pytest.skip("other versions are installed, which may need other packages")
    assert needed(PROJECT["dependencies"]) | {"isal"} == set(versions)


def test_a_package_is_pinned_once_in_an_environment_and_everywhere_alike() -> None:
    user, development = lines_of("requirements.txt"), lines_of("requirements-dev.txt")
    assert development[0] == "--requirement requirements.txt"
    together = [*user, *development[1:], *lines_of("requirements-torch.txt")]
    versions = {name_of(pin): pin for pin in together}
    assert len(versions) == len(together)
    for pin in lines_of("requirements-build.txt"):
        assert versions.get(name_of(pin), pin) == pin


# ---- the lowest versions


@pytest.fixture(scope="module")
def lowest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lowest", ROOT / "scripts" / "lowest.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lowest_versions_are_those_that_the_project_names(lowest: ModuleType) -> None:
    made = list(lowest.requirements())
    named = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["remote"]]
    assert [name_of(line) for line in made[: len(named)]] == [name_of(each) for each in named]
    assert not [line for line in made[: len(named)] if "==" not in line or ">=" in line]
    assert {name_of(line) for line in made[len(named) :]} >= {"pytest", "pytest-xdist", "scipy"}


def test_a_lowest_version_keeps_its_marker_and_loses_its_upper_bound(lowest: ModuleType) -> None:
    assert lowest.lowest("a_b.c>=1.2") == "a_b.c==1.2"
    assert lowest.lowest("a >= 1.2, <3; python_version < '4'") == "a==1.2; python_version < '4'"
    for unbounded in ("a", "a<3", "a==2"):
        with pytest.raises(ValueError, match="names no lowest version"):
            lowest.lowest(unbounded)
