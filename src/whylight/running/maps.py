"""Saliency maps as arrays: stretched to one range, and averaged over altered images."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_SCALES = (0.9, 1.0, 1.1)


def stretched(cams: FloatArray, is_signed: bool = False) -> FloatArray:
    """Each map (N, h, w) stretched to [0, 1]; one that is the same everywhere keeps its value, cut to [0, 1].

    Of signed maps, values below zero count as zero.
    """
    cams = np.nan_to_num(cams)
    if is_signed:
        cams = cams.clip(0)
    axes = tuple(range(1, cams.ndim))
    low, high = cams.min(axes, keepdims=True), cams.max(axes, keepdims=True)
    flat = low == high
    return np.where(flat, cams.clip(0, 1), (cams - low) / np.where(flat, 1, high - low)).astype(np.float32)


def smoothed(run: Callable[[FloatArray], Sequence[FloatArray]], images: FloatArray) -> list[FloatArray]:
    """The mean of each map, stretched to [0, 1], over the image as it is and mirrored, its values times 0.9, 1, 1.1.

    That is what pytorch-grad-cam calls ``aug_smooth``: six passes.

    Args:
        run: what gives the maps (N, h, w) of images, stretched to [0, 1].
        images: (N, C, H, W), in the model's range.
    """
    found = []
    for mirrored in (False, True):
        for scale in _SCALES:
            altered = (images[..., ::-1] if mirrored else images) * np.float32(scale)
            cams = run(np.ascontiguousarray(altered))
            found.append([cam[..., ::-1] if mirrored else cam for cam in cams])
    return [np.mean(cams, axis=0, dtype=np.float32) for cams in zip(*found, strict=True)]
