"""The window that convolutions and poolings slide over an image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from whylight.gradient.rule import ForwardNode
from whylight.graph.tensor import Tensor


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

    def covered(self, features: Tensor) -> list[int]:
        """The size of the image, without its padding, that the windows behind ``features`` cover."""
        paddings = (begin + end for begin, end in zip(self.begins, self.ends, strict=True))
        return [
            (features.size(axis) - 1) * stride + reach + 1 - padding
            for axis, (stride, reach, padding) in enumerate(zip(self.strides, self.reach, paddings, strict=True), 2)
        ]


def window_of(node: ForwardNode, kernel: Sequence[int], image: Tensor, features: Tensor) -> Window:
    """The window of a node that takes ``image`` to ``features``, or back (ConvTranspose).

    Where the padding is not given, it is what the two sizes leave.
    """
    attributes, count = node.attributes, image.rank - 2
    zeros, ones = (0,) * count, (1,) * count
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    bare = Window(tuple(kernel), tuple(strides), tuple(dilations), zeros, zeros)
    padding = attributes["auto_pad"]
    if padding == "VALID":
        return bare
    if padding == "NOTSET" and "output_shape" not in attributes:
        pads = tuple(attributes.get("pads", zeros + zeros))
        return replace(bare, begins=pads[:count], ends=pads[count:])
    uncovered = attributes.get("output_padding", zeros)
    totals = [
        max(size + rest - image.size(axis), 0)
        for axis, (size, rest) in enumerate(zip(bare.covered(features), uncovered, strict=True), 2)
    ]
    smaller = tuple(total // 2 for total in totals)
    larger = tuple(total - total // 2 for total in totals)
    begins, ends = (smaller, larger) if padding == "SAME_UPPER" else (larger, smaller)
    return replace(bare, begins=begins, ends=ends)
