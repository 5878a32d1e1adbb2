"""ONNX models whose weights lie in files beside them (onnx.proto: external_data)."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def data_files(model: Path) -> Iterator[Path]:
    """The files that hold the weights of an .onnx file; none of other models, and of one that cannot be read."""
    if model.suffix.lower() != ".onnx":
        return
    with suppress(OSError):
        content = model.read_bytes()
        found = re.finditer(rb"\x0a\x08location\x12([\x80-\xff]?)([\x01-\x7f])", content)
        names = {content[match.end() : match.end() + _length(match[1], match[2])] for match in found}
        for name in sorted(names):
            path = data_file(model, os.fsdecode(name))
            if path is not None and path.is_file():
                yield path


def data_file(model: Path, name: str) -> Path | None:
    """The place of a data file that a model names; None where it is not in the model's own folder, or no place at all.

    What the name leads to counts: a link to a file elsewhere is elsewhere.
    """
    if not name or not name.strip("."):
        return None
    try:
        (model.parent / name).exists()  # that it can be asked for
        inside = (model.parent / name).resolve().is_relative_to(model.parent.resolve())
    except (OSError, ValueError, RuntimeError):  # a NUL, a name that is too long, links in a circle
        return None
    return model.parent / name if inside else None


def _length(low: bytes, high: bytes) -> int:
    """A length of one or two bytes, seven bits each."""
    return (low[0] & 127) + (high[0] << 7) if low else high[0]
