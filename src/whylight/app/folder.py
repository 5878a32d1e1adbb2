"""The folder that is open: what lies in it, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError
from whylight.files.confining import inside

_MODELS = (".nnp", ".onnx", ".pt2", ".nntxt", ".prototxt")
_TABLES = (".csv",)
_LABELS = (".txt", ".json")
_IMAGES = (
    ".avif", ".bmp", ".dcm", ".gif", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip
_FIRST_MODELS, _FIRST_TABLES = ("results.nnp",), ("output_result.csv",)
"""What Neural Network Console calls them."""
_DEEPEST, _MOST = 4, 200
"""Folders inside folders, and files of a kind, that are offered to choose from: others can be named."""


@dataclass(frozen=True)
class Folder:
    """A folder that is open.

    Attributes:
        root: where it is, with all links followed.
    """

    root: Path

    @classmethod
    def at(cls, path: Path) -> Folder:
        """The folder at a place.

        Raises:
            WhylightError: there is none.
        """
        if not path.is_dir():
            found = "a file" if path.exists() else "nothing"
            raise WhylightError(f"{path}: {found} there: expected a folder to open")
        return cls(Path(os.path.realpath(path)))

    def file(self, name: str) -> Path:
        """A file in it, to be read.

        Args:
            name: its path in the folder, with ``/``.

        Raises:
            WhylightError: it lies outside, or is no file.
        """
        path = self.place(name)
        if not os.path.isfile(path):  # noqa: PTH113  # a name that is too long is no file
            raise WhylightError(f"{name}: no such file in the folder")
        return path

    def place(self, name: str) -> Path:
        """Where a file of that name is, or would be.

        Raises:
            WhylightError: that is outside.
        """
        if not name or name != name.strip() or "://" in name:
            raise WhylightError(f"{name!r}: expected the path of a file in the folder")
        return inside(self.root, name)

    def name_of(self, path: Path) -> str:
        """What `file` takes for a path."""
        return path.relative_to(self.root).as_posix()

    def content(self) -> dict[str, Any]:
        """What there is to choose from, and what to begin with."""
        found: dict[str, list[str]] = {"models": [], "tables": [], "labels": []}
        kinds = {"models": _MODELS, "tables": _TABLES, "labels": _LABELS}
        has_images = False
        for path in self._files():
            suffix = path.suffix.lower()
            has_images = has_images or suffix in _IMAGES
            for kind, suffixes in kinds.items():
                if suffix in suffixes and len(found[kind]) < _MOST:
                    found[kind].append(self.name_of(path))
        return {
            "name": self.root.name.encode(errors="replace").decode(),
            **found,
            "has_images": has_images,
            "model": _first(found["models"], _FIRST_MODELS),
            "table": _first(found["tables"], _FIRST_TABLES),
        }

    def _files(self) -> Iterator[Path]:
        """Its files, those in folders behind those beside them; links to outside are left out."""
        for parent, folders, names in os.walk(self.root):
            depth = len(Path(parent).relative_to(self.root).parts)
            is_last = depth >= _DEEPEST
            folders[:] = [] if is_last else sorted(filter(_is_offered, folders))
            for name in sorted(names):
                path = Path(parent, name)
                if _is_offered(name) and not (path.is_symlink() and self._leads_outside(path)):
                    yield path

    def _leads_outside(self, path: Path) -> bool:
        try:
            inside(self.root, str(path))
        except WhylightError:
            return True
        return False


def _is_offered(name: str) -> bool:
    """Whether a file or folder is not hidden, and its name is UTF-8, as an address has it."""
    if name.startswith("."):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first(names: list[str], preferred: tuple[str, ...]) -> str | None:
    """What to begin with: what is called as one expects, else the first that lies highest."""
    order = sorted(names, key=lambda name: (Path(name).name not in preferred, name.count("/")))
    return order[0] if order else None
