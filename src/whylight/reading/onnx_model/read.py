"""Reading an ONNX file: the model with its weights, from this file and from data files beside it. No code is run."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, checker, external_data_helper
from onnx.external_data_helper import ExternalDataInfo

from whylight.contract import METADATA_KEY
from whylight.errors import WhylightError
from whylight.files.checks import check_file

_DEFAULT_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def read_model(path: Path) -> onnx.ModelProto:
    """The model of an ONNX file, with its external data and its functions inlined.

    Args:
        path: the file. Data files that it names are only looked for in its own folder and below.

    Raises:
        WhylightError: the file or a data file is missing, or it is not a whole ONNX model.
    """
    check_file(path)
    try:
        model = onnx.load_model(path, load_external_data=False)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise WhylightError(f"{path}: not an ONNX model, or a truncated one{_looks_like(path)}") from error
    except OSError as error:
        raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error
    if not model.graph.node or not model.opset_import:
        found = "an ONNX model without operators" if model.opset_import else "not an ONNX model"
        raise WhylightError(f"{path}: {found}{_looks_like(path)}")
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        raise WhylightError(
            f"{path}: an explainer that 'whylight compile' wrote, not a classifier: 'whylight gradcam' runs it; "
            "name the model that it was made from"
        )
    _load_external_data(path, model)
    return prepared(path, model)


def prepared(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its functions inlined, once it is known to be whole and of operators of the ONNX standard.

    Raises:
        WhylightError: it has other operators; they are named; or one reads what nothing in the file gives.
    """
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in _all_nodes(model.graph) if _is_foreign(node)})
    if foreign:
        advice = (
            "quantize it with QuantFormat.QDQ"
            if any(name.startswith("com.microsoft.Q") for name in foreign)
            else "export it without them (a file that a runtime has optimized holds such operators)"
        )
        raise WhylightError(
            f"{path}: the model has operators that are not in the ONNX standard: {', '.join(foreign)}; {advice}"
        )
    _refuse_unwritten(path, model.graph)
    return model


def _refuse_unwritten(path: Path, graph: onnx.GraphProto, around: frozenset[str] = frozenset()) -> None:
    """Refuse a graph whose operators read tensors that neither it nor the graphs around it hold."""
    held = around | {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
    held |= {tensor.values.name for tensor in graph.sparse_initializer}
    held |= {name for node in graph.node for name in node.output}
    for node in graph.node:
        for name in node.input:
            if name and name not in held:
                raise WhylightError(
                    f"{path}: not a valid model: {node.op_type} '{node.name or node.output[0]}' reads '{name}', which "
                    "nothing in the file gives; export the network again, perhaps with another version of its exporter"
                )
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _refuse_unwritten(path, attribute.g, held)


def _is_foreign(node: onnx.NodeProto) -> bool:
    return node.domain not in _DEFAULT_DOMAINS


def _all_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    nodes = list(graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                nodes += _all_nodes(attribute.g)
    return nodes


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


def _load_external_data(path: Path, model: onnx.ModelProto) -> None:
    folder = path.parent.resolve()
    for tensor in external_data_helper._get_all_tensors(model):
        if not external_data_helper.uses_external_data(tensor):
            continue
        location = ExternalDataInfo(tensor).location
        data = (folder / location).resolve()
        if not data.is_relative_to(folder):
            raise WhylightError(
                f"{path}: the weights '{tensor.name}' are in '{location}', expected a file in the model's own folder"
            )
        if not data.is_file():
            raise WhylightError(f"{path}: the weights '{tensor.name}' are in '{location}', which is not beside it")
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, RuntimeError, checker.ValidationError) as error:
            raise WhylightError(
                f"{path}: the weights '{tensor.name}' in '{location}' cannot be read: {error}"
            ) from error
        if len(tensor.raw_data) * 8 < _bits(tensor):
            raise WhylightError(
                f"{path}: '{location}' is truncated: it does not hold all of the weights '{tensor.name}'"
            )
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _bits(tensor: onnx.TensorProto) -> int:
    size = prod(tensor.dims)
    kinds: dict[int, int] = {
        TensorProto.DOUBLE: 64,
        TensorProto.INT64: 64,
        TensorProto.FLOAT: 32,
        TensorProto.INT32: 32,
    }
    return size * kinds.get(tensor.data_type, 4)
