"""The Console's plugins, run as the Console runs them: by a Python that has nothing installed."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import whylight
from samples import BUNDLED

FOLDER = Path(__file__).parents[1] / "plugins" / "_Post_Process" / "_XAI" / "_Image"
PLUGINS = [FOLDER / "gradcam.py", FOLDER / "gradcam_batch.py"]
SINGLE, BATCH = PLUGINS

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for whylight is a script with a first line #!")

FAKE = """
import json, os, sys
with open(os.environ["RECORD"], "w", encoding="utf-8") as file:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, file)
print("explained")
print("warned", file=sys.stderr)
sys.exit(int(os.environ.get("FAKE_EXIT_CODE", "0")))
"""


def python_3_8() -> str | None:
    """A Python as old as the Console's, where there is one."""
    candidates = [shutil.which("python3.8"), *map(str, Path.home().glob(".pyenv/versions/3.8.*/bin/python3.8"))]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


OLD_PYTHON = python_3_8()


@pytest.fixture(params=["this Python", "Python 3.8"])
def python(request: pytest.FixtureRequest) -> str:
    if request.param == "this Python":
        return sys.executable
    if OLD_PYTHON is None:
        pytest.skip("there is no Python 3.8")
    return OLD_PYTHON


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a stand-in for whylight that records how it was called."""

    def make(name: str) -> Path:
        path = tmp_path / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!{sys.executable}{FAKE}")
        path.chmod(0o755)
        return path

    return make


class Run:
    """One run of a plugin: its exit code, what it printed, and how it called the stand-in."""

    def __init__(self, folder: Path, command: list[str], **environment: str) -> None:
        record = folder / "record.json"
        record.unlink(missing_ok=True)
        (folder / "empty").mkdir(exist_ok=True)
        ran = subprocess.run(
            command,
            cwd=folder,
            env={"PATH": str(folder / "empty"), "RECORD": str(record), "PYTHONUTF8": "1", **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        self.exit_code, self.output, self.errors = ran.returncode, ran.stdout, ran.stderr
        called = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
        self.arguments: list[str] = called.get("arguments", [])
        self.environment: dict[str, str] = called.get("environment", {})


def options(arguments: list[str]) -> dict[str, str]:
    """The options after the command's name, but the one without a value."""
    valued = [argument for argument in arguments[1:] if argument != "--overwrite"]
    return dict(zip(valued[::2], valued[1::2], strict=True))


# ---- what the Console sees


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.stem)
def test_source_is_python_3_8_and_imports_the_standard_library_only(plugin: Path) -> None:
    tree = ast.parse(plugin.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert ast.get_docstring(tree)


def test_both_plugins_find_whylight_alike() -> None:
    first, second = (plugin.read_text(encoding="utf-8").partition("# ---- finding whylight")[2] for plugin in PLUGINS)
    assert first == second != ""


FORMS = {
    "gradcam.py": {
        "-m": ("model", "results.nnp"),
        "-i": ("csv", "output_result.csv"),
        "-image": ("image", None),
        "-ov": ("variable", None),
        "-c": ("int", "0"),
        "-o": ("image", "grad_cam.png"),
    },
    "gradcam_batch.py": {
        "-i": ("csv", "output_result.csv"),
        "-m": ("model", "results.nnp"),
        "-v1": ("variable", "x"),
        "-ov": ("variable", None),
        "-v2": ("variable", "y"),
        "-o": ("csv", "gradcam.csv"),
    },
}
LONG = {"-m": "--model", "-i": "--input", "-image": "--image", "-ov": "--output_variable", "-c": "--class_index"}
LONG |= {"-o": "--output", "-v1": "--input_variable", "-v2": "--label_variable"}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.stem)
def test_the_form_that_the_console_makes_of_the_help_text(plugin: Path, python: str, tmp_path: Path) -> None:
    run = Run(tmp_path, [python, "-I", "-S", str(plugin), "-h"], COLUMNS="30")
    listed = re.findall(r"^  (-\w+)(?: \w+)?, (--\w+).*\n? +(.+)$", run.output.partition("--help")[2], re.MULTILINE)
    form = {}
    for short, long, text in listed:
        assert LONG[short] == long
        widgets, default = re.findall(r"\((\w+)\)", text), re.search(r"default=(\S+)$", text)
        assert len(widgets) == 1
        form[short] = (widgets[0], default[1] if default else None)
    assert (run.exit_code, form) == (0, FORMS[plugin.name])


