"""Running an explainer graph: images and class indices in, explanations out.

This module needs no model reader: it runs the file that ``whylight compile`` writes, with ONNX Runtime alone.
"""

import hashlib
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.contract import (
    ALTERED,
    ALTERED_CLASS_INDEX,
    ALTERED_SCORE,
    BESIDE,
    CLASS_INDEX,
    SCORE,
    ExplainerFacts,
    MapFacts,
)
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.external_data import data_files, whole_model
from whylight.files.storage import location
from whylight.images.arrays import array_inputs, array_of, read_array
from whylight.images.pictures import Picture, model_inputs, normalize, picture_of, read_picture
from whylight.methods import method_named
from whylight.running.explanation import Explanation
from whylight.running.maps import normalized, smoothed
from whylight.running.session import open_part, open_session, session_error
from whylight.target.passes import Passes

ImageLike = str | Path | Image.Image | NDArray[Any]
"""An image file, a Pillow image, or an array: (H, W), (H, W, C) or (C, H, W), uint8, uint16 or float in [0, 1].

For a model of signals or volumes a .npy or .csv file or an array in the model's own shape and range: (C, L) or (L, C),
(C, D, H, W) or (D, H, W, C), without C where that is 1.
"""

PREDICTED: Literal["predicted"] = "predicted"
"""In place of a class index: the class that the model finds most probable."""
ClassIndex = int | Literal["predicted"]

FloatArray = NDArray[np.float32]

_BATCH_SIZE = 16
_BATCHES_AHEAD = 2


