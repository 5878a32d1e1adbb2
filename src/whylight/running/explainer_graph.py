"""An explainer graph, opened: tensors in, tensors out. It holds the sessions, and knows nothing of images."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from whylight.contract import ALTERED, ALTERED_CLASS_INDEX, ALTERED_SCORE, CLASS_INDEX, SCORE, ExplainerFacts, name_of
from whylight.errors import WhylightError
from whylight.files.budget import SECONDS
from whylight.files.checks import reading
from whylight.files.external_data import data_files
from whylight.graph.trial import ending_after
from whylight.methods import Method, method_named
from whylight.running.maps import smoothed, stretched
from whylight.running.opened_graph import UNLIKE_ITS_FACTS, OpenedGraph, open_graph
from whylight.running.session import session_error
from whylight.target.passes import Passes

FloatArray = NDArray[np.float32]

_LOGGER = logging.getLogger(__name__)
_Made = TypeVar("_Made")


class ExplainerGraph:
    """An explainer graph that is opened when it first runs. Several threads may share it.

    Attributes:
        facts: what it explains, and how.
        graph: an ONNX file's content, or its path.
        advance: is told how many further passes of a method of several are done.
    """

    advance: Callable[[int], None]

    def __init__(self, graph: bytes | Path, device: str, threads: int | None) -> None:
        """Read the facts; the network is opened when it is first run, once.

        Args:
            graph: what ``whylight compile`` writes.
            device: one of `whylight.options.DEVICES`.
            threads: that the network may use for one run; by default one a core.

        Raises:
            WhylightError: it is not an explainer graph.
        """
        self.graph = graph
        self.facts = ExplainerFacts.of(graph)
        self._device = device
        self._threads = threads
        self.advance = _nothing
        self._lock = Lock()
        self._open: OpenedGraph | None = None
        self._head: Any = None
        self._again: Callable[[], bytes] | None = None

    def as_own(self, again: Callable[[], bytes]) -> Self:
        """The same, with the word that its file was written by whoever runs it: see `whylight.running.cache`.

        Args:
            again: makes the content of the file once more, for when it is gone.
        """
        self._again = again
        return self

    def _another(self) -> Self:
        """The same explainer with a network of its own."""
        own = copy(self)
        own._lock, own._open, own._head = Lock(), None, None
        return own

    def _with_graph(self, use: Callable[[bytes | Path], _Made]) -> _Made:
        """What is made of the graph; it is made again where a file of the cache is gone, which may be emptied any time.

        Raises:
            WhylightError: nothing can be made of it.
        """
        try:
            return use(self.graph)
        except WhylightError:
            if self._again is None or isinstance(self.graph, bytes):
                raise
        self.graph = self._again()
        return use(self.graph)

    @property
    def device(self) -> str:
        """What the network runs on: one of `whylight.options.DEVICES`, not ``auto``. It is opened to find out."""
        return self._opened.device

    @property
    def names_beside(self) -> tuple[str, ...]:
        """The outputs that hold what goes around the layer: see `whylight.compiling.head`."""
        return self._opened.names_beside

    def content(self) -> bytes:
        """The explainer graph as the content of an ONNX file."""
        return self._with_graph(_content)

    def digest(self) -> str:
        """What tells the explainer graph, as it is kept, from all others."""
        return self._with_graph(_digest)

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

    def stretched(self, maps: Sequence[FloatArray]) -> list[FloatArray]:
        """The maps (N, h, w) of each of ``facts.maps``, as `run_all` gives them, in [0, 1]."""
        return [
            stretched(cams, method_named(one.method).is_signed) for one, cams in zip(self.facts.maps, maps, strict=True)
        ]

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
        image: NDArray[Any] = _laid_out(images, self.facts.input.layout)
        if self._opened.takes_bytes:
            image = image.round().clip(0, 255).astype(np.uint8)
        feeds: dict[str, NDArray[Any]] = {self.facts.input.name: image, CLASS_INDEX: class_indices}
        return self._run_session(self._opened.session, outputs, feeds, self._opened.unused_inputs)

    def head_scores(
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
        return self._run_session(self._head_session, [ALTERED_SCORE], feeds, {})[0]

    @property
    def _opened(self) -> OpenedGraph:
        with self._lock:
            if self._open is None:
                self._open = self._with_graph(self._opened_of)
                _LOGGER.info("%s runs on %s", self._name(), self._open.device)
            return self._open

    @property
    def _head_session(self) -> Any:
        opened = self._opened
        with self._lock:
            if self._head is None:
                self._head = self._with_graph(lambda graph: _head(graph, opened, self._threads))
            return self._head

    def _opened_of(self, graph: bytes | Path) -> OpenedGraph:
        return open_graph(graph, self.facts, self._device, self._threads, is_own=self._again is not None)

    @cached_property
    def _method(self) -> Method:
        return method_named(self.facts.maps[0].method)

    def _run_once(self, images: FloatArray, class_indices: NDArray[np.int64]) -> list[FloatArray]:
        names = [facts.output for facts in self.facts.maps]
        output, scores, *cams = self.fetch([self.facts.output, SCORE, *names], images, class_indices)
        self._check_results(len(images), output, scores, cams)
        output = output.reshape(len(images), -1)
        if self._method.driver:
            self._opened.check_activation(cams[0])
            cams = [self._method.driver(Passes(self, images, self._explained(output, class_indices)), cams[0])]
        return [output, scores, *cams]

    def _check_results(self, count: int, output: FloatArray, scores: FloatArray, cams: Sequence[FloatArray]) -> None:
        """See that there is a result for every image and class.

        Raises:
            WhylightError: there is not.
        """
        classes = 1 if self.facts.is_two_class else self.facts.class_count
        axes = None if self._method.driver else 1 + len(self.facts.input.size)
        is_fit = output.size == count * classes and scores.shape == (count,)
        if not is_fit or any(cam.shape[:1] != (count,) or axes not in (None, cam.ndim) for cam in cams):
            shapes = ", ".join(str(each.shape) for each in (output, scores, *cams))
            raise WhylightError(f"{self._name()}: {UNLIKE_ITS_FACTS}: for {count} images it gives {shapes}")

    def _run_session(
        self,
        session: Any,
        outputs: Sequence[str],
        feeds: Mapping[str, NDArray[Any]],
        unused: Mapping[str, NDArray[Any]],
    ) -> list[FloatArray]:
        size, count = self._opened.fixed_batch, len(next(iter(feeds.values())))
        if size is None:
            return self._run_batch(session, outputs, {**feeds, **unused})
        # a batch size that cannot change: whole batches, the last one filled up
        parts = []
        for start in range(0, count, size):
            rows = np.arange(start, start + size).clip(max=count - 1)
            batch = {name: feed[rows] for name, feed in feeds.items()}
            parts.append(self._run_batch(session, outputs, {**batch, **unused}))
        return [np.concatenate(part)[:count] for part in zip(*parts, strict=True)]

    def _run_batch(self, session: Any, outputs: Sequence[str], feeds: Mapping[str, NDArray[Any]]) -> list[FloatArray]:
        try:
            with self._ending(len(next(iter(feeds.values())))) as options:
                return list(session.run(list(outputs), feeds, options))
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise session_error(error, self._name()) from error

    def _ending(self, images: int) -> AbstractContextManager[Any]:
        """Options of a run of so many images that ends also where the graph's loops do not; None where it has none."""
        return ending_after(SECONDS / 2 * max(images, 1)) if self._opened.may_not_end else nullcontext()

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


def _nothing(_: int) -> None:
    pass


def _content(graph: bytes | Path) -> bytes:
    if isinstance(graph, bytes):
        return graph
    from whylight.running.head import whole_model

    with reading(graph):
        return whole_model(graph)


def _digest(graph: bytes | Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(graph, bytes):
        digest.update(graph)
    else:
        with reading(graph):
            for path in (graph, *data_files(graph)):
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _head(graph: bytes | Path, opened: OpenedGraph, threads: int | None) -> Any:
    from whylight.running.head import open_head

    with reading(name_of(graph)):
        return open_head(graph, opened.device, threads, opened.memory)


def _laid_out(images: FloatArray, layout: str) -> FloatArray:
    """Images (N, C, H, W) in the layout of a model's input."""
    match layout.find("C"):
        case -1:
            return images[:, 0]
        case 0:
            return images
        case place:
            return np.ascontiguousarray(np.moveaxis(images, 1, place + 1))
