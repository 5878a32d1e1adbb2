"""What the pages say: each text in both languages, and no key twice."""

import re
from collections import Counter
from pathlib import Path

import pytest

import whylight.page

MODULES = sorted(Path(whylight.page.__file__).parent.glob("*.js"))


def texts(module: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The keys that a module adds, English and Japanese, each with the places that its text has."""
    (added,) = re.findall(r"^addTexts\(\{\n(.*?)^\}\);", module.read_text("utf-8"), re.DOTALL | re.MULTILINE) or [""]
    return entries(added, "en"), entries(added, "ja")


def entries(added: str, language: str) -> dict[str, list[str]]:
    found = re.search(rf"^  {language}: \{{(.*?)\}},?$", added, re.DOTALL | re.MULTILINE)
    pairs = re.findall(r'(\w+):\s*"((?:\\.|[^"\\])*)"', found[1] if found else "")
    return {key: sorted(re.findall(r"\{\w+\}", text)) for key, text in pairs}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_both_languages_say_the_same_things(module: Path) -> None:
    english, japanese = texts(module)
    assert english == japanese
    assert bool(english) == ("\naddTexts(" in module.read_text("utf-8"))


def test_no_key_is_another_modules() -> None:
    times = Counter(key for module in MODULES for key in texts(module)[0])
    assert times["accuracy"] == 1
    assert [key for key, count in times.items() if count > 1] == []


def test_what_is_asked_for_is_there() -> None:
    keys = {key for module in MODULES for key in texts(module)[0]}
    templates = sorted(Path(whylight.page.__file__).parent.glob("*.html"))
    asked = {key for page in templates for key in re.findall(r'data-(?:text|label)="(\w+)"', page.read_text("utf-8"))}
    for module in MODULES:
        asked.update(re.findall(r'\btext\("(\w+)"', module.read_text("utf-8")))
    assert len(asked) > 30
    assert asked <= keys
