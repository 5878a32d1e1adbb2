"""The containers of a nnabla model: a .nnp zip, or loose network and parameter files.

Reading never executes anything from a file, opens no other file, and checks the sizes that a file states before it
takes memory. HDF5 is read in `hdf5.py`, protobuf in `messages.py`.
"""

import io
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from whylight.errors import WhylightError
from whylight.files.checks import check_file, reading
from whylight.reading.nnp.demand import Demand, Parameters
from whylight.reading.nnp.hdf5 import hdf5_arrays
from whylight.reading.nnp.messages import merge_binary, merge_text, message_arrays
from whylight.reading.nnp.schema import message_class

TEXT_NETWORKS = (".nntxt", ".prototxt")
BINARY = ".protobuf"
HDF5 = ".h5"

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members may be packed: Python unpacks the other ways without a bound."""


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
    beside = b"" if parameters is None else _bytes(parameters)
    demand = Demand(len(data) + len(beside))
    is_zip = path.suffix.lower() == ".nnp" or data.startswith(b"PK")
    files = _zip_members(path, data, demand) if is_zip else {path.name: data}
    form = f"{'zip' if is_zip else 'loose'}: {', '.join(files)}"
    if parameters is not None:
        files[str(parameters)] = beside
        form += f" with {parameters.name}"
    proto = message_class("NNablaProtoBuf")()
    arrays: Parameters = {}
    for name, content in files.items():
        suffix = Path(name).suffix.lower()
        source = f"{path}: {name}" if is_zip else name
        if suffix in TEXT_NETWORKS:
            merge_text(proto, content, source, demand)
        elif suffix == BINARY:
            merge_binary(proto, content, source, demand)
        elif suffix == HDF5:
            arrays |= hdf5_arrays(content, source, demand)
        elif name == path.name:
            raise WhylightError(f"{path}: expected a .nnp, .nntxt, .prototxt or .protobuf file")
        elif name == str(parameters):
            raise WhylightError(f"{name}: expected a parameter file, .h5 or .protobuf")
    arrays |= message_arrays(cast(Any, proto).parameter, path, demand)
    if not cast(Any, proto).network:
        raise WhylightError(f"{path}: holds no network (found: {', '.join(files) or 'nothing'})")
    return Contents(path, form, proto, arrays)


def _bytes(path: Path) -> bytes:
    check_file(path)
    with reading(path):
        return path.read_bytes()


def _zip_members(path: Path, data: bytes, demand: Demand) -> dict[str, bytes]:
    """The networks and parameter files in a zip, by name."""
    if not data.startswith(b"PK"):
        raise WhylightError(f"{path}: not a .nnp file: it is not a zip archive (it starts with {data[:4]!r})")
    with reading(path, "a zip archive"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        _refuse_overlaps(path, members)
        for member in members:
            if stat.S_ISLNK(member.external_attr >> 16):
                raise WhylightError(f"{path}: {member.filename}: is a link to another file: refused")
        wanted = [m for m in members if Path(m.filename).suffix.lower() in (*TEXT_NETWORKS, BINARY, HDF5)]
        for member in wanted:
            if member.flag_bits & 1:
                raise WhylightError(f"{path}: {member.filename}: is encrypted: save the model without a password")
            if member.compress_type not in _PACKED:
                raise WhylightError(f"{path}: {member.filename}: packed in an unknown way: expected deflated or stored")
            demand.add_content(f"{path}: {member.filename}", member.file_size)
        return {member.filename: _unpacked(archive, member) for member in wanted}


def _refuse_overlaps(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes, or a name: what they hold depends on who reads them."""
    if members:
        name, count = Counter(member.filename for member in members).most_common(1)[0]
        if count > 1:
            raise WhylightError(f"{path}: {name}: is in it {count} times, expected once")
    end = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.header_offset < end:
            raise WhylightError(f"{path}: {member.filename}: overlaps another member of the zip archive: refused")
        end = member.header_offset + member.compress_size


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return file.read(member.file_size)  # without the size all is unpacked at once, whatever the file states
