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
            path = model.parent / os.fsdecode(name)
            if path.is_file():
                yield path


def _length(low: bytes, high: bytes) -> int:
    """A length of one or two bytes, seven bits each."""
    return (low[0] & 127) + (high[0] << 7) if low else high[0]
