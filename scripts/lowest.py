"""Prints the lowest versions that pyproject.toml names, as requirements: what `make test-lowest` installs.

The tools of the tests come as requirements-dev.txt pins them, and what any of these needs as pip resolves it. SciPy is
not among the pinned ones: its releases follow NumPy's.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("remote",)  # the tests of the others skip
PINNED_TOOLS = ("editables", "hatchling", "jsonschema", "pytest", "pytest-xdist")
OTHER_TOOLS = ("scipy",)


def lowest(requirement: str) -> str:
    """``numpy>=1.26; marker`` as ``numpy==1.26; marker``.

    Raises:
        ValueError: the requirement names no lowest version first.
    """
    found = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)\s*(?:,[^;]*)?(;.*)?$", requirement)
    if found is None:
        raise ValueError(f"pyproject.toml: '{requirement}' names no lowest version; write it as 'package>=version'")
    name, version, marker = found.groups(default="")
    return f"{name}=={version}{marker}"


def requirements() -> Iterator[str]:
    """One line per package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = (each for extra in EXTRAS for each in project["optional-dependencies"][extra])
    yield from map(lowest, (*project["dependencies"], *extras))
    pins = (ROOT / "requirements-dev.txt").read_text("utf-8").splitlines()
    yield from (pin for pin in pins if pin.partition("==")[0] in PINNED_TOOLS)
    yield from OTHER_TOOLS


if __name__ == "__main__":
    print(*requirements(), sep="\n")
