"""A reader of ONNX files that are compressed."""

import zlib
from pathlib import Path

import onnx

from whylight.errors import WhylightError
from whylight.reading import reader_through_onnx


def read(path: Path) -> onnx.ModelProto:
    """The model in a file."""
    try:
        return onnx.load_model_from_string(zlib.decompress(path.read_bytes()))
    except zlib.error as error:
        raise WhylightError(f"{path}: not compressed: {error}") from error


COMPRESSED = reader_through_onnx("compressed ONNX", (".onnxz",), read)
