"""What an explainer graph knows about itself, kept in the ONNX file's metadata: names, and the facts to run it by."""

import json
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from whylight.errors import WhylightError

METADATA_KEY = "whylight"

CLASS_INDEX = "class_index"
SCORE = "score"
MAP = "cam"
ALTERED = "altered"
ALTERED_CLASS_INDEX = "altered_class_index"
ALTERED_SCORE = "altered_score"
BESIDE = "beside"
PIXELS = "pixels"
"""The names of an explainer graph's own inputs and outputs; `BESIDE` begins several."""

Box = tuple[float, ...]
"""Where a part of the image begins along each of its axes, and then where it ends, as fractions.

Of a picture: top, left, bottom, right; of a signal: start, end.
"""


Kind = Literal["signal", "picture", "volume"]

Origin = Literal["asked", "label", "predicted"]
"""Who named the class that is explained: whoever called asked for it, it is the image's label, or the model predicted
it."""


def kind_of(dimensions: int) -> Kind:
    """What has so many axes besides the batch and the channels: the one place that decides it."""
    match dimensions:
        case 1:
            return "signal"
        case 2:
            return "picture"
    return "volume"


@dataclass(frozen=True)
class InputFacts:
    """The image input of a model: a picture, a signal along one axis, or a volume along three.

    Attributes:
        name: its name in the graph.
        channels: 1 (gray), 3 (RGB), or another number for arrays.
        size: the extents of its axes but the channels: (height, width) in pixels, (length,) of a signal, or
            (depth, height, width) of a volume.
        layout: the axes after the batch axis: ``CHW``, ``HWC`` or ``HW``; ``CL``, ``LC`` or ``L`` of a signal;
            ``CDHW``, ``DHWC`` or ``DHW`` of a volume.
        maximum: the value of white: 1 (pixels / 255) or 255.
        mean: what is subtracted from values between 0 and ``maximum``: one number a channel, or none.
        std: what they are divided by after that: one number a channel, or none.
        channel_order: ``RGB``, or ``BGR`` for a model that takes blue first; mean and std are in this order too.
        exif_orientation: whether a photograph is turned upright, as its EXIF orientation says, before it is looked at.
    """

    name: str
    channels: int
    size: tuple[int, ...]
    layout: str
    maximum: float
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    channel_order: str = "RGB"
    exif_orientation: bool = True

    @property
    def kind(self) -> Kind:
        """What the model takes."""
        return kind_of(len(self.size))

    @property
    def is_picture(self) -> bool:
        """Whether it has a height and a width, and no depth."""
        return self.kind == "picture"

    @property
    def height(self) -> int:
        """Of a picture, in pixels."""
        return self.size[-2]

    @property
    def width(self) -> int:
        """Of a picture, in pixels."""
        return self.size[-1]

    @property
    def whole(self) -> Box:
        """The box that holds all of it."""
        return (0.0,) * len(self.size) + (1.0,) * len(self.size)

    def region(self, box: Box) -> tuple[slice, ...]:
        """The part of the image that a box covers, as indices of its axes but the channels."""
        starts, ends = box[: len(self.size)], box[len(self.size) :]
        return tuple(
            slice(round(start * extent), round(end * extent))
            for start, end, extent in zip(starts, ends, self.size, strict=True)
        )


@dataclass(frozen=True)
class MapFacts:
    """One map that an explainer graph computes.

    Attributes:
        output: its name among the graph's outputs.
        method: the method's name.
        layer: the target layer's name; several, joined by " + ", where their maps are fused; empty for a method that
            looks at no layer.
        crop: the part of the image that the map covers.
    """

    output: str
    method: str
    layer: str
    crop: Box


