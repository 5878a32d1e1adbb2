"""What an explainer graph knows about itself, kept in the ONNX file's metadata: names, and the facts to run it by."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.files.checks import check_file, reading
from whylight.files.onnx_file import content_of, metadata_of
from whylight.files.schema import either, flag, number, one_of, record, sequence, text, whole

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


def name_of(graph: bytes | Path) -> str:
    """What messages call an explainer graph: an ONNX file's content, or where it lies."""
    return "the explainer" if isinstance(graph, bytes) else str(graph)


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
    def memory(self) -> int:
        """Bytes that an image takes on its way into the network."""
        return _BYTES_A_VALUE * self.channels * prod(self.size)

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
        if METADATA_KEY not in metadata:
            raise WhylightError(_ANOTHER)
        try:
            stated = json.loads(metadata[METADATA_KEY])
        except (ValueError, RecursionError) as error:
            raise WhylightError(f"{_ANOTHER}: its facts are no JSON") from error
        try:
            facts = _FACTS(stated, "")
            maps = tuple(MapFacts(**one) for one in facts["maps"])
            found = cls(**{**facts, "input": InputFacts(**facts["input"]), "maps": maps})
            found._check()
        except WhylightError as error:
            raise WhylightError(f"{_ANOTHER}: {error}") from error
        return found

    def _check(self) -> None:
        """See that what is stated in several places agrees, and that an image is not larger than memory.

        Raises:
            WhylightError: it does not, or it is.
        """
        image, axes = self.input, len(self.input.size)
        expected: dict[str, tuple[int, tuple[int, ...]]] = {
            "input.size": (axes, (len(image.layout.replace("C", "")),)),
            "input.mean": (len(image.mean), (0, image.channels)),
            "input.std": (len(image.std), (0, image.channels)),
            "baseline": (len(self.baseline), (0, image.channels)),
            "class_names": (len(self.class_names), (0, self.class_count)),
            **{f"maps[{index}].crop": (len(one.crop), (2 * axes,)) for index, one in enumerate(self.maps)},
        }
        for name, (found, counts) in expected.items():
            if found not in counts:
                raise WhylightError(f"{name} has {found} values, expected {' or '.join(map(str, counts))}")
        for index, one in enumerate(self.maps):
            if any(part.start >= part.stop for part in image.region(one.crop)):
                raise WhylightError(
                    f"maps[{index}].crop is {one.crop}, expected where it begins and then where it ends"
                )
        names = [self.output, SCORE, *(one.output for one in self.maps)]
        if len({*names}) < len(names):
            raise WhylightError("several outputs have one name")
        check_memory("input", "an image", image.memory)

    @classmethod
    def of(cls, graph: bytes | Path) -> "ExplainerFacts":
        """The facts of an ONNX file: of its content, or where it lies. The network is not read.

        Raises:
            WhylightError: it cannot be read, or is not that of an explainer graph.
        """
        source = name_of(graph)
        if not isinstance(graph, bytes):
            check_file(graph)
        try:
            with reading(source), content_of(graph) as content:
                metadata = metadata_of(content)
        except WhylightError as error:
            if isinstance(error.__cause__, OSError):
                raise
            raise WhylightError(f"{source}: {_ANOTHER}") from error
        try:
            return cls.from_metadata(metadata)
        except WhylightError as error:
            raise WhylightError(f"{source}: {error}") from error

    @classmethod
    def held_by(cls, path: Path) -> "ExplainerFacts | None":
        """The facts in a model file, or None where it is no explainer graph.

        Raises:
            WhylightError: it is one that another version of whylight made.
        """
        try:
            with content_of(path) as content:
                if METADATA_KEY not in metadata_of(content):
                    return None
        except (OSError, ValueError, IndexError):
            return None
        return cls.of(path)


# ---- what the metadata of an explainer graph holds

_ANOTHER = "not an explainer graph made by this version of 'whylight compile'"
_BYTES_A_VALUE = 16
"""Of an image, at least: decoded, resized, as the network's input, and on the way."""
_MOST_CLASSES, _LONGEST_SIDE, _MOST_BYTES = 2**24, 2**24, 2**50
_SMALLEST_STD, _LARGEST_VALUE = 1e-30, 1e30
_VALUE = number(-_LARGEST_VALUE, _LARGEST_VALUE)
_LAYOUTS = ("CHW", "HWC", "HW", "CL", "LC", "L", "CDHW", "DHWC", "DHW")
_SIDE = whole(1, _LONGEST_SIDE)
_MAP = record({"output": text, "method": text, "layer": text, "crop": sequence(number(0, 1), 2, 6)})
_INPUT = {
    "name": text,
    "channels": whole(1, 2**16),
    "layout": one_of(*_LAYOUTS),
    "maximum": number(_SMALLEST_STD, _LARGEST_VALUE),
    "mean": sequence(_VALUE, 0, 2**16),
    "std": sequence(either(number(_SMALLEST_STD, _LARGEST_VALUE), number(-_LARGEST_VALUE, -_SMALLEST_STD)), 0, 2**16),
    "channel_order": one_of("RGB", "BGR"),
    "exif_orientation": flag,
}
_PICTURE, _ARRAY = (
    record({**_INPUT, "height": _SIDE, "width": _SIDE}),
    record({**_INPUT, "size": sequence(_SIDE, 1, 3)}),
)


def _input(value: Any, place: str) -> dict[str, Any]:
    """Of a picture height and width are named."""
    if isinstance(value, dict) and "size" in value:
        return dict(_ARRAY(value, place))
    found = dict(_PICTURE(value, place))
    size = (found.pop("height"), found.pop("width"))
    return {**found, "size": size}


_FACTS = record(
    {
        "maps": sequence(_MAP, 1, 1000),
        "score": one_of("logit", "output"),
        "input": _input,
        "output": text,
        "final_activation": one_of("Softmax", "LogSoftmax", "Sigmoid", None),
        "class_count": whole(1, _MOST_CLASSES),
        "is_two_class": flag,
        "activation_bytes": whole(0, _MOST_BYTES),
        "smooth": flag,
        "head_bytes": whole(0, _MOST_BYTES),
        "baseline": sequence(_VALUE, 0, 2**16),
        "against": either(one_of("predicted", None), whole(0, _MOST_CLASSES)),
        "counterfactual": flag,
        "explains_tokens": flag,
        "notes": sequence(text, 0, 1000),
        "class_names": sequence(text, 0, _MOST_CLASSES),
        "model": text,
    }
)
"""`ExplainerFacts`, as JSON."""
