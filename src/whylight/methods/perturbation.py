"""Perturbation: what the class score loses, or keeps, when a part of the image or of the layer is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from whylight.methods import method_of_passes
from whylight.methods.resampling import halfway_weights, resampled

if TYPE_CHECKING:
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.passes import Passes
    from whylight.target.target import Target

FloatArray = NDArray[np.float32]

_WINDOWS = 7
"""The occluding square's side is this part of the image's."""
_ROUNDING = 1e-6
"""What float32 leaves uncertain of a score, as a part of it."""
_RISE_MASKS, _RISE_CELLS, _RISE_KEPT = 4000, 7, 0.5
_GAUSSIAN = (0.5, 0.25)
"""Of three places along an axis: the middle one, and those beside it."""


def activation(op: GraphBuilder, target: Target) -> Tensor:
    """The layer's activation, as it is."""
    return target.activation


def image(op: GraphBuilder, target: Target) -> Tensor:
    """The image, as it is."""
    return target.image


@method_of_passes(
    "ablation-cam",
    "the channels' sum, each weighted by the part of the score that is lost without it",
    "Desai and Ramaswamy 2020, WACV",
    activation,
    passes="1, and above the layer one a channel",
    perturbs_layer=True,
)
def ablation_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """Ablation-CAM: ReLU(sum_k w_k A_k), with w_k = (S - S_k) / S, S_k the score with channel k set to zero.

    Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
    Localization", WACV 2020, equations 4 and 5. Where S is below zero the weights change their sign, as they do in the
    paper. pytorch-grad-cam sets a channel to -10^7 rather than zero where the layer has values below zero; the paper
    says zero.
    """
    return np.stack([_ablation_map(passes, i, maps) for i, maps in enumerate(activations)])


def _ablation_map(passes: Passes, number: int, maps: FloatArray) -> FloatArray:
    # a channel that is zero everywhere loses nothing, and adds nothing
    alive = np.flatnonzero(maps.reshape(len(maps), -1).any(1))

    def without(rows: NDArray[np.int64]) -> FloatArray:
        altered = np.repeat(maps[np.newaxis], len(rows), axis=0)
        altered[np.arange(len(rows)), alive[rows]] = 0
        return altered

    (whole,) = passes.head_scores(1, lambda _: maps[np.newaxis], number)
    if not len(alive) or whole == 0:
        return np.zeros(maps.shape[1:], np.float32)
    lost = (whole - passes.head_scores(len(alive), without, number)) / whole
    return np.maximum(np.tensordot(lost, maps[alive], 1), 0)


@method_of_passes(
    "recipro-cam",
    "the score with one place of the layer alone, for every place",
    "Byun and Lee 2022, arXiv; 2023 for vision transformers",
    activation,
    passes="1, and above the layer one a place",
    perturbs_layer=True,
)
def recipro_cam(passes: Passes, activations: FloatArray) -> FloatArray:
    """Recipro-CAM: at each place the score that the network gives for a layer which is zero at all others.

    Byun and Lee, "Recipro-CAM: Fast gradient-free visual explanations for convolutional neural networks", 2022; for
    tokens "ViT-ReciproCAM: Gradient and Attention-Free Visual Explanations for Vision Transformer", 2023: the place and
    its neighbours are kept by a Gaussian of 3 x 3, the class token as it is. The authors' code takes the probability
    after Softmax: that is ``score="output"`` here.
    """
    return np.stack([_recipro_map(passes, i, maps) for i, maps in enumerate(activations)])


def _recipro_map(passes: Passes, number: int, maps: FloatArray) -> FloatArray:
    places = maps.shape[1:]
    masks = _neighbourhoods(places) if passes.explains_tokens else np.eye(int(np.prod(places)), dtype=np.float32)
    masks = masks.reshape(-1, 1, *places)
    return passes.head_scores(len(masks), lambda rows: maps * masks[rows], number).reshape(places)


def _neighbourhoods(places: tuple[int, ...]) -> FloatArray:
    """A Gaussian of 3 x 3 around every place, cut off at the borders: (h * w, h, w)."""
    middle, beside = _GAUSSIAN
    masks: NDArray[Any] = np.ones((1, 1))
    for n in places:
        masks = np.kron(masks, middle * np.eye(n) + beside * (np.eye(n, k=1) + np.eye(n, k=-1)))
    return masks.astype(np.float32).reshape(-1, *places)


