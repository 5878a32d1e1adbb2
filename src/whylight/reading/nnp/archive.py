"""The containers of a nnabla model: a .nnp zip, or loose network and parameter files.

Reading never executes anything from a file, and checks the sizes that a file states before it takes memory.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from whylight.errors import WhylightError
from whylight.reading.nnp.schema import message_class

TEXT_NETWORKS = (".nntxt", ".prototxt")
BINARY = ".protobuf"
HDF5 = ".h5"

_SUSPICIOUS_SIZE = 128 * 2**20
_SUSPICIOUS_RATIO = 100

Parameters = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Contents:
    """What the files of one model hold, before any of it is interpreted.

    Attributes:
        path: the file the user named.
        format: the container and its parts, for people: ``"zip: network.nntxt, parameter.h5"``.
        proto: the merged NNablaProtoBuf message, without parameters.
        parameters: float32 arrays by parameter name.
    """

    path: Path
    format: str
    proto: Any
    parameters: Parameters


def read(path: Path, parameters: Path | None = None) -> Contents:
    """Read a model from any of its containers.

    Args:
        path: a .nnp file, or a loose network (.nntxt, .prototxt, .protobuf).
        parameters: the parameter file (.h5 or .protobuf) of a loose network.

    Raises:
        WhylightError: a file is missing, truncated, of another format, or states sizes it cannot have.
    """
    data = _bytes(path)
    is_zip = path.suffix.lower() == ".nnp" or data.startswith(b"PK")
    files = _zip_members(path, data) if is_zip else {path.name: data}
    form = f"{'zip' if is_zip else 'loose'}: {', '.join(files)}"
    if parameters is not None:
        files[str(parameters)] = _bytes(parameters)
        form += f" with {parameters.name}"
    proto = message_class("NNablaProtoBuf")()
    arrays: Parameters = {}
    for name, content in files.items():
        suffix = Path(name).suffix.lower()
        source = f"{path}: {name}" if is_zip else name
        if suffix in TEXT_NETWORKS:
            _merge_text(proto, content, source)
        elif suffix == BINARY:
            _merge_binary(proto, content, source)
        elif suffix == HDF5:
            arrays |= _hdf5_arrays(content, source)
        elif name == path.name:
            raise WhylightError(f"{path}: expected a .nnp, .nntxt, .prototxt or .protobuf file")
        elif name == str(parameters):
            raise WhylightError(f"{name}: expected a parameter file, .h5 or .protobuf")
    arrays |= _message_arrays(cast(Any, proto).parameter, path)
    if not cast(Any, proto).network:
        raise WhylightError(f"{path}: holds no network (found: {', '.join(files) or 'nothing'})")
    return Contents(path, form, proto, arrays)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise WhylightError(f"{path}: no such file") from None
    except OSError as error:
        raise WhylightError(f"{path}: cannot be read: {error.strerror}") from error


def _zip_members(path: Path, data: bytes) -> dict[str, bytes]:
    if not data.startswith(b"PK"):
        raise WhylightError(f"{path}: not a .nnp file: it is not a zip archive (it starts with {data[:4]!r})")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                _check_expansion(f"{path}: {member.filename}", member.file_size, member.compress_size)
            wanted = (*TEXT_NETWORKS, BINARY, HDF5)
            return {
                member.filename: archive.read(member)
                for member in archive.infolist()
                if Path(member.filename).suffix.lower() in wanted
            }
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise WhylightError(f"{path}: the zip archive is damaged or truncated: {error}") from error


def _check_expansion(source: str, size: int, stored: int) -> None:
    if size > _SUSPICIOUS_SIZE and size > _SUSPICIOUS_RATIO * stored:
        raise WhylightError(
            f"{source}: refused: {stored} bytes that claim to unpack to {size} look like a decompression bomb"
        )


def _merge_text(proto: Message, data: bytes, source: str) -> None:
    try:
        text_format.Merge(data.decode("utf-8"), proto, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise WhylightError(f"{source}: not a network in protobuf text format: {error}") from error


def _merge_binary(proto: Message, data: bytes, source: str) -> None:
    try:
        proto.MergeFromString(data)
    except DecodeError as error:
        raise WhylightError(f"{source}: not a protobuf network or parameter file, or truncated: {error}") from error


def _message_arrays(messages: Any, path: Path) -> Parameters:
    arrays: Parameters = {}
    for message in messages:
        array = np.array(message.data, np.float32)
        shape = tuple(message.shape.dim)
        if array.size != _count(shape):
            raise WhylightError(
                f"{path}: parameter '{message.variable_name}' has {array.size} values, "
                f"its shape {shape} needs {_count(shape)}"
            )
        arrays[message.variable_name] = array.reshape(shape)
    return arrays


def _hdf5_arrays(data: bytes, source: str) -> Parameters:
    import h5py

    arrays: Parameters = {}

    def collect(name: str, item: Any) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        dataset = cast(Any, item)
        _check_expansion(f"{source}: {name}", dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size())
        arrays[name] = np.asarray(dataset[()], np.float32)

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            file.visititems(collect)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise WhylightError(f"{source}: not a parameter file in HDF5 format, or truncated: {error}") from error
    return arrays


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for extent in shape:
        count *= extent
    return count
