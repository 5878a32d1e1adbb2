"""What a session says of an explainer graph, and whether that is what its facts say."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.contract import BESIDE, CLASS_INDEX, SCORE, ExplainerFacts, InputFacts, name_of
from whylight.errors import WhylightError
from whylight.files.budget import allowed, check_memory
from whylight.files.checks import reading
from whylight.files.onnx_file import Demands, check_nodes, content_of, looks_endless
from whylight.methods import method_named
from whylight.running.session import open_session

UNLIKE_ITS_FACTS = "the graph is not what its facts say; compile the model again"
_LARGEST_FIXED_BATCH = 2**16
_LEAST_MEMORY = 2**20
_PART_OF_PASSES = 3
"""This part of the memory is for what methods of several passes make of the layer's activation."""
_COPIES_OF_ACTIVATION = 14
"""At most: Score-CAM sorts its channels, in double precision (measured with 256 channels of 128 x 128)."""
_DTYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(int64)": np.int64}


@dataclass(frozen=True)
class OpenedGraph:
    """A session, and what it says of the graph.

    Attributes:
        session: of ONNX Runtime.
        device: what it is on.
        names_beside: the outputs that hold what goes around the layer: see `whylight.compiling.head`.
        fixed_batch: the batch size, where the graph has just one.
        takes_bytes: whether its image is made of bytes: see `whylight.compiling.pixels`.
        unused_inputs: zeros for the inputs that are not the image's own.
        memory: bytes that its tensors may take; None for any number.
        may_not_end: whether its runs need an end set from outside.
    """

    session: Any
    device: str
    names_beside: tuple[str, ...]
    fixed_batch: int | None
    takes_bytes: bool
    unused_inputs: dict[str, NDArray[Any]]
    memory: int | None
    may_not_end: bool

    def check_activation(self, activations: NDArray[Any]) -> None:
        """See that a method of several passes has the memory for the layer's activation (N, ...), of images one by one.

        Raises:
            WhylightError: it has not.
        """
        if self.memory is not None and len(activations):
            taken = _COPIES_OF_ACTIVATION * activations.nbytes // len(activations)
            what = f"what is made of its activation {activations.shape}"
            check_memory("the layer", what, taken, share=_PART_OF_PASSES)


def open_graph(
    graph: bytes | Path, facts: ExplainerFacts, device: str, threads: int | None, is_own: bool
) -> OpenedGraph:
    """Open an explainer graph, and see that it is what its facts say.

    Args:
        graph: an ONNX file's content, or its path.
        facts: what it says of itself.
        device: one of `whylight.options.DEVICES`.
        threads: that the network may use for one run; None for one a core.
        is_own: whether whoever runs it wrote the file: then its memory is not bounded.

    Raises:
        WhylightError: ONNX Runtime cannot load it, or it is not what its facts say.
    """
    method = method_named(facts.maps[0].method)
    if method.driver and not facts.baseline:
        raise WhylightError(f"{name_of(graph)}: {UNLIKE_ITS_FACTS}: method '{method.name}' needs a baseline")
    if is_own:
        memory = None
        with reading(name_of(graph)), content_of(graph) as content:
            may_not_end = looks_endless(content)
    else:
        demands = _demands(graph)
        memory = max(_memory(graph, demands) - facts.input.memory, _LEAST_MEMORY)
        if method.driver:
            memory -= memory // _PART_OF_PASSES
        may_not_end = demands.may_not_end
    session, on = open_session(graph, device, threads, memory=memory)
    with reading(name_of(graph), "an explainer graph"):
        try:
            return _opened(session, on, facts, memory, may_not_end)
        except WhylightError as error:
            raise WhylightError(f"{name_of(graph)}: {error}") from error


def _demands(graph: bytes | Path) -> Demands:
    """What a graph of a stranger asks for, once it is seen that ONNX Runtime can be given it.

    Raises:
        WhylightError: it cannot.
    """
    with reading(name_of(graph), "an explainer graph"), content_of(graph) as content:
        try:
            return check_nodes(content, None if isinstance(graph, bytes) else graph)
        except WhylightError as error:
            raise WhylightError(f"{name_of(graph)}: refused: {error}") from error


