"""nnabla's category *Neural Network Layer*: fully connected, convolution and pooling layers.

Images have the axes (..., channels, *spatial), or (..., *spatial, channels) where ``channel_last`` is true.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Extent, Shape, Tensor
from whylight.reading.nnp.functions import function

Layer = Callable[[Tensor], Tensor]


@function("Affine")
def affine(op: GraphBuilder, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, base_axis: int) -> Tensor:
    """X W + b, where X is x as a matrix: its axes before ``base_axis`` are the rows, the others the columns.

    Shapes: x (*rows, *columns), weight (prod(columns), *outputs), bias (*outputs), result (*rows, *outputs).
    """
    axis = _nonnegative_axis(base_axis, x)
    columns = prod(x.size(index) for index in range(axis, x.rank))
    _expect("first axis of the weight", weight.shape[:1], (columns,))
    outputs = weight.shape[1:]
    width = prod(weight.size(index) for index in range(1, weight.rank))
    operands = [x if axis == 1 and x.rank == 2 else op.Flatten(x, axis=axis), _reshaped(op, weight, (columns, width))]
    if bias:
        _expect("shape of the bias", bias.shape, outputs)
        operands.append(_reshaped(op, bias, (width,)))
    return _reshaped(op, op.Gemm(*operands), (*x.shape[:axis], *outputs))


@function("Convolution")
def convolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    group: int,
    channel_last: bool,
) -> Tensor:
    """Convolution over the axes after ``base_axis``; the axes before it are the batch.

    Shapes: weight (outputs, channels / group, *kernel), or (outputs, *kernel, channels / group) with ``channel_last``;
    bias (outputs).
    """

    def layer(images: Tensor) -> Tensor:
        _expect("number of axes of the weight", weight.rank, images.rank)
        kernel = _axis_moved(op, weight, -1, 1) if channel_last else weight
        _expect("number of channels", images.size(1), kernel.size(1) * group)
        _expect_divisor("group", group, kernel.size(0))
        _expect_bias(bias, kernel.size(0))
        pads, strides, dilations = _window_arguments(images.rank - 2, pad, stride, dilation)
        windows = [d * (size - 1) + 1 for d, size in zip(dilations, _spatial_sizes(kernel), strict=True)]
        return op.Conv(
            images,
            *filter(None, (kernel, bias)),
            pads=_pads(images, windows, strides, pads, ignore_border=True),
            strides=strides,
            dilations=dilations,
            group=group,
        )

    return _over_images(op, x, base_axis, channel_last, layer)


@function("DepthwiseConvolution")
def depthwise_convolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    multiplier: int,
) -> Tensor:
    """Convolution of every channel by itself, with ``multiplier`` kernels each.

    Shapes: weight (channels * multiplier, *kernel), bias (channels * multiplier).
    """
    channels = x.size(_nonnegative_axis(base_axis, x))
    _expect("first axis of the weight", weight.shape[:1], (channels * multiplier,))
    return convolution(
        op,
        x,
        _reshaped(op, weight, (*weight.shape[:1], 1, *weight.shape[1:])),
        bias,
        base_axis=base_axis,
        pad=pad,
        stride=stride,
        dilation=dilation,
        group=channels,
        channel_last=False,
    )


@function("Deconvolution")
def deconvolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    group: int,
    channel_last: bool,
    output_padding: Sequence[int],
) -> Tensor:
    """Transposed convolution over the axes after ``base_axis``; the axes before it are the batch.

    Shapes: weight (channels, outputs / group, *kernel), or (channels, *kernel, outputs / group) with ``channel_last``;
    bias (outputs).
    """

    def layer(images: Tensor) -> Tensor:
        _expect("number of axes of the weight", weight.rank, images.rank)
        kernel = _axis_moved(op, weight, -1, 1) if channel_last else weight
        _expect("number of channels", images.size(1), kernel.size(0))
        _expect_divisor("group", group, kernel.size(0))
        _expect_bias(bias, kernel.size(1) * group)
        pads, strides, dilations = _window_arguments(images.rank - 2, pad, stride, dilation)
        result = op.ConvTranspose(
            images,
            *filter(None, (kernel, bias)),
            pads=pads * 2,
            strides=strides,
            dilations=dilations,
            group=group,
            output_padding=_per_axis("output_padding", output_padding, [0] * len(pads), least=0),
        )
        if min(_spatial_sizes(result)) < 1:
            raise WhylightError(f"pad is {tuple(pads)}, which leaves nothing of the result")
        return result

    return _over_images(op, x, base_axis, channel_last, layer)


@function("DepthwiseDeconvolution")
def depthwise_deconvolution(
    op: GraphBuilder,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    base_axis: int,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    divisor: int,
) -> Tensor:
    """Transposed convolution of every channel by itself; every ``divisor`` channels are then added.

    Shapes: weight (channels, *kernel), bias (channels / divisor).
    """
    channels = x.size(_nonnegative_axis(base_axis, x))
    _expect_divisor("divisor", divisor, channels)
    return deconvolution(
        op,
        x,
        _reshaped(op, weight, (*weight.shape[:1], 1, *weight.shape[1:])),
        bias,
        base_axis=base_axis,
        pad=pad,
        stride=stride,
        dilation=dilation,
        group=channels // divisor,
        channel_last=False,
        output_padding=(),
    )


@function("MaxPooling")
def max_pooling(
    op: GraphBuilder,
    x: Tensor,
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    ignore_border: bool,
    pad: Sequence[int],
    channel_last: bool,
) -> Tensor:
    """The largest value of every window; padding never wins."""

    def layer(maps: Tensor) -> Tensor:
        return op.MaxPool(maps, **_pool_attributes(maps, kernel, stride, ignore_border, pad))

    return _over_maps(op, x, len(kernel), channel_last, layer)


@function("AveragePooling")
def average_pooling(
    op: GraphBuilder,
    x: Tensor,
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    ignore_border: bool,
    pad: Sequence[int],
    channel_last: bool,
    including_pad: bool,
) -> Tensor:
    """The mean of every window; with ``including_pad``, zeros within ``pad`` of the map count as values."""

    def layer(maps: Tensor) -> Tensor:
        attributes = _pool_attributes(maps, kernel, stride, ignore_border, pad)
        means = op.AveragePool(maps, count_include_pad=int(including_pad), **attributes)
        return _without_border(op, maps, means, attributes) if including_pad else means

    return _over_maps(op, x, len(kernel), channel_last, layer)


@function("SumPooling")
def sum_pooling(
    op: GraphBuilder,
    x: Tensor,
    *,
    kernel: Sequence[int],
    stride: Sequence[int],
    ignore_border: bool,
    pad: Sequence[int],
    channel_last: bool,
) -> Tensor:
    """The sum of every window."""

    def layer(maps: Tensor) -> Tensor:
        attributes = _pool_attributes(maps, kernel, stride, ignore_border, pad)
        return op.Mul(op.AveragePool(maps, count_include_pad=1, **attributes), prod(kernel))

    return _over_maps(op, x, len(kernel), channel_last, layer)


@function("GlobalAveragePooling")
def global_average_pooling(op: GraphBuilder, x: Tensor) -> Tensor:
    """The mean of every channel. Shapes: x (batch, channels[, height[, width]]), result (batch, channels, 1, 1)."""
    if not 2 <= x.rank <= 4:
        raise WhylightError(f"the input has shape {x.shape}, expected 2 to 4 axes")
    return op.GlobalAveragePool(_reshaped(op, x, (*x.shape, 1, 1)[:4]))


@function("Unpooling")
def unpooling(op: GraphBuilder, x: Tensor, *, kernel: Sequence[int], channel_last: bool) -> Tensor:
    """Every value repeated ``kernel`` times along the last axes (those before the channels with ``channel_last``)."""
    repeats = _per_axis("kernel", kernel, kernel, least=1) + [1] * channel_last
    if len(repeats) > x.rank:
        raise WhylightError(f"the input has shape {x.shape}, expected at least {len(repeats)} axes")
    scales = [1] * (x.rank - len(repeats)) + repeats
    resized = op.Resize(
        x,
        None,
        np.array(scales, np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    shape = [x.shape[axis] if scale == 1 else x.size(axis) * scale for axis, scale in enumerate(scales)]
    return op.with_shape(resized, tuple(shape))


def _over_images(op: GraphBuilder, x: Tensor, base_axis: int, channel_last: bool, layer: Layer) -> Tensor:
    """``layer`` on x as (batch, channels, *spatial), its axes before ``base_axis`` flattened into the batch."""
    axis = _nonnegative_axis(base_axis, x)
    if channel_last:
        return _axis_moved(op, _over_images(op, _axis_moved(op, x, -1, axis), axis, False, layer), axis, -1)
    if axis == 1:
        return layer(x)
    y = layer(_reshaped(op, x, (_product(x.shape[:axis]), *x.shape[axis:])))
    return _reshaped(op, y, (*x.shape[:axis], *y.shape[1:]))


def _over_maps(op: GraphBuilder, x: Tensor, spatial: int, channel_last: bool, layer: Layer) -> Tensor:
    """``layer``, which treats all channels alike, on x as (batch, channels, *spatial), whatever its leading axes."""
    axis = x.rank - spatial - channel_last
    if axis < 0:
        raise WhylightError(f"the input has shape {x.shape}, expected at least {spatial + channel_last} axes")
    if channel_last:
        return _axis_moved(op, _over_maps(op, _axis_moved(op, x, -1, axis), spatial, False, layer), axis, -1)
    y = layer(_reshaped(op, x, (*(x.shape[: min(axis, 1)] or (1,)), _product(x.shape[1:axis]), *x.shape[axis:])))
    return _reshaped(op, y, (*x.shape[:axis], *y.shape[2:]))


def _pool_attributes(
    maps: Tensor, kernel: Sequence[int], stride: Sequence[int], ignore_border: bool, pad: Sequence[int]
) -> dict[str, Any]:
    """The windows of an ONNX pooling operator; without a stride they do not overlap."""
    sizes = _per_axis("kernel", kernel, kernel, least=1)
    strides = _per_axis("stride", stride, kernel, least=1)
    pads = _per_axis("pad", pad, [0] * len(kernel), least=0)
    if any(padding >= size for padding, size in zip(pads, sizes, strict=True)):
        raise WhylightError(f"pad is {tuple(pads)}, expected less than the kernel {tuple(sizes)}")
    return {"kernel_shape": sizes, "strides": strides, "pads": _pads(maps, sizes, strides, pads, ignore_border)}


def _pads(
    images: Tensor, windows: Sequence[int], strides: Sequence[int], pads: Sequence[int], ignore_border: bool
) -> list[int]:
    """The padding with which ONNX has nnabla's windows: before each spatial axis, then after each.

    nnabla's number of windows is (size + 2 pad - window) / stride + 1, rounded toward zero, so that a single window
    may be larger than the padded image; without ``ignore_border`` every window counts that begins within size + pad.
    """
    ends = []
    for size, window, stride, pad in zip(_spatial_sizes(images), windows, strides, pads, strict=True):
        room = size + pad - (window - pad if ignore_border else 1)
        if room <= -stride:
            raise WhylightError(f"a window of {window} does not fit into {size} values padded by {pad}")
        last = int(room / stride) * stride
        ends.append(max(pad, last + window - size - pad))
    return [*pads, *ends]


def _without_border(op: GraphBuilder, maps: Tensor, means: Tensor, attributes: dict[str, Any]) -> Tensor:
    """``means`` of windows of which only the part within ``pad`` of the map counts."""
    op.check_size("what its windows count", (4, *_spatial_sizes(means)))  # in double precision, and its copy
    factors = []
    for axis, (size, count) in enumerate(zip(_spatial_sizes(maps), _spatial_sizes(means), strict=True)):
        window, pad = attributes["kernel_shape"][axis], attributes["pads"][axis]
        starts = np.arange(count) * attributes["strides"][axis]
        factors.append(window / np.minimum(window, size + 2 * pad - starts))
    factor = np.asarray(reduce(np.multiply.outer, factors), np.float32)
    return op.Mul(means, factor) if factor.max() > 1 else means


def _window_arguments(
    spatial: int, pad: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    return (
        _per_axis("pad", pad, [0] * spatial, least=0),
        _per_axis("stride", stride, [1] * spatial, least=1),
        _per_axis("dilation", dilation, [1] * spatial, least=1),
    )


def _per_axis(name: str, values: Sequence[int], default: Sequence[int], least: int) -> list[int]:
    """One value for each spatial axis: the argument, or ``default`` where the file has none."""
    values = values or default
    if not values or len(values) != len(default) or any(value < least for value in values):
        count = len(default) or "1 to 3"
        raise WhylightError(f"{name} is {tuple(values)}, expected {count} values of at least {least}")
    return list(values)


def _spatial_sizes(images: Tensor) -> list[int]:
    return [images.size(axis) for axis in range(2, images.rank)]


def _nonnegative_axis(axis: int, x: Tensor) -> int:
    if not -x.rank <= axis < x.rank:
        raise WhylightError(f"base_axis is {axis}, expected an axis of the input's shape {x.shape}")
    return axis % x.rank


def _product(extents: Shape) -> Extent:
    """The extent of axes that are flattened into one: None where one of them is not static."""
    sizes = [extent for extent in extents if isinstance(extent, int)]
    return prod(sizes) if len(sizes) == len(extents) else None


def _reshaped(op: GraphBuilder, x: Tensor, shape: Shape) -> Tensor:
    """``x`` in ``shape``, of which one extent may be symbolic; a constant stays one."""
    if x.shape == shape:
        return x
    target = [extent if isinstance(extent, int) else -1 for extent in shape]
    if x.value is not None:
        return op.constant(x.value.reshape(target))
    return op.with_shape(op.Reshape(x, target), shape)


def _axis_moved(op: GraphBuilder, x: Tensor, source: int, target: int) -> Tensor:
    """``x`` with its axis ``source`` at the place ``target``; a constant stays one."""
    if x.value is not None:
        return op.constant(np.moveaxis(x.value, source, target))
    order = list(range(x.rank))
    axis = order.pop(source)
    order.insert(target % x.rank, axis)
    return op.Transpose(x, perm=order)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise WhylightError(f"the {what} is {found}, expected {expected}")


def _expect_divisor(name: str, divisor: int, count: int) -> None:
    if divisor < 1 or count % divisor:
        raise WhylightError(f"{name} is {divisor}, expected a divisor of the {count} channels")


def _expect_bias(bias: Tensor | None, outputs: int) -> None:
    if bias:
        _expect("shape of the bias", bias.shape, (outputs,))
