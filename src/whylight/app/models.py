"""The models that are open: what may be asked of each, and its explainers, of which the last ones are kept."""

from __future__ import annotations

import asyncio
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from whylight import api
from whylight.app.command_line import command_line
from whylight.errors import Cancelled, WhylightError
from whylight.options import ModelOptions

if TYPE_CHECKING:
    from whylight.api import Classifier, Explainer, Explanation

_MODELS, _EXPLAINERS, _PICTURES = 3, 6, 4
"""That are kept, of each model the latter two."""
_DEFAULT = "gradcam"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Asked:
    """A question about an image.

    Attributes:
        class_index: the class, or ``predicted``.
        method: the method's name.
        layer: empty for the default one.
        against: the class to contrast with; empty for none.
    """

    class_index: int | str = "predicted"
    method: str = _DEFAULT
    layer: str = ""
    against: int | str = ""


class _Kept(OrderedDict[_Key, _Value]):
    """A few values; the one that was not used for longest goes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def get_or_make(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        if key not in self:
            self[key] = make()
            while len(self) > self.most:
                self.popitem(last=False)
        self.move_to_end(key)
        return self[key]


class OpenedModel:
    """A model file that is open. One thread at a time uses it: see ``turn``.

    Attributes:
        path: the file.
        turn: whoever has it computes; others wait, in the order in which they came.
    """

    def __init__(self, path: Path, parameters: Path | None, labels: str | Path | None) -> None:
        """Read nothing yet."""
        self.path = path
        self.turn = asyncio.Lock()
        self._parameters = parameters
        self._labels = labels
        self._classifier: Classifier | None = None
        self._facts: dict[str, Any] | None = None
        self._explainers = _Kept[tuple[Any, ...], "Explainer"](_EXPLAINERS)
        self._pictures = _Kept[tuple[Any, ...], Any](_PICTURES)

    def facts(self) -> dict[str, Any]:
        """What may be asked of it; see ``ModelFacts`` in `page/source.js`.

        Raises:
            WhylightError: the file cannot be read.
        """
        if self._facts is None:
            self._facts = self._read_facts()
        return self._facts

    def warm_up(self) -> None:
        """Open what answers the first question, so that it is answered at once."""
        if not self.facts()["problem"] and not self._explainers:
            explainer, _ = self.explainer(Asked(method=self.facts()["method"]))
            image = explainer.facts.input
            explainer.run(np.zeros((1, image.channels, *image.size), np.float32), np.zeros(1, np.int64))

    def explain(self, image: Path, asked: Asked, gone: Event | None = None) -> Explanation:
        """Explain an image.

        Args:
            image: its file.
            asked: the question.
            gone: once it is set nobody waits for the answer.

        Raises:
            WhylightError: the image cannot be read, or there is no such class, method or layer.
            Cancelled: nobody waits any more.
        """
        return self.explain_all([image], asked, gone)[0]

    def explain_all(self, images: Sequence[Path], asked: Asked, gone: Event | None = None) -> list[Explanation]:
        """As `explain`, of images in one batch."""
        explainer, place = self.explainer(asked)

        def watch(_: int) -> None:
            if gone is not None and gone.is_set():
                raise Cancelled("nobody waits for it any more")

        explainer.advance = watch
        pictures = [self._picture(image, explainer) for image in images]
        return [each[place] for each in explainer.explain_all(pictures, [asked.class_index] * len(pictures))]

    def covered(
        self, image: Path, rectangle: tuple[float, float, float, float]
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        """The probabilities (classes,) of an image with a rectangle in its mean color, and the classes' names.

        Args:
            image: its file.
            rectangle: left, top, right, bottom in fractions of its width and height.

        Raises:
            WhylightError: it cannot be read, or the model takes no pictures.
        """
        explainer = next(reversed(self._explainers.values())) if self._explainers else self.explainer(Asked())[0]
        if not explainer.facts.input.is_picture:
            raise WhylightError(f"the model takes {explainer.facts.input.kind}s: rectangles are covered in pictures")
        picture = self._picture(image, explainer)
        pixels = picture.pixels.copy()
        height, width = pixels.shape[:2]
        left, top, right, bottom = rectangle
        rows = slice(int(np.floor(top * height)), int(np.ceil(bottom * height)))
        columns = slice(int(np.floor(left * width)), int(np.ceil(right * width)))
        mean = pixels.mean((0, 1))
        pixels[rows, columns] = np.rint(mean) if pixels.dtype.kind == "u" else mean
        probabilities = explainer.probabilities(explainer.inputs([replace(picture, content=pixels)]))
        return probabilities[0], explainer.facts.class_names

    def explainer(self, asked: Asked) -> tuple[Explainer, int]:
        """What answers a question, and the place of its map among those that it makes.

        Raises:
            WhylightError: there is no such method or layer, or the file's only maps are others.
        """
        if not self.facts()["is_free"]:
            return self._of_compiled(asked)
        key = asked.method, asked.layer, asked.against
        return self._explainers.get_or_make(key, lambda: self._compiled(asked)), 0

    def command(self, image: str, name: str, explanation: Explanation, asked: Asked) -> str:
        """The command line that makes the same picture."""
        given = {
            "model": name,
            "image": f"./{image}" if image.startswith("-") else image,
            "class_index": str(explanation.class_index),
            "method": asked.method if asked.method != _DEFAULT else "",
            "layer": asked.layer,
            "against": str(asked.against),
            "labels": "imagenet" if self._labels == "imagenet" else "",
        }
        return command_line("gradcam", {option: value for option, value in given.items() if value})

    def _of_compiled(self, asked: Asked) -> tuple[Explainer, int]:
        explainer = self._explainers.get_or_make(
            (), lambda: api.explainer(self.path, _DEFAULT, ModelOptions(labels=self._labels))
        )
        places = [
            place
            for place, one in enumerate(explainer.facts.maps)
            if one.method == asked.method and asked.layer in ("", one.layer)
        ]
        if not places or asked.against != "":
            known = ", ".join(one.method for one in explainer.facts.maps)
            raise WhylightError(f"{self.path.name}: compiled with maps of {known}: it answers nothing else")
        return explainer, places[0]

    def _compiled(self, asked: Asked) -> Explainer:
        if self._classifier is None:
            self._classifier = api.load(self.path, self._parameters, labels=self._labels)
        against = None if asked.against == "" else asked.against
        return self._classifier.explainer(asked.method, asked.layer or None, against=against)

    def _picture(self, image: Path, explainer: Explainer) -> Any:
        state, facts = image.stat(), explainer.facts.input
        key = image, state.st_mtime_ns, state.st_size, facts.channels, facts.exif_orientation
        return self._pictures.get_or_make(key, lambda: explainer.picture(image))

    def _read_facts(self) -> dict[str, Any]:
        found = api.inspect(self.path, self._parameters, labels=self._labels).to_dict()
        is_free = not found["maps"]
        methods = api.methods()
        names = list(methods) if is_free else list(dict.fromkeys(one["method"] for one in found["maps"]))
        layers = (
            found["layers"]
            if is_free
            else [{"name": name, "type": "", "shape": [], "sees_all": True}
                  for name in dict.fromkeys(one["layer"] for one in found["maps"]) if name]
        )  # fmt: skip
        defaults = list(found["default_layers"]) or [layer["name"] for layer in layers[:1]]
        default = next((layer for layer in layers if layer["name"] in defaults), None)
        return {
            "name": self.path.name,
            "classes": found["classes"] or 0,
            "names": list(found["class_names"]),
            "layers": [{**layer, "is_default": layer["name"] in defaults} for layer in layers],
            "default_layers": defaults,
            "methods": [
                {
                    "name": name,
                    "summary": methods[name].summary,
                    "passes": _passes(methods[name].passes, default),
                    "cost": methods[name].passes,
                    "takes_layer": methods[name].sees_layer,
                }
                for name in names
            ],
            "method": _DEFAULT if is_free else names[0],
            "is_free": is_free,
            "notes": list(found["notes"]),
            "problem": found["problem"] or "",
        }


class Models:
    """The models that are open; the one that was not used for longest is closed."""

    def __init__(self) -> None:
        """Open none yet."""
        self._open = _Kept[tuple[Any, ...], OpenedModel](_MODELS)

    def opened(self, path: Path, parameters: Path | None, labels: str | Path | None) -> OpenedModel:
        """A model as its files are now. To be called by the server's own thread alone."""
        files = [file for file in (path, parameters, labels) if isinstance(file, Path)]
        states = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        return self._open.get_or_make((*states, labels), lambda: OpenedModel(path, parameters, labels))


def _passes(said: str, layer: Mapping[str, Any] | None) -> int:
    """About how many passes of the network an explanation takes.

    Args:
        said: as the method says it: ``4000``, ``about 170``, ``1, and at most 10 a channel``.
        layer: the one that is explained where none is named; its shape is (N, channels, ...).
    """
    shape = [extent for extent in (layer or {}).get("shape", ())[1:] if isinstance(extent, int)]
    first, _, more = said.partition(", and ")
    numbers = re.findall(r"\d+", first)
    passes = int(numbers[0]) if numbers else 1
    if not more or not shape:
        return passes
    many = shape[0] if more.endswith("a channel") else math.prod(shape[1:])
    return passes + many * int((re.findall(r"\d+", more) or ["1"])[0])
