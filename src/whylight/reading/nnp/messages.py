"""Networks and parameters as protobuf messages, in text or binary."""

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import Message

from whylight.errors import WhylightError
from whylight.files.budget import SECONDS
from whylight.files.checks import reading
from whylight.reading.nnp.demand import Demand, Parameters, element_count
from whylight.reading.nnp.schema import surface_class

_SIZE_OF_MESSAGE = 256
_SIZE_OF_DESCRIPTION = 32
"""Bytes of memory for each byte of a description, before copies: an inner message of two bytes takes over a hundred."""
_LONG_LINE = 2**16
_TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\#.*|[^\s"'\#{}\[\],;<>]+|[{}\[\],;<>"'])\s*""")


def merge_text(proto: Message, data: bytes, source: str, demand: Demand) -> None:
    """Add what a text holds to a message.

    Raises:
        WhylightError: it is no network, or takes too long.
    """
    demand.add_content(source, len(data))
    with reading(source, "a network in protobuf text format"):
        text_format.MergeLines(_lines(data.decode("utf-8"), source), proto, allow_unknown_field=True)


def _lines(text: str, source: str) -> Iterator[str]:
    """The lines of a text, for as long as there is time; long ones token by token, since the parser copies lines."""
    end = time.monotonic() + SECONDS / 2
    for line in io.StringIO(text):
        pieces = [line] if len(line) < _LONG_LINE else (token[1] for token in _TOKEN.finditer(line))
        for piece in pieces:
            if time.monotonic() > end:
                raise WhylightError(
                    f"{source}: takes longer than {SECONDS / 2:g} seconds to read as text: save the parameters in HDF5 "
                    "format (.h5), and the network without them"
                )
            yield piece.rstrip("\n")


def merge_binary(proto: Message, data: bytes, source: str, demand: Demand) -> None:
    """Add what a binary message holds to a message.

    Raises:
        WhylightError: it is no network or parameter file.
    """
    with reading(source, "a protobuf network or parameter file"):
        demand.add_content(source, _memory_of_message(data))
        proto.MergeFromString(data)


def _memory_of_message(data: bytes) -> int:
    """About what a binary message takes in memory, without the values of parameters, which are counted as arrays."""
    surface = surface_class()()
    surface.ParseFromString(data)
    parameters = cast(Any, surface).parameter
    values = sum(map(len, parameters))
    return _SIZE_OF_MESSAGE * len(parameters) + _SIZE_OF_DESCRIPTION * (len(data) - values)


def message_arrays(messages: Any, path: Path, demand: Demand) -> Parameters:
    """The arrays of parameter messages, by name.

    Raises:
        WhylightError: one has not as many values as its shape needs.
    """
    arrays: Parameters = {}
    for message in messages:
        shape = tuple(message.shape.dim)
        count = element_count(path, f"parameter '{message.variable_name}'", shape)
        if len(message.data) != count:
            raise WhylightError(
                f"{path}: parameter '{message.variable_name}' has {len(message.data)} values, "
                f"its shape {shape} needs {count}"
            )
        demand.add_array(f"{path}: parameter '{message.variable_name}'", 4 * count)
        arrays[message.variable_name] = np.fromiter(message.data, np.float32, count).reshape(shape)
    return arrays
