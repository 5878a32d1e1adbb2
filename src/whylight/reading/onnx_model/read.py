"""Reading an ONNX file: the model with its weights, from this file and from data files beside it. No code is run."""

from __future__ import annotations

from pathlib import Path

import onnx

from whylight.contract import METADATA_KEY
from whylight.errors import WhylightError
from whylight.files.budget import check_memory, readable, stored_bytes
from whylight.files.checks import check_file, reading
from whylight.reading.onnx_model.structure import all_nodes, check_functions, check_graph
from whylight.reading.onnx_model.weights import check_weights, load_external_data

_LARGEST_MESSAGE = 2**31
"""Bytes that a file of protobuf may have."""
_DEFAULT_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def read_model(path: Path) -> onnx.ModelProto:
    """The model of an ONNX file, with its external data and its functions inlined.

    Args:
        path: the file. Data files that it names are only looked for in its own folder and below.

    Raises:
        WhylightError: the file or a data file is missing, or it is not a whole ONNX model.
    """
    check_file(path)
    with reading(path):
        size, stored = path.stat().st_size, stored_bytes(path)
    if size >= _LARGEST_MESSAGE:
        raise WhylightError(
            f"{path}: not an ONNX model: {readable(size)}, and one has at most 2 GiB, its weights in files beside it"
        )
    check_memory(path, "the file", 2 * size, stored)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # DecodeError, and what else protobuf's implementations raise
        raise WhylightError(f"{path}: not an ONNX model, or a truncated one{_looks_like(path)}") from error
    if not model.graph.node or not model.opset_import:
        found = "an ONNX model without operators" if model.opset_import else "not an ONNX model"
        raise WhylightError(f"{path}: {found}{_looks_like(path)}")
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise WhylightError(
            f"{path}: an explainer that 'whylight compile' wrote, not a classifier: 'whylight gradcam' runs it; "
            "name the model that it was made from"
        )
    model = prepared(path, model)
    check_weights(path, model)
    load_external_data(path, model)
    return model


def prepared(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined, once it is known to be whole and of operators of the ONNX standard.

    Raises:
        WhylightError: it has other operators; they are named; or one reads what nothing in the file gives.
    """
    check_functions(path, model)
    if model.functions:
        from onnx import inliner

        with reading(path, "a model whose functions can be written out"):
            model = inliner.inline_local_functions(model)
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in all_nodes(model.graph.node) if _is_foreign(node)})
    if foreign:
        advice = (
            "quantize it with QuantFormat.QDQ"
            if any(name.startswith("com.microsoft.Q") for name in foreign)
            else "export it without them (a file that a runtime has optimized holds such operators)"
        )
        raise WhylightError(
            f"{path}: the model has operators that are not in the ONNX standard: {', '.join(foreign)}; {advice}"
        )
    check_graph(path, model)
    return model


def _is_foreign(node: onnx.NodeProto) -> bool:
    return node.domain not in _DEFAULT_DOMAINS


def _looks_like(path: Path) -> str:
    """What else the file is, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(64)
    if head[4:8] == b"ORTM":
        return ": it is in ONNX Runtime's own format (.ort), expected the .onnx file that it was made from"
    if head.startswith(b"PK"):
        return ": it is a zip archive, as PyTorch's .pt and .pth files are; export the network to ONNX"
    if head.startswith(b"version https://git-lfs"):
        return ": it is a Git LFS pointer; fetch the file itself with 'git lfs pull'"
    if head.startswith((b"<", b"{")):
        return ": it is text"
    return ""
