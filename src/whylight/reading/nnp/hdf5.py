"""Parameter files in HDF5 format: plain arrays, as nnabla writes them, and nothing that leads out of the file.

HDF5 can name other files (external storage, virtual datasets, external links), run filters that it loads from the
machine, and state sizes without end. All of it is looked for before an array is read.
"""

import io
import zlib
from contextlib import suppress
from math import prod
from typing import Any, cast

import h5py
import numpy as np
from h5py import h5d, h5l, h5o, h5z

from whylight.errors import WhylightError
from whylight.files.checks import reading
from whylight.reading.nnp.demand import Demand, Parameters, element_count

_MOST_NAMES = 100_000
_MOST_CHUNKS = 100_000
_PIPELINES = {
    (*shuffle, *deflate, *checksum)
    for shuffle in ((), (h5z.FILTER_SHUFFLE,))
    for deflate in ((), (h5z.FILTER_DEFLATE,))
    for checksum in ((), (h5z.FILTER_FLETCHER32,))
}
"""The filters that HDF5 has built in for arrays of numbers, in the order in which they make sense."""


def hdf5_arrays(content: bytes, source: str, demand: Demand) -> Parameters:
    """The arrays of a parameter file, by name.

    Args:
        content: the file's.
        source: its name, for messages.
        demand: to which their sizes are added.

    Raises:
        WhylightError: it is none, or holds what is refused.
    """
    arrays: Parameters = {}
    with reading(source, "a parameter file in HDF5 format"), h5py.File(io.BytesIO(content), "r") as file:
        for path in _names(file, source):
            found = h5o.open(file.id, path)
            if isinstance(found, h5d.DatasetID):
                name = path.decode("utf-8", "surrogateescape")
                arrays[name] = _array(h5py.Dataset(found), f"{source}: {name}", len(content), demand)
    return arrays


def _names(file: h5py.File, source: str) -> list[bytes]:
    """All names in the file; a link is none that nnabla writes."""
    names: list[bytes] = []

    def take(name: bytes, info: Any) -> str | None:
        if info.type != h5l.TYPE_HARD:
            return f"{name.decode('utf-8', 'replace')}: is a link to another place or file: refused"
        names.append(name)
        return f"holds more than {_MOST_NAMES} names: refused" if len(names) > _MOST_NAMES else None

    problem = file.id.links.visit(take, info=True)  # what is raised in there does not arrive here as it is
    if problem is not None:
        raise WhylightError(f"{source}: {problem}")
    return names


def _array(dataset: Any, source: str, content_size: int, demand: Demand) -> np.ndarray[Any, Any]:
    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL or (plan.get_layout() == h5d.CONTIGUOUS and plan.get_external_count()):
        raise WhylightError(f"{source}: its values lie in another file: refused")
    filters = tuple(plan.get_filter(index)[0] for index in range(plan.get_nfilters()))
    if filters not in _PIPELINES:
        raise WhylightError(f"{source}: is packed by filters {filters}, expected gzip, shuffle and checksum at most")
    if dataset.dtype.kind not in "fiub" or dataset.shape is None:
        raise WhylightError(f"{source}: is of type {dataset.dtype}, expected an array of numbers")
    count = element_count(source, "the array", dataset.shape)
    demand.add_array(source, count * max(dataset.dtype.itemsize, 4))
    if dataset.chunks:
        _check_chunks(dataset, source, filters, content_size)
    with np.errstate(over="ignore"):  # what is infinite then is warned of where it is used
        return np.asarray(dataset[()], np.float32)


def _check_chunks(dataset: Any, source: str, filters: tuple[int, ...], content_size: int) -> None:
    """See that the pieces of an array are not too many, and unpack to no more than they state.

    HDF5 unpacks a piece to its end, however far that is.
    """
    pieces = prod(-(-extent // piece) for extent, piece in zip(dataset.shape, dataset.chunks, strict=True))
    if pieces > _MOST_CHUNKS:
        raise WhylightError(f"{source}: is cut into {pieces} pieces, expected at most {_MOST_CHUNKS}")
    if h5z.FILTER_DEFLATE not in filters:
        return
    size = prod(dataset.chunks) * dataset.dtype.itemsize
    passed_over = 1 << filters.index(h5z.FILTER_DEFLATE)

    def check(piece: Any) -> str | None:
        if piece.size > content_size:
            return f"states a piece of {piece.size} bytes, more than the file has"
        if piece.filter_mask & passed_over:
            return None
        _, packed = dataset.id.read_direct_chunk(piece.chunk_offset)
        if unpacks_to_more(cast(bytes, packed)):
            return f"a piece unpacks to more than the {size} bytes that it states: refused"
        return None

    def unpacks_to_more(packed: bytes) -> bool:
        with suppress(zlib.error):  # HDF5 finds this too, and says it
            return bool(len(zlib.decompressobj().decompress(packed, size + 1)) > size)
        return False

    problem = dataset.id.chunk_iter(check)
    if problem is not None:
        raise WhylightError(f"{source}: {problem}")
