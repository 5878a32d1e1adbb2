"""Running an explainer graph: images and class indices in, explanations out.

This module needs no model reader: it runs the file that ``whylight compile`` writes, with ONNX Runtime alone.
"""

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from whylight import render
from whylight.errors import OutOfMemoryError, WhylightError, WhylightWarning
from whylight.facts import Box, ExplainerFacts
from whylight.images import Picture, display_pixels, model_inputs, normalize, picture_of, read_picture
from whylight.png import Pixels, encoded_png
from whylight.storage import location

ImageLike = str | Path | Image.Image | NDArray[Any]
"""An image file, a Pillow image, or an array: (H, W), (H, W, C) or (C, H, W), uint8, uint16 or float in [0, 1]."""

PREDICTED: Literal["predicted"] = "predicted"
"""In place of a class index: the class that the model finds most probable."""
ClassIndex = int | Literal["predicted"]

SIZES = ("original", "input")

_PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
DEVICES = ("auto", *_PROVIDERS)
"""What can run a network; ``auto`` takes the first of the others that is installed."""

FloatArray = NDArray[np.float32]

_BATCH_SIZE = 16
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Explanation:
    """Where the network looked when it decided for a class.

    Attributes:
        cam: the saliency map (h, w), float32 in [0, 1], at the target layer's resolution; 1 is where the class
            score owes most. All zero where nothing speaks for the class.
        class_index: the explained class.
        score: the explained class score: the logit, or the output (see `Classifier.explainer`).
        probability: the class's probability as the model gives it; for a model without a final activation,
            the softmax of its scores.
        predicted: the class that the model finds most probable.
        rank: the explained class's place among all by probability: 1 for the predicted one.
        layer: the target layer's name.
        method: the method's name.
        picture: the decoded image.
        input_size: height and width of the model's input.
        maximum: the model's value of white.
        crop: the part of the image that the map covers: top, left, bottom, right in fractions.
    """

    cam: FloatArray
    class_index: int
    score: float
    probability: float
    predicted: int
    rank: int
    layer: str
    method: str
    picture: Picture
    input_size: tuple[int, int]
    maximum: float
    crop: Box

    def overlay(self, alpha: float = 0.5, colormap: str = "jet", size: str = "original") -> Image.Image:
        """The map, in colors, blended over the image.

        Args:
            alpha: the weight of the colors, 0 to 1.
            colormap: one of `whylight.render.COLORMAPS`.
            size: ``"original"`` (the image's own size) or ``"input"`` (the model's input size).

        Returns:
            An RGB image.

        Raises:
            WhylightError: an argument is none of these.
        """
        return Image.fromarray(next(overlays([self], alpha, colormap, size)))

    def _repr_png_(self) -> bytes:
        return encoded_png(next(overlays([self])))


def overlays(
    explanations: Sequence[Explanation], alpha: float = 0.5, colormap: str = "jet", size: str = "original"
) -> Iterator[Pixels]:
    """What `Explanation.overlay` makes, of a batch of one explainer at once, as arrays (H, W, 3).

    Raises:
        WhylightError: as `Explanation.overlay`.
    """
    if size not in SIZES:
        raise WhylightError(f"no size '{size}': expected one of {', '.join(SIZES)}")
    if explanations:
        images = [_displayed(explanation, size) for explanation in explanations]
        cams = np.stack([explanation.cam for explanation in explanations])
        yield from render.overlays(images, cams, explanations[0].crop, alpha, colormap)


def _displayed(explanation: Explanation, size: str) -> Pixels:
    pixels = display_pixels(explanation.picture, explanation.maximum)
    if size == "original" or pixels.shape[:2] == explanation.input_size:
        return pixels
    height, width = explanation.input_size
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