class Explainer:
    """A compiled explainer, ready to run. Several threads may share it.

    Attributes:
        facts: what it explains, and how.
        graph: the explainer graph: a file's content, or its path.
        device: what runs it: one of `whylight.running.session.DEVICES`, not ``auto``.
        names_beside: the outputs that hold what goes around the layer: see `whylight.compiling.head`.
    """

    def __init__(self, graph: bytes | str | Path, threads: int | None = None, device: str = "cpu") -> None:
        """Load an explainer graph, from memory or from a file.

        Args:
            graph: what ``whylight compile`` writes.
            threads: that the network may use for one batch; by default one a core.
            device: one of `DEVICES`; ``auto`` takes the fastest that is installed. One that is not there, or does not
                start, gives a warning, and the processor is used.

        Raises:
            WhylightError: it is not an explainer graph.
        """
        self.graph = graph
        self._threads = threads
        self._lock = Lock()
        self._said_zero: set[str] = set()
        self._session, self.device = open_session(graph, device, threads)
        self.facts = ExplainerFacts.from_metadata(self._session.get_modelmeta().custom_metadata_map)
        self._driver = method_named(self.facts.maps[0].method).driver
        outputs = [info.name for info in self._session.get_outputs()]
        self.names_beside = [name for name in outputs if name.startswith(f"{BESIDE}/")]
        inputs = self._session.get_inputs()
        self._fixed_batch = next(info.shape[0] for info in inputs if info.name == self.facts.input.name)
        self._unused_inputs = {
            info.name: np.zeros(
                [extent if isinstance(extent, int) else 1 for extent in info.shape],
                np.int64 if info.name == ALTERED_CLASS_INDEX else np.float32,
            )
            for info in inputs
            if info.name not in (self.facts.input.name, CLASS_INDEX)
        }

    def content(self) -> bytes:
        """The explainer graph as the content of an ONNX file."""
        return self.graph if isinstance(self.graph, bytes) else whole_model(Path(self.graph))

    def digest(self) -> str:
        """What tells the explainer graph, as it is kept, from all others."""
        digest = hashlib.blake2b(digest_size=16)
        if isinstance(self.graph, bytes):
            digest.update(self.graph)
        else:
            for path in (Path(self.graph), *data_files(Path(self.graph))):
                digest.update(path.read_bytes())
        return digest.hexdigest()

    @overload  # a str is a file, not a sequence of images: the first form is meant
    def __call__(self, image: ImageLike, class_index: ClassIndex = PREDICTED) -> Explanation: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(
        self, image: Sequence[ImageLike], class_index: ClassIndex | Sequence[ClassIndex] = PREDICTED
    ) -> list[Explanation]: ...
    def __call__(
        self, image: ImageLike | Sequence[ImageLike], class_index: ClassIndex | Sequence[ClassIndex] = PREDICTED
    ) -> Explanation | list[Explanation]:
        """Explain one image, or a list of images in batches.

        Args:
            image: an image file, a Pillow image, or an array (H, W), (H, W, C) or (C, H, W) of uint8, uint16, or
                float in [0, 1]; or a list of these. For signals and volumes see `ImageLike`.
            class_index: the class to explain, or ``"predicted"``; for a list of images, one for all or one each.

        Raises:
            WhylightError: an image cannot be read, or a class index is out of range.
        """
        if isinstance(image, str | Path | Image.Image | np.ndarray):
            if isinstance(class_index, Sequence) and not isinstance(class_index, str):
                raise WhylightError(f"one image takes one class index, {len(class_index)} were given")
            return self.explain([self.picture(image)], [class_index])[0]
        single = isinstance(class_index, str) or not isinstance(class_index, Sequence)
        indices: Sequence[ClassIndex] = [class_index] * len(image) if single else class_index  # type: ignore[list-item, assignment]
        if len(indices) != len(image):
            raise WhylightError(f"{len(image)} images and {len(indices)} class indices: expected as many of both")
        explanations: list[Explanation] = []
        for start in range(0, len(image), _BATCH_SIZE):
            pictures = [self.picture(one) for one in image[start : start + _BATCH_SIZE]]
            explanations += self.explain(pictures, indices[start : start + _BATCH_SIZE])
        return explanations

    def stream(self, rows: Iterable[tuple[ImageLike, ClassIndex]]) -> Iterator[Explanation]:
        """Explain any number of images, in their order, with the memory of a few batches.

        Args:
            rows: images with their class index, or ``"predicted"``; read as explanations are asked for.

        Raises:
            WhylightError: an image cannot be read, or a class index is out of range; the explanations before it
                have been given.
        """
        source = iter(rows)
        waiting: deque[Future[list[Explanation | WhylightError]]] = deque()
        with ThreadPoolExecutor(_BATCHES_AHEAD) as pool:
            while True:
                while len(waiting) < _BATCHES_AHEAD and (batch := list(islice(source, _BATCH_SIZE))):
                    waiting.append(pool.submit(self._explained_or_not, batch))
                if not waiting:
                    return
                for one in waiting.popleft().result():
                    if isinstance(one, WhylightError):
                        raise one
                    yield one

    def _explained_or_not(self, batch: list[tuple[ImageLike, ClassIndex]]) -> list[Explanation | WhylightError]:
        """The explanations of a batch up to the first image that cannot be explained."""
        good: list[tuple[Picture, int]] = []
        failure: list[Explanation | WhylightError] = []
        for image, class_index in batch:
            try:
                good.append((self.picture(image), self.checked_index(class_index)))
            except WhylightError as error:
                failure.append(error)
                break
        if not good:
            return failure
        pictures, indices = zip(*good, strict=True)
        return [*self.explain(pictures, [PREDICTED if index < 0 else index for index in indices]), *failure]

    def picture(self, image: ImageLike) -> Picture:
        """Decode an image to the model's channels.

        Raises:
            WhylightError: it cannot be read or has the wrong channel count.
        """
        facts = self.facts.input
        if isinstance(image, Image.Image | np.ndarray):
            return picture_of(image, facts.channels) if facts.is_picture else array_of(image, facts)
        path = location(image) if isinstance(image, str) else image
        return read_picture(path, facts.channels) if facts.is_picture else read_array(path, facts)

    def inputs(self, pictures: Sequence[Picture]) -> FloatArray:
        """Decoded images (N, C, H, W) as `run` takes them: resized, in the model's range, normalized.

        Signals (N, C, L) and volumes (N, C, D, H, W) are normalized alone.
        """
        facts = self.facts.input
        if facts.is_picture:
            inputs = model_inputs(pictures, (facts.height, facts.width), facts.maximum)
        else:
            inputs = array_inputs(pictures)
        normalize(inputs, facts.mean, facts.std, facts.channel_order)
        return inputs

    def explain(self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex]) -> list[Explanation]:
        """Explain decoded images in one batch.

        Raises:
            WhylightError: a class index is out of range.
        """
        return [explanations[0] for explanations in self.explain_all(pictures, class_indices)]

    def explain_all(self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex]) -> list[list[Explanation]]:
        """As `explain`: of each image one explanation for each of ``facts.maps``."""
        facts = self.facts
        wanted = np.array([self.checked_index(index) for index in class_indices], np.int64)
        output, scores, *maps = self.run_all(self.inputs(pictures), wanted)
        probabilities = self._probabilities(output)
        predicted, explained = probabilities.argmax(1), self._explained(output, wanted)
        own = probabilities[np.arange(len(explained)), explained]
        ranks = 1 + (probabilities > own[:, np.newaxis]).sum(1)
        for one, cams in zip(facts.maps, maps, strict=True):
            self._warn_of_empty(one, cams)
        stretched = self.stretched(maps)
        return [
            [
                Explanation(
                    cam=cams[i],
                    class_index=int(explained[i]),
                    score=float(scores[i]),
                    probability=float(own[i]),
                    predicted=int(predicted[i]),
                    rank=int(ranks[i]),
                    layer=one.layer,
                    method=one.method,
                    picture=picture,
                    input_size=facts.input.size,
                    maximum=facts.input.maximum,
                    crop=one.crop,
                )
                for one, cams in zip(facts.maps, stretched, strict=True)
            ]
            for i, picture in enumerate(pictures)
        ]

    def stretched(self, maps: Sequence[FloatArray]) -> list[FloatArray]:
        """The maps (N, h, w) of each of ``facts.maps``, as `run_all` gives them, in [0, 1]."""
        return [
            normalized(cams, method_named(one.method).is_signed)
            for one, cams in zip(self.facts.maps, maps, strict=True)
        ]

    def _warn_of_empty(self, one: MapFacts, cams: FloatArray) -> None:
        """Say it where maps show nothing: once, however many batches of zeros there are."""
        subject = f"layer '{one.layer}'" if one.layer else f"method '{one.method}'"
        if not np.isfinite(cams).all():
            warnings.warn(f"{subject}: the map holds NaN or infinite values", WhylightWarning, stacklevel=3)
        if len(cams) and not cams.any() and one.output not in self._said_zero:
            self._said_zero.add(one.output)
            warnings.warn(
                f"{subject}: the map is zero everywhere: nothing that it looks at speaks for the class; "
                "another layer or method may show more",
                WhylightWarning,
                stacklevel=3,
            )

    def checked_index(self, index: ClassIndex) -> int:
        """The class index as the graph takes it: -1 for the predicted class.

        Raises:
            WhylightError: it is out of range.
        """
        if index == PREDICTED:
            return -1
        if isinstance(index, str) or not 0 <= index < self.facts.class_count:
            raise WhylightError(
                f"class index {index} is out of range: the model has classes 0 to {self.facts.class_count - 1}"
            )
        return int(index)

    def run(self, images: FloatArray, class_indices: NDArray[np.int64]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Run the graph, and what further passes the method takes.

        Args:
            images: (N, C, H, W) float32 in the model's range, normalized as the model wants it.
            class_indices: (N,), -1 for the predicted class.

        Returns:
            The model's class output (N, K), the scores (N,) and the maps (N, h, w), not normalized.
        """
        output, scores, *cams = self.run_all(images, class_indices)
        return output, scores, cams[0]

    def run_all(self, images: FloatArray, class_indices: NDArray[np.int64]) -> list[FloatArray]:
        """As `run`, with all maps that the graph computes.

        Returns:
            The model's class output (N, K), the scores (N,), and the maps (N, h, w) of each of ``facts.maps``.
        """
        output, scores, *cams = self._run_once(images, class_indices)
        if self.facts.smooth:
            explained = self._explained(output, class_indices)
            cams = smoothed(lambda altered: self.stretched(self._run_once(altered, explained)[2:]), images)
        return [output, scores, *cams]

    def _run_once(self, images: FloatArray, class_indices: NDArray[np.int64]) -> list[FloatArray]:
        names = [facts.output for facts in self.facts.maps]
        output, scores, *cams = self.fetch([self.facts.output, SCORE, *names], images, class_indices)
        output = output.reshape(len(images), -1)
        if self._driver:
            cams = [self._driver(Passes(self, images, self._explained(output, class_indices)), cams[0])]
        return [output, scores, *cams]

    def probabilities(self, images: FloatArray) -> FloatArray:
        """The model's probabilities (N, classes) for images (N, C, H, W) in its range."""
        (output,) = self.fetch([self.facts.output], images, np.zeros(len(images), np.int64))
        return self._probabilities(output.reshape(len(images), -1))

    def fetch(self, outputs: Sequence[str], images: FloatArray, class_indices: NDArray[np.int64]) -> list[FloatArray]:
        """Some outputs of the graph.

        Args:
            outputs: their names.
            images: (N, C, H, W), float32 in the model's range.
            class_indices: (N,), -1 for the predicted class.

        Raises:
            WhylightError: ONNX Runtime cannot run it.
        """
        feeds: dict[str, NDArray[Any]] = {
            self.facts.input.name: _laid_out(images, self.facts.input.layout),
            CLASS_INDEX: class_indices,
        }
        return self._run_session(self._session, outputs, feeds, self._unused_inputs)

    def scores_above(
        self, activations: FloatArray, class_indices: NDArray[np.int64], beside: Mapping[str, FloatArray]
    ) -> FloatArray:
        """The scores (M,) of altered activations of the layer: only the network above it is run.

        Args:
            activations: (M, C, h, w).
            class_indices: (M,).
            beside: what goes around the layer, by the names of ``names_beside``, (M, ...) each.

        Raises:
            WhylightError: ONNX Runtime cannot run it.
        """
        feeds: dict[str, NDArray[Any]] = {ALTERED: activations, ALTERED_CLASS_INDEX: class_indices}
        feeds |= {f"{name}/in": value for name, value in beside.items()}
        return self._run_session(self._session_above, [ALTERED_SCORE], feeds, {})[0]

    @cached_property
    def _session_above(self) -> Any:
        with self._lock:
            return open_part(self.content(), [ALTERED_SCORE], self.device, self._threads)

    def _run_session(
        self,
        session: Any,
        outputs: Sequence[str],
        feeds: Mapping[str, NDArray[Any]],
        unused: Mapping[str, NDArray[Any]],
    ) -> list[FloatArray]:
        size, count = self._fixed_batch, len(next(iter(feeds.values())))
        if not isinstance(self._fixed_batch, int):
            return self._run_batch(session, outputs, {**unused, **feeds})
        # a batch size that cannot change: whole batches, the last one filled up
        size, count = self._fixed_batch, len(next(iter(feeds.values())))
        parts = []
        for start in range(0, count, size):
            rows = np.arange(start, start + size).clip(max=count - 1)
            batch = {name: feed[rows] for name, feed in feeds.items()}
            parts.append(self._run_batch(session, outputs, {**unused, **batch}))
        return [np.concatenate(part)[:count] for part in zip(*parts, strict=True)]

    def _run_batch(self, session: Any, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[FloatArray]:
        try:
            return list(session.run(list(outputs), feeds))
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise session_error(error, self._name()) from error

    def _name(self) -> str:
        facts = self.facts.maps[0]
        return f"layer '{facts.layer}'" if facts.layer else f"method '{facts.method}'"

    def _explained(self, output: FloatArray, class_indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The class indices, with the predicted class in place of -1."""
        return np.where(class_indices < 0, self._probabilities(output).argmax(1), class_indices)

    def _probabilities(self, output: FloatArray) -> FloatArray:
        """(N, classes) from the model's output."""
        match self.facts.final_activation:
            case "LogSoftmax":
                return np.asarray(np.exp(output), np.float32)
            case "Sigmoid" if self.facts.is_two_class:
                return np.concatenate([1 - output, output], 1)
            case None if self.facts.class_count > 1:
                exponentials = np.exp(output - output.max(1, keepdims=True))
                return np.asarray(exponentials / exponentials.sum(1, keepdims=True), np.float32)
            case _:
                return output


def _laid_out(images: FloatArray, layout: str) -> FloatArray:
    """Images (N, C, H, W) in the layout of a model's input."""
    match layout.find("C"):
        case -1:
            return images[:, 0]
        case 0:
            return images
        case place:
            return np.ascontiguousarray(np.moveaxis(images, 1, place + 1))
