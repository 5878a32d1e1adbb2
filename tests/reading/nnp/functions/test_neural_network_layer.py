"""Layers against nnabla's definitions, written as loops, at two batch sizes."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnxruntime
import pytest

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import convert_function

Array = np.ndarray[Any, Any]

CONVOLUTION = {"base_axis": 1, "pad": (), "stride": (), "dilation": (), "group": 1, "channel_last": False}
POOLING = {"stride": (), "ignore_border": True, "pad": (), "channel_last": False}


def numbers(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def last(indices: Sequence[Any]) -> tuple[Any, ...]:
    """The index of the last axes."""
    return (..., *indices)


def converted(
    kind: str, arrays: Sequence[Array], arguments: dict[str, Any], *, constants: bool
) -> Callable[..., Array]:
    """The function as a session with a dynamic batch; its parameters are constants or inputs."""
    op = GraphBuilder()
    tensors = [op.input("x", ("N", *arrays[0].shape[1:]))]
    for index, array in enumerate(arrays[1:]):
        declare: Callable[..., Tensor] = op.initializer if constants else op.input
        tensors.append(declare(f"parameter{index}", array if constants else array.shape))
    (output,) = convert_function(op, kind, tensors, arguments)
    assert output.shape[0] == "N"
    model = op.model([output], kind).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return lambda *inputs: session.run(None, {f.name: i for f, i in zip(session.get_inputs(), inputs, strict=False)})[0]


def assert_computes(expected: Array, kind: str, arrays: Sequence[Array], arguments: dict[str, Any]) -> None:
    for constants in (True, False):
        compute = converted(kind, arrays, arguments, constants=constants)
        np.testing.assert_allclose(compute(*arrays), expected, 1e-4, 1e-5)
        np.testing.assert_allclose(compute(arrays[0][:1], *arrays[1:]), expected[:1], 1e-4, 1e-5)


def node_types(kind: str, shape: tuple[int, ...], parameters: Sequence[Array], arguments: dict[str, Any]) -> list[str]:
    op = GraphBuilder()
    tensors = [op.initializer(f"parameter{index}", array) for index, array in enumerate(parameters)]
    convert_function(op, kind, [op.input("x", ("N", *shape)), *tensors], arguments)
    return [node.op_type for node in op.nodes]


def scattered(
    x: Array, weight: Array, shape: Sequence[int], stride: Sequence[int], dilation: Sequence[int], group: int
) -> Array:
    """Every value of x (batch, channels, *spatial) times its kernel, added up in a map of the given spatial shape."""
    result = np.zeros((len(x), group, weight.shape[1], *shape), np.float32)
    x = x.reshape(len(x), group, -1, *x.shape[2:])
    weight = weight.reshape(group, -1, *weight.shape[1:])
    for place in product(*map(range, x.shape[3:])):
        for tap in product(*map(range, weight.shape[3:])):
            target = [p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True)]
            values = np.einsum("ngc,gco->ngo", x[last(place)], weight[last(tap)])
            result[last(target)] += values
    return result.reshape(len(x), -1, *shape)


def convolved(
    x: Array,
    weight: Array,
    pad: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] = (1, 1, 1),
    group: int = 1,
) -> Array:
    """Convolution of (batch, channels, *spatial), one window after the other, in the order of nnabla's definition."""
    spans = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=False)]
    sizes = [
        int((size + 2 * p - span) / s) + 1 for size, p, s, span in zip(x.shape[2:], pad, stride, spans, strict=True)
    ]
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p + span) for p, span in zip(pad, spans, strict=True))])
    padded = padded.reshape(len(x), group, -1, *padded.shape[2:])
    kernels = weight.reshape(group, -1, *weight.shape[1:])
    result = np.zeros((len(x), len(weight), *sizes), np.float32)
    for place in product(*map(range, sizes)):
        cut = [slice(p * s, p * s + n, d) for p, s, n, d in zip(place, stride, spans, dilation, strict=False)]
        patches = padded[last(cut)].reshape(len(x), group, -1)
        windows = np.einsum("ngi,goi->ngo", patches, kernels.reshape(*kernels.shape[:2], -1))
        result[last(place)] = windows.reshape(len(x), -1)
    return result