@dataclass(frozen=True)
class ExplainerFacts:
    """All that is needed to run an explainer graph and to read its results.

    Attributes:
        maps: what it computes; the first one is what `Explainer` explains with.
        score: ``logit`` or ``output``: what was differentiated.
        input: the image input.
        output: the graph output with the class scores or probabilities.
        final_activation: the ONNX operator that made ``output`` of the scores, if any.
        class_count: the number of classes.
        is_two_class: one output stands for two classes.
        activation_bytes: the size of all tensors of one image together: more than a run needs at a time.
        smooth: whether maps are averaged over flipped and rescaled images.
        head_bytes: as ``activation_bytes``, of the second copy of the network above the layer.
        baseline: for each channel of the image the value that the network sees as zero.
        against: the class that a contrast is made with: its index or ``predicted``.
        counterfactual: whether what speaks against the class is explained.
        explains_tokens: whether the layer holds tokens rather than feature maps.
        notes: what a person should know of how it was made: of the model, and of the layers.
        class_names: the classes' names, the first that of class 0; empty where they have none.
        model: the name of the file that the model was read from, or of its module.
    """

    maps: tuple[MapFacts, ...]
    score: str
    input: InputFacts
    output: str
    final_activation: str | None
    class_count: int
    is_two_class: bool
    activation_bytes: int
    smooth: bool = False
    head_bytes: int = 0
    baseline: tuple[float, ...] = ()
    against: int | str | None = None
    counterfactual: bool = False
    explains_tokens: bool = False
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    model: str = ""

    def to_metadata(self) -> dict[str, str]:
        """As entries of an ONNX model's metadata."""
        facts = asdict(self)
        if self.input.is_picture:
            facts["input"]["height"], facts["input"]["width"] = facts["input"].pop("size")
        return {METADATA_KEY: json.dumps(facts)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "ExplainerFacts":
        """Read back what `to_metadata` wrote.

        Raises:
            WhylightError: the metadata is not that of an explainer graph.
        """
        try:
            facts = json.loads(metadata[METADATA_KEY])
            maps = tuple(MapFacts(**{**one, "crop": tuple(one["crop"])}) for one in facts["maps"])
            stated: dict[str, Any] = facts["input"]
            if "size" not in stated:
                stated["size"] = [stated.pop("height"), stated.pop("width")]
            image: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()
            }
            lists = {name: tuple(facts[name]) for name in ("baseline", "notes", "class_names")}
            return cls(**{**facts, "input": InputFacts(**image), "maps": maps, **lists})
        except (KeyError, TypeError, ValueError) as error:
            raise WhylightError("not an explainer graph made by this version of 'whylight compile'") from error

    @classmethod
    def of(cls, graph: bytes | Path) -> "ExplainerFacts":
        """The facts of an ONNX file: of its content, or where it lies. The network is not read.

        Raises:
            WhylightError: it cannot be read, or is not that of an explainer graph.
        """
        try:
            with _content(graph) as content:
                return cls.from_metadata(dict(_metadata(content)))
        except OSError as error:
            raise WhylightError(f"{Path(str(graph))}: cannot be read: {error.strerror or error}") from error
        except (ValueError, IndexError, WhylightError) as error:
            source = "the explainer" if isinstance(graph, bytes) else str(graph)
            raise WhylightError(
                f"{source}: not an explainer graph made by this version of 'whylight compile'"
            ) from error

    @classmethod
    def held_by(cls, path: Path) -> "ExplainerFacts | None":
        """The facts in a model file, or None where it is no explainer graph.

        Raises:
            WhylightError: it is one that another version of whylight made.
        """
        try:
            with _content(path) as content:
                if METADATA_KEY not in dict(_metadata(content)):
                    return None
        except (OSError, ValueError, IndexError):
            return None
        return cls.of(path)


# ---- the metadata of an ONNX file, without the onnx package (onnx.proto: ModelProto.metadata_props)

_METADATA, _BYTES = 14, 2
_FIXED_WIDTHS = {1: 8, 5: 4}


@contextmanager
def _content(graph: bytes | Path) -> Iterator[bytes | mmap.mmap]:
    if isinstance(graph, bytes):
        yield graph
        return
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _metadata(content: bytes | mmap.mmap) -> Iterator[tuple[str, str]]:
    """The entries, key and value."""
    for number, start, end in _fields(content, 0, len(content)):
        if number == _METADATA:
            entry = {number: content[first:last].decode() for number, first, last in _fields(content, start, end)}
            yield entry.get(1, ""), entry.get(2, "")


def _fields(content: bytes | mmap.mmap, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of bytes of a protobuf message: number, first byte, last byte; others are passed over.

    Raises:
        ValueError: it is no such message.
    """
    while position < end:
        key, position = _number(content, position)
        if key & 7 == _BYTES:
            length, position = _number(content, position)
            if position + length > end:
                raise ValueError("a field is longer than the message")
            yield key >> 3, position, position + length
            position += length
        elif key & 7 == 0:
            _, position = _number(content, position)
        else:
            position += _FIXED_WIDTHS.get(key & 7, end)


def _number(content: bytes | mmap.mmap, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value, shift = 0, 0
    while True:
        byte = content[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise ValueError("a number is too long")