class Explainer:
    """A compiled explainer, ready to run. Several threads may share it.

    Attributes:
        facts: what it explains, and how.
        graph: the explainer graph: a file's content, or its path.
        device: what runs it: one of `DEVICES`, not ``auto``.
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
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads or 0
        self._session, self.device = _session(graph, options, device)
        self.facts = ExplainerFacts.from_metadata(self._session.get_modelmeta().custom_metadata_map)
        self._fixed_batch = next(
            info.shape[0] for info in self._session.get_inputs() if info.name == self.facts.input.name
        )

    def content(self) -> bytes:
        """The explainer graph as the content of an ONNX file."""
        return self.graph if isinstance(self.graph, bytes) else Path(self.graph).read_bytes()

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
                float in [0, 1]; or a list of these.
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
        if isinstance(image, Image.Image | np.ndarray):
            return picture_of(image, self.facts.input.channels)
        return read_picture(location(image) if isinstance(image, str) else image, self.facts.input.channels)

    def explain(self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex]) -> list[Explanation]:
        """Explain decoded images in one batch.

        Raises:
            WhylightError: a class index is out of range.
        """
        facts = self.facts
        size = (facts.input.height, facts.input.width)
        wanted = np.array([self.checked_index(index) for index in class_indices], np.int64)
        inputs = model_inputs(pictures, size, facts.input.maximum)
        normalize(inputs, facts.input.mean, facts.input.std, facts.input.channel_order)
        output, scores, cams = self.run(inputs, wanted)
        probabilities = self._probabilities(output)
        predicted = probabilities.argmax(1)
        explained = np.where(wanted < 0, predicted, wanted)
        own = probabilities[np.arange(len(explained)), explained]
        ranks = 1 + (probabilities > own[:, np.newaxis]).sum(1)
        if not np.isfinite(cams).all():
            warnings.warn(f"layer '{facts.layer}': the map holds NaN or infinite values", WhylightWarning, stacklevel=2)
        return [
            Explanation(
                cam=cam,
                class_index=int(explained[i]),
                score=float(scores[i]),
                probability=float(own[i]),
                predicted=int(predicted[i]),
                rank=int(ranks[i]),
                layer=facts.layer,
                method=facts.method,
                picture=pictures[i],
                input_size=size,
                maximum=facts.input.maximum,
                crop=facts.crop,
            )
            for i, cam in enumerate(normalized(cams))
        ]

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
        """Run the graph.

        Args:
            images: (N, C, H, W) float32 in the model's range, normalized as the model wants it.
            class_indices: (N,), -1 for the predicted class.

        Returns:
            The model's class output (N, K), the scores (N,) and the maps (N, h, w), not normalized.
        """
        facts = self.facts.input
        if facts.layout == "HWC":
            images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        elif facts.layout == "HW":
            images = images[:, 0]
        if isinstance(self._fixed_batch, int):
            return self._run_in_fixed_batches(images, class_indices, self._fixed_batch)
        return self._run_batch(images, class_indices)

    def _run_in_fixed_batches(
        self, images: FloatArray, class_indices: NDArray[np.int64], size: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """For a model whose batch size cannot change: whole batches, the last one filled up."""
        parts = []
        for start in range(0, len(images), size):
            chosen = np.arange(start, start + size).clip(max=len(images) - 1)
            parts.append(self._run_batch(images[chosen], class_indices[chosen]))
        output, scores, cams = (np.concatenate(part)[: len(images)] for part in zip(*parts, strict=True))
        return output, scores, cams

    def _run_batch(
        self, images: FloatArray, class_indices: NDArray[np.int64]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        feeds = {self.facts.input.name: images, "class_index": class_indices}
        try:
            output, scores, cams = self._session.run([self.facts.output, "score", "cam"], feeds)
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            kind = OutOfMemoryError if _is_out_of_memory(error) else WhylightError
            raise kind(f"layer '{self.facts.layer}': ONNX Runtime stopped: {_first_line(error)}") from error
        return output.reshape(len(images), -1), scores, cams

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


def normalized(cams: FloatArray) -> FloatArray:
    """Each map (N, h, w) stretched to [0, 1]; one that is the same everywhere keeps its value, cut to [0, 1]."""
    cams = np.nan_to_num(cams)
    low, high = cams.min((1, 2), keepdims=True), cams.max((1, 2), keepdims=True)
    flat = low == high
    return np.where(flat, cams.clip(0, 1), (cams - low) / np.where(flat, 1, high - low)).astype(np.float32)


def optimized(graph: bytes) -> bytes:
    """An explainer graph as ONNX Runtime optimizes it for any processor: it loads faster, and computes the same.

    Raises:
        WhylightError: it is not a graph that ONNX Runtime can load.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        _session(graph, options, "cpu")
        return path.read_bytes()


def _session(graph: bytes | str | Path, options: Any, device: str) -> tuple[Any, str]:
    """A session on a device, or, with a warning, on the processor; and the device it is on."""
    if device not in DEVICES:
        raise WhylightError(f"no device '{device}': expected one of {', '.join(DEVICES)}")
    installed = onnxruntime.get_available_providers()
    wanted = [device] if device != "auto" else [name for name, provider in _PROVIDERS.items() if provider in installed]
    for name in dict.fromkeys([*wanted, "cpu"]):
        if _PROVIDERS[name] not in installed:
            warnings.warn(
                f"device '{name}': the installed ONNX Runtime has no {_PROVIDERS[name]}, the processor is used",
                WhylightWarning,
                stacklevel=3,
            )
            continue
        providers = dict.fromkeys([_PROVIDERS[name], _PROVIDERS["cpu"]])
        try:
            session = onnxruntime.InferenceSession(
                str(graph) if isinstance(graph, Path) else graph, options, providers=list(providers)
            )
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            if name == "cpu":
                source = "the explainer" if isinstance(graph, bytes) else graph
                raise WhylightError(f"{source}: ONNX Runtime cannot load it: {_first_line(error)}") from error
            reason = _first_line(error)
        else:
            if session.get_providers()[0] == _PROVIDERS[name]:
                return session, name
            reason = f"{_PROVIDERS[name]} did not start"
        warnings.warn(f"device '{name}': {reason}, the processor is used", WhylightWarning, stacklevel=3)
    raise WhylightError("the installed ONNX Runtime has no CPUExecutionProvider: pip install onnxruntime")


def _is_out_of_memory(error: Exception) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in said for sign in ("out of memory", "allocat", "bad_alloc"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