def pooled(
    x: Array, mode: str, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ignore_border: bool
) -> Array:
    """Pooling over the last axes, one window after the other, in the order of nnabla's definition."""
    spatial = x.shape[-len(kernel) :]
    sizes = [
        int((size + p - (k - p if ignore_border else 1)) / s) + 1
        for size, k, s, p in zip(spatial, kernel, stride, pad, strict=True)
    ]
    result = np.zeros((*x.shape[: -len(kernel)], *sizes), np.float32)
    for place in product(*map(range, sizes)):
        starts = [o * s - p for o, s, p in zip(place, stride, pad, strict=True)]
        ends = [min(a + k, n + p) for a, k, n, p in zip(starts, kernel, spatial, pad, strict=True)]
        cut = [slice(max(a, 0), min(b, n)) for a, b, n in zip(starts, ends, spatial, strict=True)]
        window = x[last(cut)].reshape(*x.shape[: -len(kernel)], -1)
        reductions = {
            "max": window.max(-1),
            "sum": window.sum(-1),
            "average": window.mean(-1),
            "padded average": window.sum(-1) / np.prod([b - a for a, b in zip(starts, ends, strict=True)]),
        }
        result[last(place)] = reductions[mode]
    return result


@pytest.mark.parametrize("base_axis", [1, 2, -1])
def test_affine_replaces_the_axes_from_base_axis_on(base_axis: int) -> None:
    x = numbers(2, 3, 4)
    columns = x.reshape(*x.shape[:base_axis], -1)
    weight, bias = numbers(columns.shape[-1], 5, 2), numbers(5, 2)
    expected = np.tensordot(columns, weight, 1) + bias
    assert_computes(expected, "Affine", [x, weight, bias], {"base_axis": base_axis})


@pytest.mark.parametrize(
    ("kind", "parameters", "arguments", "expected"),
    [
        ("Affine", [numbers(432, 5), numbers(5)], {"base_axis": 1}, ["Flatten", "Gemm"]),
        ("Convolution", [numbers(2, 3, 3, 3), numbers(2)], CONVOLUTION, ["Conv"]),
        ("MaxPooling", [], POOLING | {"kernel": (2, 2)}, ["MaxPool"]),
        ("AveragePooling", [], POOLING | {"kernel": (2, 2), "including_pad": True}, ["AveragePool"]),
        ("GlobalAveragePooling", [], {}, ["GlobalAveragePool"]),
        ("Unpooling", [], {"kernel": (2, 2), "channel_last": False}, ["Resize"]),
    ],
)
def test_ordinary_images_take_one_operator(
    kind: str, parameters: list[Array], arguments: dict[str, Any], expected: list[str]
) -> None:
    assert node_types(kind, (3, 12, 12), parameters, arguments) == expected


def test_affine_of_a_matrix_is_one_operator_whatever_the_shape_of_its_weight() -> None:
    assert node_types("Affine", (6,), [numbers(6, 5), numbers(5)], {"base_axis": 1}) == ["Gemm"]
    assert node_types("Affine", (6,), [numbers(6, 5, 2)], {"base_axis": 1}) == ["Gemm", "Reshape"]


