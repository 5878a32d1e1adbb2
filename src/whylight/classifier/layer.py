"""A layer that can be explained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A named step of the network whose output is a feature map.

    Attributes:
        name: the name that the model's author knows (for .nnp: the function's).
        type: the function's type, such as ``Convolution``.
        tensor: the name of its output in the graph.
        channels_last: whether that output is (N, H, W, C) instead of (N, C, H, W); of signals and volumes likewise.
        grid: rows and columns of the image's tokens, where that output is (N, T, C) (channels last) or (N, C, T); of
            signals one number, of volumes three.
        tokens_before: how many tokens of no place in the image, such as a class token, come before them.
    """

    name: str
    type: str
    tensor: str
    channels_last: bool = False
    grid: tuple[int, ...] | None = None
    tokens_before: int = 0