def test_defaults(python: str, program: Callable[[str], Path], tmp_path: Path) -> None:
    fake = str(program("whylight"))
    single = Run(tmp_path, [python, "-I", "-S", str(SINGLE), "-image", "a.png"], WHYLIGHT=fake)
    assert single.arguments[0] == "gradcam"
    assert options(single.arguments) == {
        "--model": "results.nnp",
        "--image": "a.png",
        "--class_index": "0",
        "--output": "grad_cam.png",
    }
    batch = Run(tmp_path, [python, "-I", "-S", str(BATCH)], WHYLIGHT=fake)
    assert batch.arguments[0] == "gradcam-batch"
    assert options(batch.arguments) == {
        "--input": "output_result.csv",
        "--model": "results.nnp",
        "--input_variable": "x",
        "--label_variable": "y",
        "--output": "gradcam.csv",
    }
    assert "--overwrite" in batch.arguments


def test_what_is_given_is_handed_over(python: str, program: Callable[[str], Path], tmp_path: Path) -> None:
    fake = str(program("whylight"))
    flags = ["-m", "模型/結果.nnp", "-i", "表.csv", "-image", "画像 1.png", "-ov", "y'", "-c", "7", "-o", "出力.png"]
    single = Run(tmp_path, [python, "-I", "-S", str(SINGLE), *flags], WHYLIGHT=fake)
    assert options(single.arguments) == {
        "--model": "模型/結果.nnp",
        "--image": "画像 1.png",
        "--class_index": "7",
        "--output": "出力.png",
        "--output_variable": "y'",
    }
    flags = ["-i", "表.csv", "-m", "結果.nnp", "-v1", "画像", "-ov", "", "-v2", "y'", "-o", "出力.csv"]
    batch = Run(tmp_path, [python, "-I", "-S", str(BATCH), *flags], WHYLIGHT=fake)
    assert options(batch.arguments) == {
        "--input": "表.csv",
        "--model": "結果.nnp",
        "--input_variable": "画像",
        "--label_variable": "y'",
        "--output": "出力.csv",
    }


def test_a_cell_of_the_table_names_an_image_beside_the_table(
    python: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    fake = str(program("whylight"))
    (tmp_path / "result" / "images").mkdir(parents=True)
    (tmp_path / "result" / "images" / "a.png").touch()

    def image_of(cell: str) -> str:
        flags = ["-i", "result/output_result.csv", "-image", cell]
        run = Run(tmp_path, [python, "-I", "-S", str(SINGLE), *flags], WHYLIGHT=fake)
        return options(run.arguments)["--image"]

    for cell in ("./images/a.png", r".\images\a.png"):
        assert (tmp_path / image_of(cell)).samefile(tmp_path / "result" / "images" / "a.png")
    assert image_of("images/none.png") == "images/none.png"
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    assert image_of("images/a.png") == "images/a.png"


# ---- finding whylight, and handing over


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.stem)
def test_the_environment_variable_names_whylight(
    plugin: Path, python: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    other = program("whylight")
    named = program("my whylight")
    command = [python, "-I", "-S", str(plugin), *(["-image", "a.png"] if plugin == SINGLE else [])]
    for value in (str(named), f'"{named}"'):
        run = Run(tmp_path, command, WHYLIGHT=value, PATH=str(other.parent), FAKE_EXIT_CODE="2")
        assert run.arguments[0] == ("gradcam" if plugin == SINGLE else "gradcam-batch")
        assert (run.exit_code, run.output, run.errors) == (2, "explained\n", "warned\n")


@pytest.mark.parametrize("name", ["python", "python3.11", "Python.exe"])
def test_the_environment_variable_names_a_python(
    name: str, python: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    run = Run(tmp_path, [python, "-I", "-S", str(BATCH)], WHYLIGHT=str(program(name)), FAKE_EXIT_CODE="130")
    assert run.arguments[:3] == ["-m", "whylight", "gradcam-batch"]
    assert run.exit_code == 130


def test_whylight_is_found_on_the_path(python: str, program: Callable[[str], Path], tmp_path: Path) -> None:
    folder = program("whylight").parent
    run = Run(tmp_path, [python, "-I", "-S", str(BATCH)], PATH=str(folder), FAKE_EXIT_CODE="1")
    assert run.arguments[0] == "gradcam-batch"
    assert (run.exit_code, run.output, run.errors) == (1, "explained\n", "warned\n")


def test_whylight_is_found_in_the_python_that_runs_the_plugin(python: str, tmp_path: Path) -> None:
    package = tmp_path / "packages" / "whylight"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE)
    run = Run(tmp_path, [python, "-S", str(BATCH)], PYTHONPATH=str(package.parent), FAKE_EXIT_CODE="1")
    assert run.arguments[0] == "gradcam-batch"
    assert (run.exit_code, run.output, run.errors) == (1, "explained\n", "warned\n")


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.stem)
def test_no_whylight_is_one_clear_line(plugin: Path, python: str, tmp_path: Path) -> None:
    run = Run(tmp_path, [python, "-I", "-S", str(plugin), *(["-image", "a.png"] if plugin == SINGLE else [])])
    assert (run.exit_code, run.output, run.errors.count("\n")) == (2, "", 1)
    assert "pip install whylight" in run.errors
    assert "WHYLIGHT" in run.errors