@pytest.mark.parametrize(
    ("spatial", "kernel", "pad", "stride", "dilation", "group"),
    [
        ((9,), (4,), (2,), (2,), (1,), 2),
        ((7, 8), (3, 2), (0, 2), (2, 1), (2, 3), 1),
        ((4, 5, 3), (2, 1, 3), (1, 0, 1), (1, 2, 1), (1, 1, 1), 2),
        ((2, 6), (3, 3), (0, 0), (2, 2), (1, 1), 1),
    ],
    ids=["1-D", "2-D", "3-D", "kernel larger than the image"],
)
@pytest.mark.parametrize("channel_last", [False, True])
def test_convolution(
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    pad: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    group: int,
    channel_last: bool,
) -> None:
    x, weight, bias = numbers(2, 4, *spatial), numbers(6, 4 // group, *kernel), numbers(6)
    expected = convolved(x, weight, pad, stride, dilation, group) + bias.reshape(-1, *[1] * len(spatial))
    if channel_last:
        x, weight, expected = (np.moveaxis(array, 1, -1) for array in (x, weight, expected))
    arguments = CONVOLUTION | {"pad": pad, "stride": stride, "dilation": dilation, "group": group}
    assert_computes(expected, "Convolution", [x, weight, bias], arguments | {"channel_last": channel_last})


@pytest.mark.parametrize("base_axis", [2, -3])
def test_axes_before_base_axis_are_the_batch(base_axis: int) -> None:
    x, weight = numbers(2, 3, 4, 5, 6), numbers(2, 4, 2, 3)
    expected = np.stack([convolved(x[:, index], weight, (0, 0), (1, 1)) for index in range(3)], axis=1)
    assert_computes(expected, "Convolution", [x, weight], CONVOLUTION | {"base_axis": base_axis})


def test_base_axis_0_is_one_image_without_a_batch() -> None:
    op = GraphBuilder()
    x, weight = numbers(3, 5, 6), numbers(2, 3, 2, 2)
    tensors = [op.input("x", x.shape), op.initializer("weight", weight)]
    (y,) = convert_function(op, "Convolution", tensors, CONVOLUTION | {"base_axis": 0})
    model = op.model([y], "test").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        session.run(None, {"x": x})[0], convolved(x[None], weight, (0, 0), (1, 1))[0], 1e-4, 1e-5
    )


def test_depthwise_convolution_has_neighbouring_outputs_of_one_channel() -> None:
    x, weight = numbers(2, 3, 7), numbers(6, 2)
    expected = np.concatenate(
        [convolved(x[:, c : c + 1], weight[2 * c : 2 * c + 2, None], (1,), (2,)) for c in range(3)], axis=1
    )
    arguments = CONVOLUTION | {"pad": (1,), "stride": (2,), "multiplier": 2}
    assert_computes(expected, "DepthwiseConvolution", [x, weight], arguments)


@pytest.mark.parametrize("channel_last", [False, True])
@pytest.mark.parametrize(
    ("spatial", "kernel", "stride", "dilation", "group"),
    [((5,), (3,), (2,), (2,), 2), ((3, 4), (2, 3), (3, 2), (1, 2), 1), ((2, 3, 2), (2, 1, 2), (2, 2, 2), (1, 1, 1), 2)],
    ids=["1-D", "2-D", "3-D"],
)
def test_deconvolution_ends_one_later_with_output_padding(
    spatial: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    group: int,
    channel_last: bool,
) -> None:
    x, weight, bias = numbers(2, 4, *spatial), numbers(4, 3, *kernel), numbers(3 * group)
    shape = [s * (n - 1) + d * (k - 1) + 1 + 1 for n, k, s, d in zip(spatial, kernel, stride, dilation, strict=True)]
    full = scattered(x, weight, shape, stride, dilation, group) + bias.reshape(-1, *[1] * len(spatial))
    expected = full[last([slice(1, -1), *[slice(None)] * (len(spatial) - 1)])]
    if channel_last:
        x, weight, expected = (np.moveaxis(array, 1, -1) for array in (x, weight, expected))
    arguments = CONVOLUTION | {"pad": (1, 0, 0)[: len(spatial)], "stride": stride, "dilation": dilation}
    arguments |= {"group": group, "channel_last": channel_last, "output_padding": (1,) * len(spatial)}
    assert_computes(expected, "Deconvolution", [x, weight, bias], arguments)


def test_depthwise_deconvolution_adds_neighbouring_channels() -> None:
    x, weight = numbers(2, 4, 5), numbers(4, 3)
    single = [scattered(x[:, c : c + 1], weight[c : c + 1, None], (11,), (2,), (1,), 1) for c in range(4)]
    expected = np.concatenate([single[0] + single[1], single[2] + single[3]], axis=1)
    arguments = CONVOLUTION | {"stride": (2,), "divisor": 2}
    assert_computes(expected, "DepthwiseDeconvolution", [x, weight], arguments)


