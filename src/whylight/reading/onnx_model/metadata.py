"""What an ONNX file's metadata say of its image."""

from __future__ import annotations

import json

import onnx


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The entries of the file, by their keys in lower case."""
    return {entry.key.lower(): entry.value for entry in model.metadata_props}


def numbers(text: str) -> tuple[float, ...]:
    """The numbers of a list in JSON or in Python, or with commas; none where it is something else."""
    try:
        values = json.loads("[" + text.strip().strip("[]()") + "]")
        return tuple(float(value) for value in values)
    except (ValueError, TypeError):
        return ()
