"""Reading: a model file in -> a `Classifier`, a description, or an ONNX model; one reader a format."""

from pathlib import Path
from typing import Any


def load(path: Path, parameters: Path | None, options: Any) -> Any:
    """Temporary."""
    match path.suffix.lower():
        case ".onnx":
            from whylight.reading.onnx_model import load_onnx

            return load_onnx(path, options)
        case ".pt2":
            from whylight.reading.pytorch import load_exported_program

            return load_exported_program(path, options)
        case ".pt" | ".pth" | ".ckpt":
            from whylight.reading.pytorch import refuse_pickle

            refuse_pickle(path)
    from whylight.reading import nnp

    return nnp.to_classifier(nnp.read_model(path, parameters), options)