@pytest.mark.parametrize("mode", ["max", "sum", "average", "padded average"])
@pytest.mark.parametrize("ignore_border", [True, False])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "pad", "channel_last"),
    [
        ((2, 3, 7), (3,), (2,), (1,), False),
        ((2, 3, 7, 9), (3, 2), (2, 3), (2, 0), False),
        ((2, 7, 5, 3), (3, 4), (3, 2), (1, 3), True),
        ((2, 5, 7), (2, 3), (2, 2), (0, 1), False),
        ((2, 3, 2, 5, 5), (3, 3), (1, 2), (1, 1), False),
        ((2, 3, 5, 4, 7), (2, 3, 2), (3, 2, 1), (1, 0, 1), False),
        ((2, 2, 5, 4, 3, 2), (2, 2, 2), (2, 1, 2), (0, 1, 0), True),
        ((2, 3, 6, 7), (8, 8), (8, 8), (0, 0), False),
    ],
)
def test_pooling(
    mode: str,
    ignore_border: bool,
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    pad: tuple[int, ...],
    channel_last: bool,
) -> None:
    x = numbers(*shape)
    channel = len(shape) - len(kernel) - 1
    first = np.moveaxis(x, -1, channel) if channel_last else x
    expected = pooled(first, mode, kernel, stride, pad, ignore_border)
    arguments = {"kernel": kernel, "stride": stride, "pad": pad, "ignore_border": ignore_border}
    arguments |= {"channel_last": channel_last, "including_pad": mode == "padded average"}
    kind = f"{mode.split()[-1].capitalize()}Pooling"
    assert_computes(np.moveaxis(expected, channel, -1) if channel_last else expected, kind, [x], arguments)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_global_average_pooling_has_four_axes(shape: tuple[int, ...]) -> None:
    x = numbers(*shape)
    expected = x.reshape(2, 3, -1).mean(-1).reshape(2, 3, 1, 1)
    assert_computes(expected, "GlobalAveragePooling", [x], {})


@pytest.mark.parametrize(
    ("shape", "kernel", "channel_last"),
    [
        ((2, 3, 4), (3,), False),
        ((2, 3, 2, 4), (2, 3), False),
        ((2, 2, 4, 3), (2, 3), True),
        ((2, 1, 2, 3, 2), (2, 1, 3), False),
    ],
)
def test_unpooling(shape: tuple[int, ...], kernel: tuple[int, ...], channel_last: bool) -> None:
    x = expected = numbers(*shape)
    for axis, times in enumerate(kernel, start=len(shape) - len(kernel) - channel_last):
        expected = expected.repeat(times, axis)
    assert_computes(expected, "Unpooling", [x], {"kernel": kernel, "channel_last": channel_last})


@pytest.mark.parametrize(
    ("kind", "parameters", "arguments", "message"),
    [
        ("Affine", [numbers(9, 2)], {"base_axis": 1}, r"first axis of the weight is \(9,\), expected \(75,\)"),
        ("Affine", [numbers(75, 2)], {"base_axis": 4}, "base_axis is 4"),
        ("Convolution", [numbers(2, 2, 3, 3)], CONVOLUTION, "number of channels is 3, expected 2"),
        ("Convolution", [numbers(2, 3, 3, 3)], CONVOLUTION | {"stride": (0, 1)}, r"stride is \(0, 1\)"),
        ("Convolution", [numbers(2, 3, 7, 3)], CONVOLUTION, "window of 7 does not fit into 5 values"),
        ("MaxPooling", [], POOLING | {"kernel": (2, 2), "pad": (2, 0)}, r"pad is \(2, 0\), expected less than"),
        ("MaxPooling", [], POOLING | {"kernel": (2, 2, 2, 2)}, "no fixed size"),
    ],
)
def test_contradictions_are_refused(
    kind: str, parameters: list[Array], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(WhylightError, match=message):
        node_types(kind, (3, 5, 5), parameters, arguments)