def _memory(graph: bytes | Path, demands: Demands) -> int:
    """Bytes that the tensors of a stranger's graph may take."""
    if isinstance(graph, bytes):
        return allowed(len(graph))
    with reading(graph):
        return allowed(sum(path.stat().st_size for path in (graph, *demands.data_files)))


def _opened(session: Any, device: str, facts: ExplainerFacts, memory: int | None, may_not_end: bool) -> OpenedGraph:
    inputs = {info.name: info for info in session.get_inputs()}
    outputs = {info.name: info for info in session.get_outputs()}
    image = _image_input(inputs, facts.input)
    _check_outputs(outputs, facts)
    return OpenedGraph(
        session=session,
        device=device,
        names_beside=tuple(name for name in outputs if name.startswith(f"{BESIDE}/")),
        fixed_batch=_fixed_batch(image),
        takes_bytes=image.type == "tensor(uint8)",
        unused_inputs={name: _zeros(inputs[name]) for name in inputs if name not in (image.name, CLASS_INDEX)},
        memory=memory,
        may_not_end=may_not_end,
    )


def _image_input(inputs: Mapping[str, Any], facts: InputFacts) -> Any:
    """The image's own input.

    Raises:
        WhylightError: it is not what the facts say, or there is none for class indices.
    """
    image = _found(inputs, facts.name, ("tensor(float)", "tensor(uint8)"), 1 + len(facts.layout))
    if image.type == "tensor(float)":
        _check_extents(image, facts)
    _found(inputs, CLASS_INDEX, ("tensor(int64)",), 1)
    return image


def _check_outputs(outputs: Mapping[str, Any], facts: ExplainerFacts) -> None:
    for name in (facts.output, SCORE, *(one.output for one in facts.maps)):
        _found(outputs, name, ("tensor(float)",))


def _found(infos: Mapping[str, Any], name: str, types: tuple[str, ...], axes: int | None = None) -> Any:
    """An input or output of the graph, which has to be there.

    Raises:
        WhylightError: it is not, or of another type or number of axes.
    """
    if name not in infos:
        raise WhylightError(f"{UNLIKE_ITS_FACTS}: it has no '{name}' (found: {', '.join(infos)})")
    info = infos[name]
    if info.type not in types or (axes is not None and len(info.shape) != axes):
        raise WhylightError(f"{UNLIKE_ITS_FACTS}: '{name}' is {info.type} of shape {info.shape}")
    return info


def _check_extents(image: Any, facts: InputFacts) -> None:
    extents = dict(zip(facts.layout.replace("C", ""), facts.size, strict=True)) | {"C": facts.channels}
    for found, axis in zip(image.shape[1:], facts.layout, strict=True):
        if isinstance(found, int) and found != extents[axis]:
            raise WhylightError(f"{UNLIKE_ITS_FACTS}: '{image.name}' is of shape {image.shape}, not of {extents}")


def _fixed_batch(image: Any) -> int | None:
    """The batch size, where the graph has just one.

    Raises:
        WhylightError: no batch can be of that size.
    """
    batch = image.shape[0]
    if not isinstance(batch, int):
        return None
    if not 1 <= batch <= _LARGEST_FIXED_BATCH:
        raise WhylightError(f"{UNLIKE_ITS_FACTS}: it takes {batch} images at a time")
    return batch


def _zeros(info: Any) -> NDArray[Any]:
    shape = [extent if isinstance(extent, int) else 1 for extent in info.shape]
    if info.type not in _DTYPES or min(shape, default=1) < 0:
        raise WhylightError(f"{UNLIKE_ITS_FACTS}: it has another input, '{info.name}', {info.type} of shape {shape}")
    check_memory(f"'{info.name}'", "an input that is not used", 8 * prod(shape))
    return np.zeros(shape, _DTYPES[info.type])
