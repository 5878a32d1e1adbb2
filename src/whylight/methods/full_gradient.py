"""FullGrad: what the score owes to the image and to every bias on the way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from whylight.methods import method
from whylight.methods.axes import channel_sum, spatial_axes
from whylight.methods.fusion import resized

if TYPE_CHECKING:
    import onnx

    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target

_EPSILON = 1e-5
"""Of BatchNormalization, where the model does not say."""
_TINY = np.finfo(np.float32).tiny


@method(
    "fullgrad",
    "the sizes of input times gradient and of every bias times its gradient, added up",
    "Srinivas and Fleuret 2019, NeurIPS",
    sees_layer=False,
)
def fullgrad(op: GraphBuilder, target: Target) -> Tensor:
    """FullGrad: sum_c psi(x_c dS/dx_c) + sum_l sum_c psi(b_lc dS/db_lc), psi(m) = U(rescale(|m|)).

    Srinivas and Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019, equations 5
    and 7. c is a channel, l a layer of feature maps with a bias: a convolution, a constant added to each channel, or
    batch normalization, whose bias is what it gives for zero; dS/db is the derivative at each place. rescale stretches
    a channel's map to [0, 1], U is linear interpolation to the image's size. pytorch-grad-cam does the same; the
    authors' own program stretches all channels of a layer together and lets the corners of maps and image meet.
    """
    biases = list(_biases(op, target))
    *slopes, image_slope = target.score.gradients(
        [output for output, _, _ in biases] + [target.tensor(target.classifier.input.name)], target.weighting
    )
    parts = [channel_sum(op, _rescaled(op, op.Mul(target.image, target.as_image(image_slope))))]
    for (_, bias, channels_last), slope in zip(biases, slopes, strict=True):
        owed = op.Mul(bias, slope)
        last = owed.rank - 1
        owed = op.Transpose(owed, perm=[0, last, *range(1, last)]) if channels_last else owed
        parts.append(channel_sum(op, _rescaled(op, owed)))
    return _sum_at_image_size(op, target, parts)


def _sum_at_image_size(op: GraphBuilder, target: Target, maps: list[Tensor]) -> Tensor:
    """The sum of maps (N, h, w), the first of which has the image's size; those of one size are added up first."""
    by_size: dict[tuple[object, ...], list[Tensor]] = {}
    for cam in maps:
        by_size.setdefault(cam.shape[1:], []).append(cam)
    size = target.classifier.input.size
    return reduce(op.Add, [resized(op, reduce(op.Add, group), size) for group in by_size.values()])


def _rescaled(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """The size of each channel's map stretched to [0, 1]; one that is the same everywhere gives zeros."""
    size = op.Abs(tensor)
    axes = spatial_axes(tensor)
    low, high = op.ReduceMin(size, axes, keepdims=1), op.ReduceMax(size, axes, keepdims=1)
    return op.Div(op.Sub(size, low), op.Max(op.Sub(high, low), _TINY))


def _biases(op: GraphBuilder, target: Target) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Each layer's output with a bias, (N, C, h, w), that bias, and whether channels are the output's last axis."""
    rank = 2 + len(target.classifier.input.size)
    is_after_convolution = False
    for node in target.classifier.path_nodes:
        output = target.tensor(node.output[0])
        is_after_convolution |= "Conv" in node.op_type
        if output.rank != rank or not is_after_convolution:
            continue
        operands = [target.tensor(name) if name else None for name in node.input]
        if node.op_type in ("Conv", "ConvTranspose") and len(operands) > 2 and operands[2]:
            yield output, _by_channel(op, operands[2], rank), False
        elif node.op_type == "BatchNormalization":
            yield output, _by_channel(op, _of_batch_normalization(op, node, operands), rank), False
        elif node.op_type == "Add":
            for constant in operands:
                if constant and constant.value is not None and constant.value.size > 1:
                    axes = [
                        axis for axis, extent in enumerate(constant.shape, output.rank - constant.rank) if extent != 1
                    ]
                    if axes in ([1], [output.rank - 1]):
                        yield output, constant, axes != [1]


def _of_batch_normalization(op: GraphBuilder, node: onnx.NodeProto, operands: list[Tensor | None]) -> Tensor:
    """Bias - scale mean / sqrt(variance + epsilon): the output for zero."""
    _, scale, bias, mean, variance = operands[:5]
    epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), _EPSILON)
    deviation = op.Sqrt(op.Add(variance, np.float32(epsilon)))
    return op.Sub(bias, op.Div(op.Mul(scale, mean), deviation))


def _by_channel(op: GraphBuilder, vector: Tensor, rank: int) -> Tensor:
    """(C,) -> (C, 1, 1), to go with tensors of ``rank`` axes."""
    return op.Unsqueeze(vector, list(range(1, rank - 1)))
