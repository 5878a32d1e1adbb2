"""Sanity checks of a method on a model: a map must change when what the model has learned is taken away.

After Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018:

- Cascading randomization (section 3.1): layers get random weights one after the other, from the class scores down; the
  maps of each stage are compared with those of the model itself.
- Independent randomization (section 3.2): the same with one layer at a time, all others as they were.
- Edges (sections 1 and 5): a method that follows edges looks right on any image and knows nothing of the model. On
  images of noise, which hold no object, its maps would still follow the edges. It takes the place of the paper's data
  randomization test, which trains the model again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whylight.drawing.render import enlarged_maps
from whylight.images.pictures import normalize
from whylight.running.maps import stretched
from whylight.trust.cases import FloatArray, Values, refuse_arrays
from whylight.trust.randomization import (
    WeightedLayer,
    grouped,
    randomized,
    weighted_layers,
    with_spelled_out_weights,
)
from whylight.trust.similarity import edges, spearman, structural_similarity
from whylight.trust.tally import Score, Tally

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.contract import InputFacts
    from whylight.running.explainer import Explainer

BOUND = 0.5
"""The mean rank correlation up to which maps count as different."""
_UNCHANGED = 0.9
"""The mean rank correlation from which two maps of the same model and image count as the same."""
_DRAWS = 5
"""Random networks that the last stage is averaged over."""
_STAGES = 16
_BATCH_SIZE = 16
_NOISE_IMAGES = 8

Compile = Callable[["Classifier"], "Explainer"]


@dataclass(frozen=True)
class Stage:
    """Maps after some weights were replaced, compared with those before; means over images and random networks.

    Attributes:
        kind: ``unchanged``, ``cascading`` or ``independent``.
        layer: the layer that was randomized last.
        absolute: the size (0 to 1) of the rank correlation of the maps' absolute values.
        signed: that of the maps as they are.
        similarity: the maps' structural similarity (SSIM), at the size of the model's input.
    """

    kind: str
    layer: str
    absolute: Score
    signed: Score
    similarity: Score

    @property
    def correlation(self) -> Score:
        """The larger one of both correlations."""
        return max(self.absolute, self.signed, key=lambda score: score.mean)


@dataclass(frozen=True)
class SanityReport:
    """What became of a method's maps.

    Attributes:
        method: its name.
        stages: unchanged, then cascading from the class scores down, then independent in the same order.
        edges: the size of the rank correlation of noise images' maps and edges.
    """

    method: str
    stages: tuple[Stage, ...]
    edges: Score

    def of(self, kind: str) -> list[Stage]:
        """The stages of a kind."""
        return [stage for stage in self.stages if stage.kind == kind]

    @property
    def passes(self) -> bool:
        """Whether maps repeat on the same model, change with its weights, and are no edges."""
        return not self._faults()

    @property
    def verdict(self) -> str:
        """One line."""
        last, faults = self.of("cascading")[-1].correlation, self._faults()
        figures = (
            f"correlation {_text(last)} with all weights random, {_text(self.edges)} with edges, "
            f"expected at most {BOUND}"
        )
        said = f"fails: {'; '.join(faults)}" if faults else "passes"
        return f"{self.method}: {said} ({figures})"

    def _faults(self) -> list[str]:
        unchanged = self.of("unchanged")[0]
        if unchanged.correlation.count == 0:
            return ["its maps are the same everywhere, on every image"]
        faults = []
        if not unchanged.correlation.mean >= _UNCHANGED:
            faults.append(f"its maps do not repeat on the same model (correlation {_text(unchanged.correlation)})")
        if not self.of("cascading")[-1].correlation.mean <= BOUND:
            faults.append("its maps hardly depend on the model's weights")
        if self.edges.mean > BOUND:
            faults.append("its maps follow the image's edges")
        return faults


def check_sanity(
    classifier: Classifier,
    method: str,
    compiled: Compile,
    images: FloatArray | None = None,
    advance: Callable[[int], None] = lambda stages: None,
) -> SanityReport:
    """Run all checks of one method.

    The explained class of each image is the one that the model finds most probable; it stays with random weights.
    Every stage is compiled anew: derivatives may hold weights in another form.

    Args:
        classifier: the model.
        method: the name that the report gives it.
        compiled: makes the method's explainer of a classifier.
        images: (N, C, H, W) in the model's range; by default images of noise.
        advance: is told of stages that are done.

    Raises:
        WhylightError: the model has no weights, takes no pictures, or cannot be explained.
    """
    refuse_arrays(classifier.input)
    classifier = with_spelled_out_weights(classifier)
    layers = grouped(weighted_layers(classifier), _STAGES)[::-1]
    noise = noise_images(classifier.input, _NOISE_IMAGES)
    images = noise if images is None else images
    own = compiled(classifier)
    indices = _predicted(own, images)
    maps = _maps(own, images, indices)
    size = images.shape[2:]

    def stage(kind: str, layer: str, chosen: Sequence[WeightedLayer], seeds: Sequence[int]) -> Stage:
        others = [_maps(compiled(randomized(classifier, chosen, seed)), images, indices) for seed in seeds]
        advance(1)
        return _compared(kind, layer, maps, others, size)

    stages = [_compared("unchanged", "", maps, [_maps(compiled(classifier), images, indices)], size)]
    for count, layer in enumerate(layers, 1):
        seeds = range(_DRAWS) if count == len(layers) else [0]
        stages.append(stage("cascading", layer.name, layers[:count], list(seeds)))
    stages += [stage("independent", layer.name, [layer], [0]) for layer in layers]
    return SanityReport(method, tuple(stages), _edge_correlation(own, noise))


def stage_count(classifier: Classifier) -> int:
    """How many stages `check_sanity` goes through."""
    return 2 * len(grouped(weighted_layers(with_spelled_out_weights(classifier)), _STAGES))


def noise_images(facts: InputFacts, count: int) -> FloatArray:
    """Images (N, C, H, W) of noise as the model takes them: with grains, and so edges, of all sizes."""
    generator = np.random.default_rng(0)
    size = (facts.height, facts.width)
    total = np.zeros((count * facts.channels, *size), np.float32)
    cells = 2
    while cells <= max(size):
        grid = generator.standard_normal((len(total), min(cells, size[0]), min(cells, size[1])), np.float32)
        total += enlarged_maps(grid, size)
        cells *= 2
    images = (stretched(total) * np.float32(facts.maximum)).reshape(count, facts.channels, *size)
    normalize(images, facts.mean, facts.std, facts.channel_order)
    return images


def _edge_correlation(explainer: Explainer, noise: FloatArray) -> Score:
    maps = np.abs(_maps(explainer, noise, _predicted(explainer, noise)))
    tally = Tally()
    tally.add(np.abs(_correlation(enlarged_maps(maps, noise.shape[2:]), edges(noise))))
    return tally.score


def _predicted(explainer: Explainer, images: FloatArray) -> NDArray[np.int64]:
    batches = (images[start : start + _BATCH_SIZE] for start in range(0, len(images), _BATCH_SIZE))
    return np.concatenate([explainer.probabilities(batch).argmax(1) for batch in batches])


def _maps(explainer: Explainer, images: FloatArray, indices: NDArray[np.int64]) -> FloatArray:
    """(N, h, w), not normalized; what overflows with random weights counts as 0."""
    starts = range(0, len(images), _BATCH_SIZE)
    runs = (
        explainer.run(images[start : start + _BATCH_SIZE], indices[start : start + _BATCH_SIZE]) for start in starts
    )
    return np.asarray(np.nan_to_num(np.concatenate([maps for _, _, maps in runs]), posinf=0, neginf=0), np.float32)


def _compared(kind: str, layer: str, maps: FloatArray, others: Sequence[FloatArray], size: tuple[int, ...]) -> Stage:
    absolute, signed, similarity = Tally(), Tally(), Tally()
    height, width = size
    large = enlarged_maps(stretched(np.abs(maps)), (height, width))
    varied = np.ptp(maps, axis=(1, 2)) > 0
    for other in others:
        absolute.add(np.abs(_correlation(np.abs(maps), np.abs(other))))
        signed.add(np.abs(_correlation(maps, other)))
        alike = structural_similarity(large, enlarged_maps(stretched(np.abs(other)), (height, width)))
        similarity.add(np.where(varied, alike, np.nan))
    return Stage(kind, layer, absolute.score, signed.score, similarity.score)


def _correlation(maps: FloatArray, others: FloatArray) -> Values:
    """(N,): Spearman's; NaN where the first map is the same everywhere: there is nothing to lose."""
    return np.where(np.ptp(maps, axis=(1, 2)) > 0, spearman(maps, others), np.nan)


def _text(score: Score) -> str:
    return f"{score.mean:.2f}" if np.isnan(score.error) else f"{score.mean:.2f} ± {score.error:.2f}"
