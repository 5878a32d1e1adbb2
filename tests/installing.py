"""Packages that declare entry points, put where Python finds them as installed ones."""

import shutil
import tomllib
from pathlib import Path


def install(folder: Path, package: str, entry_points: str, source: str = "") -> None:
    """What pip leaves of a package with one module: the module, and its metadata with the entry points."""
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
    (metadata / "entry_points.txt").write_text(entry_points, "utf-8")
    if source:
        (folder / f"{package}.py").write_text(source, "utf-8")


def install_project(folder: Path, project: Path) -> None:
    """What pip leaves of a project with one package."""
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    name = declared["name"].replace("-", "_")
    groups = declared["entry-points"].items()
    lines = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()) for group, points in groups
    ]
    shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    install(folder, name, "\n".join(lines))