@method_of_passes(
    "occlusion",
    "what the score loses when a square of the image is covered, for every place of the square",
    "Zeiler and Fergus 2014, ECCV",
    image,
    passes="about 170",
    sees_layer=False,
    is_signed=True,
)
def occlusion(passes: Passes, images: FloatArray) -> FloatArray:
    """Occlusion: the mean loss of score over the positions of a square that covers the pixel.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2. The square has a
    seventh of the image's sides, moves by half of its own, and is filled with the pixel that the network sees as zero.
    Where no square changes the score by more than rounding does, the map is zero.
    """
    return np.stack([_occlusion_map(passes, i) for i in range(len(images))])


def _occlusion_map(passes: Passes, number: int) -> FloatArray:
    one, class_index = passes.images[number], int(passes.class_indices[number])
    windows = list(_windows(passes.size))

    def covered(rows: NDArray[np.int64]) -> FloatArray:
        altered = np.repeat(one[np.newaxis], len(rows), axis=0)
        for place, row in zip(altered, rows, strict=True):
            place[(slice(None), *windows[row])] = passes.baseline
        return altered

    (whole,) = passes.scores(1, lambda _: one[np.newaxis], class_index)
    losses = whole - passes.scores(len(windows), covered, class_index)
    if np.abs(losses).max() <= _ROUNDING * abs(whole):
        losses[:] = 0  # noise would look like a map
    lost, count = np.zeros(passes.size, np.float32), np.zeros(passes.size, np.float32)
    for window, loss in zip(windows, losses, strict=True):
        lost[window] += loss
        count[window] += 1
    return lost / count


def _windows(size: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """The positions of the square, the last ones cut off at the image's borders."""
    along = []
    for extent in size:
        side = max(1, round(extent / _WINDOWS))
        step = max(1, side // 2)
        along.append([slice(start, start + side) for start in range(0, extent - side + step, step)])
    return product(*along)


@method_of_passes(
    "rise",
    "the mean of random masks, each weighted by the probability that the masked image keeps",
    "Petsiuk et al. 2018, BMVC",
    image,
    passes=str(_RISE_MASKS),
    sees_layer=False,
)
def rise(passes: Passes, images: FloatArray) -> FloatArray:
    """RISE: sum_i f(I * M_i) M_i / (N p), with N = 4000 masks of 7 x 7 cells, each kept with p = 0.5.

    Petsiuk et al., "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, equation 6 and
    section 3.3. f is the class's probability, as in the paper, whatever score is explained otherwise. The masks are
    the same for every image.
    """
    grids, shifts = rise_cells(len(passes.size))
    return np.stack([_rise_map(passes, i, grids, shifts) for i in range(len(images))])


def rise_cells(dimensions: int) -> tuple[FloatArray, FloatArray]:
    """RISE's random choices: of pictures, cells kept (N, 7, 7), and shifts (N, 2) as parts of a cell."""
    random = np.random.default_rng(0)
    grids = random.random((_RISE_MASKS, *[_RISE_CELLS] * dimensions)) < _RISE_KEPT
    return grids.astype(np.float32), random.random((_RISE_MASKS, dimensions)).astype(np.float32)


def rise_masks(grids: FloatArray, shifts: FloatArray, size: tuple[int, ...]) -> FloatArray:
    """Cells enlarged bilinearly to one cell more than the image, which is cut out at the shift: (m, H, W)."""
    cells = [-(-extent // _RISE_CELLS) for extent in size]
    large = resampled(grids, [halfway_weights(_RISE_CELLS, (_RISE_CELLS + 1) * cell) for cell in cells])
    return np.stack(
        [
            mask[tuple(slice(first, first + extent) for first, extent in zip(starts, size, strict=True))]
            for mask, starts in zip(large, (shifts * cells).astype(int), strict=True)
        ]
    )


def _rise_map(passes: Passes, number: int, grids: FloatArray, shifts: FloatArray) -> FloatArray:
    one = passes.images[number] - passes.baseline

    def masked(rows: NDArray[np.int64]) -> FloatArray:
        return np.asarray(one * rise_masks(grids[rows], shifts[rows], passes.size)[:, np.newaxis] + passes.baseline)

    kept = passes.probabilities(len(grids), masked, number)
    total = np.zeros(passes.size, np.float64)
    for start in range(0, len(grids), 64):
        rows = slice(start, start + 64)
        total += np.tensordot(kept[rows], rise_masks(grids[rows], shifts[rows], passes.size), 1)
    return (total / (len(grids) * _RISE_KEPT)).astype(np.float32)
