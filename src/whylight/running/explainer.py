"""Images and class indices in, explanations out.

This module needs no model reader: it runs the file that ``whylight compile`` writes, with ONNX Runtime alone.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, overload

import numpy as np

from whylight.class_names.lookup import class_index_of
from whylight.class_names.source import Labels, class_names
from whylight.contract import MapFacts, Origin
from whylight.errors import OutOfMemoryError, WhylightError, WhylightWarning
from whylight.files.storage import local_path_of
from whylight.images.inputs import ImageLike, is_image, prepared_inputs, read_image
from whylight.images.pictures import Picture
from whylight.methods import method_named
from whylight.options import PREDICTED, ClassIndex, Execution, Rendering, class_reference, parsed
from whylight.parallel import in_batches, ordered_map
from whylight.running.explainer_graph import ExplainerGraph, FloatArray
from whylight.running.explanation import Explanation

_BATCH_BYTES = 512 * 2**20
_LARGEST_BATCH = 64
_BATCHES_AHEAD = 2
_TOP = 5
_PLAIN = Rendering()


class Explainer(ExplainerGraph):
    """A compiled explainer, ready to run. Several threads may share it.

    Attributes:
        facts: what it explains, and how.
        graph: the explainer graph: an ONNX file's content, or its path.
        execution: what runs it.
    """

    def __init__(self, graph: bytes | str | Path, execution: Execution | None = None, **options: Any) -> None:
        """Take an explainer graph, from memory or from a file. The network is opened when it is first run.

        Args:
            graph: what ``whylight compile`` writes.
            execution: what runs it.
            **options: fields of `Execution`, in place of those of ``execution``.

        Raises:
            WhylightError: it is not an explainer graph.
        """
        self.execution = Execution.of(execution, **options)
        file = graph if isinstance(graph, bytes) else local_path_of(graph)
        super().__init__(file, self.execution.device, self.execution.threads)
        self._said_empty: set[str] = set()

    def with_threads(self, threads: int) -> "Explainer":
        """The same explainer with a network of its own, which uses so many threads for one run."""
        own = self._another()
        own._threads = threads
        return own

    def with_class_names(self, labels: Labels) -> "Explainer":
        """The same explainer with other names of its classes: see `whylight.class_names.source.class_names`.

        Raises:
            WhylightError: the labels cannot be read, or are not one a class.
        """
        own = self._another()
        own.facts = replace(own.facts, class_names=class_names(labels, own.facts.class_count))
        return own

    @property
    def batch_size(self) -> int:
        """Images a run of the network: as the execution says, else a power of two that the model's size allows.

        One batch's tensors then take at most 512 MiB; it depends on the model alone.
        """
        if self.execution.batch_size is not None:
            return self.execution.batch_size
        fitting = _BATCH_BYTES // max(self.facts.activation_bytes, 1)
        return min(max(1 << (fitting.bit_length() - 1 if fitting else 0), 1), _LARGEST_BATCH)

    @overload  # a str is a file, not a sequence of images: the first form is meant
    def __call__(  # type: ignore[overload-overlap]
        self, image: ImageLike, class_index: ClassIndex = PREDICTED, rendering: Rendering = _PLAIN
    ) -> Explanation: ...
    @overload
    def __call__(
        self, image: ImageLike, class_index: Sequence[ClassIndex], rendering: Rendering = _PLAIN
    ) -> list[Explanation]: ...
    @overload
    def __call__(
        self,
        image: Sequence[ImageLike],
        class_index: ClassIndex | Sequence[ClassIndex] = PREDICTED,
        rendering: Rendering = _PLAIN,
    ) -> list[Explanation]: ...
    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        class_index: ClassIndex | Sequence[ClassIndex] = PREDICTED,
        rendering: Rendering = _PLAIN,
    ) -> Explanation | list[Explanation]:
        """Explain one image, for one class or several, or a list of images in batches.

        Args:
            image: an image file, a Pillow image, or an array (H, W), (H, W, C) or (C, H, W) of uint8, uint16, or
                float in [0, 1]; or a list of these. For signals and volumes see `ImageLike`.
            class_index: the class to explain: its index, its name, or ``"predicted"``; of one image several too, each
                of which gets an explanation; for a list of images, one for all or one each.
            rendering: how they will be drawn: see `picture`.

        Raises:
            WhylightError: an image cannot be read, or a class index is out of range.
        """
        if is_image(image):
            picture = self.picture(cast(ImageLike, image), rendering)
            if isinstance(class_index, str) or not isinstance(class_index, Sequence):
                return self.explain([picture], [class_index])[0]
            classes = in_batches(class_index, self.batch_size)
            return [one for batch in classes for one in self.explain([picture] * len(batch), batch)]
        if not isinstance(image, Sequence):
            return self.explain([self.picture(image)], [PREDICTED])  # which says what it found
        images = cast(Sequence[ImageLike], image)
        single = isinstance(class_index, str) or not isinstance(class_index, Sequence)
        indices: Sequence[ClassIndex] = [class_index] * len(image) if single else class_index  # type: ignore[list-item, assignment]
        if len(indices) != len(image):
            raise WhylightError(f"{len(image)} images and {len(indices)} class indices: expected as many of both")
        explanations: list[Explanation] = []
        for batch in in_batches(range(len(image)), self.batch_size):
            pictures, chosen = [self.picture(images[i], rendering) for i in batch], [indices[i] for i in batch]
            explanations += self.explain(pictures, chosen)
        return explanations

    def stream(self, rows: Iterable[tuple[ImageLike, ClassIndex]]) -> Iterator[Explanation]:
        """Explain any number of images, in their order, with the memory of a few batches.

        Args:
            rows: images with their class index, or ``"predicted"``; read as explanations are asked for.

        Raises:
            WhylightError: an image cannot be read, or a class index is out of range; the explanations before it
                have been given.
        """
        if not isinstance(rows, Iterable):
            raise WhylightError(f"found {type(rows).__name__} in place of rows: expected pairs of an image and a class")
        batches = in_batches(rows, self.batch_size)
        for batch in ordered_map(self._explained_or_not, batches, _BATCHES_AHEAD, _BATCHES_AHEAD):
            for one in batch:
                if isinstance(one, WhylightError):
                    raise one
                yield one

    def _explained_or_not(self, batch: list[tuple[ImageLike, ClassIndex]]) -> list[Explanation | WhylightError]:
        """The explanations of a batch up to the first image that cannot be explained."""
        good: list[tuple[Picture, int]] = []
        failure: list[Explanation | WhylightError] = []
        for row in batch:
            try:
                if not isinstance(row, tuple | list) or len(row) != 2:
                    raise WhylightError(f"found {type(row).__name__} in place of a pair of an image and a class")
                good.append((self.picture(row[0]), self.checked_index(row[1])))
            except WhylightError as error:
                failure.append(error)
                break
        if not good:
            return failure
        pictures, indices = zip(*good, strict=True)
        return [*self.explain(pictures, [PREDICTED if index < 0 else index for index in indices]), *failure]

    def picture(self, image: ImageLike, rendering: Rendering = _PLAIN) -> Picture:
        """Decode an image to the model's channels.

        Args:
            image: see `__call__`.
            rendering: how it will be drawn: for overlays of another size than its own, a large JPEG file may be decoded
                at reduced scale.

        Raises:
            WhylightError: it cannot be read or has the wrong channel count.
        """
        return read_image(image, self.facts.input, rendering.size)

    def inputs(self, pictures: Sequence[Picture]) -> FloatArray:
        """Decoded images (N, C, H, W) as `run` takes them; see `whylight.images.inputs.prepared_inputs`."""
        return prepared_inputs(pictures, self.facts.input)

    def explain(
        self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex], origin: Origin = "asked"
    ) -> list[Explanation]:
        """Explain decoded images in one batch.

        Args:
            pictures: the images.
            class_indices: the class to explain of each.
            origin: who named these classes, but for those that are ``"predicted"``.

        Raises:
            WhylightError: a class index is out of range.
        """
        return [explanations[0] for explanations in self.explain_all(pictures, class_indices, origin)]

    def explain_all(
        self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex], origin: Origin = "asked"
    ) -> list[list[Explanation]]:
        """As `explain`: of each image one explanation for each of ``facts.maps``."""
        try:
            return self._explain_all(pictures, class_indices, origin)
        except MemoryError as error:
            raise OutOfMemoryError(f"there is not enough memory for {len(pictures)} images at a time") from error

    def _explain_all(
        self, pictures: Sequence[Picture], class_indices: Sequence[ClassIndex], origin: Origin
    ) -> list[list[Explanation]]:
        facts = self.facts
        wanted = np.array([self.checked_index(index) for index in class_indices], np.int64)
        output, scores, *maps = self.run_all(self.inputs(pictures), wanted)
        probabilities = self._probabilities(output)
        predicted, explained = probabilities.argmax(1), self._explained(output, wanted)
        own = probabilities[np.arange(len(explained)), explained]
        top = _most_probable(probabilities)
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
                    top=top[i],
                    rank=int(ranks[i]),
                    layer=one.layer,
                    method=one.method,
                    picture=picture,
                    facts=facts,
                    crop=one.crop,
                    origin=origin if wanted[i] >= 0 else PREDICTED,
                )
                for one, cams in zip(facts.maps, stretched, strict=True)
            ]
            for i, picture in enumerate(pictures)
        ]

    def checked_index(self, index: ClassIndex) -> int:
        """The class index, of a name too, as the graph takes it: -1 for the predicted class.

        Raises:
            WhylightError: it is out of range, or no class has that name.
        """
        is_predicted = isinstance(index, str) and index == PREDICTED  # the usual one: parsing takes ten times as long
        chosen = PREDICTED if is_predicted else parsed("class index", index, class_reference)
        if chosen == PREDICTED:
            return -1
        return class_index_of(chosen, self.facts.class_names, self.facts.class_count)

    def _warn_of_empty(self, one: MapFacts, cams: FloatArray) -> None:
        """Say it where maps show nothing: once, however many batches of zeros there are."""
        subject = f"layer '{one.layer}'" if one.layer else f"method '{one.method}'"
        if not np.isfinite(cams).all():
            warnings.warn(f"{subject}: the map holds NaN or infinite values", WhylightWarning, stacklevel=3)
        if one.output not in self._said_empty and (emptiness := _emptiness(cams, method_named(one.method).is_signed)):
            self._said_empty.add(one.output)
            warnings.warn(f"{subject}: the map is {emptiness}", WhylightWarning, stacklevel=3)


def _emptiness(cams: FloatArray, is_signed: bool) -> str:
    """Why not one of the maps (N, h, w) shows anything, if that is so."""
    shown, axes = cams.clip(0) if is_signed else cams, tuple(range(1, cams.ndim))
    if not len(cams) or (shown.max(axes) != shown.min(axes)).any():
        return ""
    if not cams.any():
        return "zero everywhere: there is nothing to see in it; another layer, method or class may show more"
    if cams.max() <= 0:
        return (
            "zero everywhere: all that it looks at speaks against the class, which the option 'counterfactual' shows; "
            "another class may show more"
        )
    return "the same everywhere: it tells no place from another; another layer or method may show more"


def _most_probable(probabilities: FloatArray) -> list[tuple[tuple[int, float], ...]]:
    """Up to five classes with their probabilities (N, classes), of equal ones the first; to sort all takes longer."""
    rows, left = np.arange(len(probabilities)), probabilities.copy()
    found = []
    for _ in range(min(_TOP, probabilities.shape[1])):
        best = left.argmax(1)
        found.append(zip(best.tolist(), left[rows, best].tolist(), strict=True))
        left[rows, best] = -np.inf
    return list(zip(*found, strict=True))
