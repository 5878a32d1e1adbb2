"""CONTRIBUTING.md and ARCHITECTURE.md say what is so."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "whylight"
TESTS = ROOT / "tests"
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
STAGES = sorted(path.parent for path in SOURCE.glob("*/__init__.py"))


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the rows below the table's head."""
    _, _, below = text.partition(f"{head}\n")
    rows = below.split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


PLACES = dict(table(CONTRIBUTING, "| to change | look in |"))


def summary(path: Path) -> str:
    """The first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, path
    return text.splitlines()[0]


def test_each_line_names_one_place_that_exists() -> None:
    assert len(PLACES) > 30
    for aim, place in PLACES.items():
        found = re.fullmatch(r"`([\w/.<>]+)`", place)
        assert found, f"{aim}: {place}"
        assert list(SOURCE.glob(re.sub(r"<\w+>", "*", found[1]))), f"{aim}: {place}"


def test_each_folder_is_in_the_table() -> None:
    named = {place.strip("`").split("/")[0] for place in PLACES.values() if "/" in place}
    assert named == {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_all_paths_and_commands_in_the_text_exist() -> None:
    text = re.sub(r"```.*?```", "", CONTRIBUTING, flags=re.DOTALL)
    for path in re.findall(r"`([\w./]+(?:/|\.(?:py|pyi|md|toml|yaml)))`", text):
        assert any((folder / path).exists() for folder in (ROOT, SOURCE)), path
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in re.findall(r"`make ([\w-]+)`", text):
        assert target in targets, target


def test_each_stage_has_its_tests() -> None:
    for stage in STAGES:
        assert list((TESTS / stage.name).rglob("test_*.py")), stage.name


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.stem)
def test_tests_mirror_the_source(path: Path) -> None:
    folder = path.parent.relative_to(TESTS)
    assert (SOURCE / folder).is_dir()
    name = path.stem.removeprefix("test_")
    modules = {each.parent.relative_to(SOURCE) for each in SOURCE.rglob(f"{name}.py")}
    packages = {each.parent.relative_to(SOURCE) for each in SOURCE.rglob(f"{name}/__init__.py")}
    assert not modules | packages or folder in modules | packages | {each / name for each in packages}


def test_the_architecture_says_of_each_stage_what_the_stage_says() -> None:
    rows = table(ARCHITECTURE, "| part | what comes in -> what goes out |")
    parts = {path.name + "/": path / "__init__.py" for path in STAGES}
    parts |= {path.name: path for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    said = {name.strip("`"): text for name, text in rows}
    assert said == {name: summary(path) for name, path in parts.items()}