def test_a_wrong_environment_variable_is_one_clear_line(
    python: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = program("whylight").parent
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF no program")
    broken.chmod(0o755)
    for value, message in (
        ("/nowhere/whylight", "names no program: /nowhere/whylight"),
        (str(broken), "cannot be run"),
    ):
        run = Run(tmp_path, [python, "-I", "-S", str(BATCH)], WHYLIGHT=value, PATH=str(folder))
        assert (run.exit_code, run.output, run.errors.count("\n"), run.arguments) == (2, "", 1, [])
        assert message in run.errors


def test_the_consoles_python_does_not_get_in_the_way(
    python: str, program: Callable[[str], Path], tmp_path: Path
) -> None:
    fake = str(program("whylight"))
    run = Run(tmp_path, [python, "-I", "-S", str(BATCH)], WHYLIGHT=fake, PYTHONHOME="/nowhere")
    assert run.exit_code == 0
    assert "PYTHONHOME" not in run.environment
    assert run.environment["PYTHONIOENCODING"] == ":replace"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.stem)
def test_no_window_pops_up(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def call(_: list[str], **keywords: Any) -> int:
        calls.append(keywords)
        return 5

    spec = importlib.util.spec_from_file_location("plugin", plugin)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(subprocess, "call", call)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    assert module.run(["whylight"]) == 5
    assert calls[0]["creationflags"] == 0x08000000
    assert (calls[0]["stdout"], calls[0]["stderr"]) == (sys.stdout, sys.stderr)  # lost to a hidden window otherwise


# ---- with whylight itself


def test_the_console_gets_its_overlay(tmp_path: Path, python: str) -> None:
    sample = BUNDLED / "mnist"
    image = next((sample / "images").glob("*.png"))
    environment = {"WHYLIGHT": sys.executable, "PYTHONPATH": str(Path(whylight.__file__).parents[1])}
    flags = [
        "-m",
        str(sample / "results.nnp"),
        "-i",
        str(sample / "output_result.csv"),
        "-image",
        f"images\\{image.name}",
    ]
    run = Run(
        tmp_path, [python, "-I", "-S", str(SINGLE), *flags, "-ov", "y'", "-c", "3", "-o", "日本.png"], **environment
    )
    said = [line for line in run.errors.splitlines() if " after " not in line]  # how far it is, on a busy machine
    assert (run.exit_code, said) == (0, [])
    with Image.open(tmp_path / "日本.png") as overlay, Image.open(image) as original:
        assert (overlay.mode, overlay.size) == ("RGB", original.size)
