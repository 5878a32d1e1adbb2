"""The window that convolutions and poolings slide over an image."""

from collections.abc import Sequence
from dataclasses import dataclass

from whylight.gradient.rule import ForwardNode
from whylight.graph import Tensor


@dataclass(frozen=True)
class Window:
    """One entry a spatial axis: the window's size, its steps, and the padding before and after the image."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begins: tuple[int, ...]
    ends: tuple[int, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """The distance from the window's first to its last element."""
        return tuple((size - 1) * dilation for size, dilation in zip(self.kernel, self.dilations, strict=True))


def window_of(node: ForwardNode, kernel: Sequence[int], image: Tensor, features: Tensor) -> Window:
    """The window of a node that takes ``image`` to ``features``, or back (ConvTranspose).

    Where the padding is not given, it is what the two sizes leave.
    """
    spatial = range(2, image.rank)
    ones = (1,) * len(spatial)
    strides = tuple(node.attributes.get("strides", ones))
    dilations = tuple(node.attributes.get("dilations", ones))
    padding = node.attributes["auto_pad"]
    if padding == "VALID" or (padding == "NOTSET" and "output_shape" not in node.attributes):
        pads = node.attributes.get("pads", (0,) * 2 * len(spatial)) if padding == "NOTSET" else (0,) * 2 * len(spatial)
        begins, ends = tuple(pads[: len(spatial)]), tuple(pads[len(spatial) :])
        return Window(tuple(kernel), strides, dilations, begins, ends)
    uncovered = node.attributes.get("output_padding", (0,) * len(spatial))
    totals = [
        max((features.size(axis) - 1) * stride + (size - 1) * dilation + 1 + rest - image.size(axis), 0)
        for axis, size, stride, dilation, rest in zip(spatial, kernel, strides, dilations, uncovered, strict=True)
    ]
    halves = tuple(total // 2 for total in totals)
    others = tuple(total - half for total, half in zip(totals, halves, strict=True))
    begins, ends = (halves, others) if padding == "SAME_UPPER" else (others, halves)
    return Window(tuple(kernel), strides, dilations, begins, ends)
