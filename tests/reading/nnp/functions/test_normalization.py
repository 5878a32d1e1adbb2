"""Normalizations against their formulas in numpy, at more than one batch size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest

from reading.nnp.functions.running import Array, converted
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape
from whylight.reading.nnp.functions import convert_function

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.standard_normal((5, 6, 4, 3)) * 2 + 1
EPS = 1e-3


def standardized(x: Array, *axes: int) -> tuple[Array, Array, Array]:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + EPS), mean, variance


def parameters(*shapes: Shape) -> list[Array]:
    return [RANDOM.random([extent for extent in shape if isinstance(extent, int)]) + 0.5 for shape in shapes]


def assert_all_close(actual: Sequence[Array], expected: Sequence[Array]) -> None:
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@pytest.mark.parametrize("no_scale", [False, True])
@pytest.mark.parametrize("no_bias", [False, True])
@pytest.mark.parametrize("axis", [1, -1])
@pytest.mark.parametrize("constant", [False, True])
def test_batch_normalization_by_running_statistics(no_scale: bool, no_bias: bool, axis: int, constant: bool) -> None:
    shape = tuple(6 if index == 1 else 1 for index in range(4)) if axis == 1 else (1, 1, 1, 3)
    beta, gamma, mean, variance = parameters(shape, shape, shape, shape)
    given = [*([] if no_bias else [beta]), *([] if no_scale else [gamma]), mean, variance]
    op = GraphBuilder()
    x = op.input("x", ("N", 6, 4, 3))
    tensors = [
        op.constant(value.astype(np.float32)) if constant else op.input(f"p{index}", shape)
        for index, value in enumerate(given)
    ]
    arguments = {"axes": (axis,), "eps": EPS, "batch_stat": False, "no_scale": no_scale, "no_bias": no_bias}
    (y,) = convert_function(op, "BatchNormalization", [x, *tensors], arguments)
    assert y.shape == x.shape
    model = op.model([y], "net")
    if constant and axis == 1:
        assert [node.op_type for node in model.graph.node] == ["BatchNormalization"]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    others = {} if constant else {f"p{index}": value.astype(np.float32) for index, value in enumerate(given)}
    for size in (5, 2):
        images = IMAGES[:size]
        expected = (images - mean) / np.sqrt(variance + EPS)
        expected = expected * (1 if no_scale else gamma) + (0 if no_bias else beta)
        assert_all_close(session.run(None, {"x": images.astype(np.float32), **others}), [expected])


def test_batch_normalization_by_the_batch() -> None:
    shape = (1, 1, 4, 1)
    beta, mean, variance = parameters(shape, shape, shape)
    arguments = {"axes": (2,), "eps": EPS, "batch_stat": True, "no_scale": True, "no_bias": False}
    run = converted("BatchNormalization", [("N", 6, 4, 3), shape, shape, shape], **arguments)
    for size in (5, 2):
        y, *statistics = standardized(IMAGES[:size], 0, 1, 3)
        assert_all_close(run(IMAGES[:size], beta, mean, variance), [y + beta, *statistics])


@pytest.mark.parametrize("kind", ["SyncBatchNormalization", "FusedBatchNormalization"])
@pytest.mark.parametrize("batch_stat", [False, True])
def test_variants_of_batch_normalization(kind: str, batch_stat: bool) -> None:
    shape: Shape = (1, 6, 1, 1)
    beta, gamma, mean, variance = parameters(shape, shape, shape, shape)
    fused = kind == "FusedBatchNormalization"
    z = [RANDOM.standard_normal(IMAGES.shape)] if fused else []
    arguments: dict[str, Any] = {"axes": (1,), "eps": EPS, "batch_stat": batch_stat, "nonlinearity": "relu"}
    shapes: list[Shape] = [("N", 6, 4, 3), shape, shape, shape, shape, *[("N", 6, 4, 3)] * fused]
    y, *statistics = standardized(IMAGES, 0, 2, 3) if batch_stat else ((IMAGES - mean) / np.sqrt(variance + EPS),)
    y = np.maximum(y * gamma + beta + z[0], 0) if fused else y * gamma + beta
    assert_all_close(converted(kind, shapes, **arguments)(IMAGES, beta, gamma, mean, variance, *z), [y, *statistics])


@pytest.mark.parametrize(
    ("kind", "arguments", "reduced", "shape"),
    [
        ("TensorNormalization", {"axes": (1, -1)}, (0, 2), (1, 6, 1, 3)),
        ("TensorNormalization", {"axes": (0,)}, (1, 2, 3), (1, 1, 1, 1)),
        ("LayerNormalization", {"batch_axis": (0,)}, (1, 2, 3), (1, 6, 4, 3)),
        ("LayerNormalization", {"batch_axis": (0, -3)}, (2, 3), (1, 1, 4, 3)),
        ("LayerNormalization", {"batch_axis": (0, 2)}, (1, 3), (1, 6, 1, 3)),
        ("InstanceNormalization", {"channel_axis": 1, "batch_axis": (0,)}, (2, 3), (1, 6, 1, 1)),
        ("InstanceNormalization", {"channel_axis": -1, "batch_axis": (0,)}, (1, 2), (1, 1, 1, 3)),
        ("InstanceNormalization", {"channel_axis": 1, "batch_axis": (0, 2)}, (3,), (1, 6, 1, 1)),
        ("InstanceNormalization", {"channel_axis": 1, "batch_axis": (0, 2, 3)}, (), (1, 6, 4, 3)),
    ],
)
@pytest.mark.parametrize(("no_scale", "no_bias"), [(False, False), (True, False), (False, True), (True, True)])
def test_statistics_of_the_input(
    kind: str, arguments: dict[str, Any], reduced: Sequence[int], shape: Shape, no_scale: bool, no_bias: bool
) -> None:
    beta, gamma = parameters(shape, shape)
    given = [*([] if no_bias else [beta]), *([] if no_scale else [gamma])]
    run = converted(
        kind, [("N", 6, 4, 3), *[shape] * len(given)], eps=EPS, no_scale=no_scale, no_bias=no_bias, **arguments
    )
    for size in (5, 2):
        y, *statistics = (
            standardized(IMAGES[:size], *reduced) if reduced else (0 * IMAGES[:size], IMAGES[:size], 0 * IMAGES[:size])
        )
        y = y * (1 if no_scale else gamma) + (0 if no_bias else beta)
        assert_all_close(run(IMAGES[:size], *given), [y, *statistics])


@pytest.mark.parametrize(("channel_axis", "groups"), [(1, 3), (1, 1), (1, 6), (-2, 2)])
def test_group_normalization(channel_axis: int, groups: int) -> None:
    axis = channel_axis % 4
    shape = tuple(IMAGES.shape[index] if index == axis else 1 for index in range(4))
    beta, gamma = parameters(shape, shape)
    run = converted(
        "GroupNormalization",
        [("N", 6, 4, 3), shape, shape],
        num_groups=groups,
        channel_axis=channel_axis,
        batch_axis=(0,),
        eps=EPS,
        no_scale=False,
        no_bias=False,
    )
    for size in (5, 2):
        images = IMAGES[:size]
        parts = [standardized(part, 1, 2, 3) for part in np.split(images, groups, axis)]
        y, mean, variance = (np.concatenate(arrays, axis) for arrays in zip(*parts, strict=True))
        split = (size, *(groups if index == axis else 1 for index in range(1, 5)))
        expected = [y * gamma + beta, mean.reshape(split), variance.reshape(split)]
        assert_all_close(run(images, beta, gamma), expected)


def test_one_node_where_onnx_has_it() -> None:
    for kind, arguments, shape in (
        ("InstanceNormalization", {"channel_axis": 1, "batch_axis": (0,)}, (1, 6, 1, 1)),
        ("LayerNormalization", {"batch_axis": (0,)}, (1, 6, 4, 3)),
    ):
        op = GraphBuilder()
        inputs = [op.input("x", ("N", 6, 4, 3)), *(op.constant(p.astype(np.float32)) for p in parameters(shape, shape))]
        rest = {"eps": EPS, "no_scale": False, "no_bias": False}
        y = convert_function(op, kind, inputs, {**arguments, **rest})[0]
        assert [node.op_type for node in op.model([y], "net").graph.node] == [kind]


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_norm_normalization(p: float) -> None:
    (y,) = converted("NormNormalization", [("N", 6, 4, 3)], p=p, axes=(1, 3))(IMAGES)
    norm = (abs(IMAGES) ** p).sum((1, 3), keepdims=True) ** (1 / p)
    np.testing.assert_allclose(y, IMAGES / norm, 1e-4, 1e-5)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_many_steps_of_spectral_norm_find_the_largest_singular_value(dim: int) -> None:
    w = RANDOM.standard_normal((3, 4, 5))
    u = RANDOM.standard_normal((w.shape[dim],))
    run = converted("SpectralNorm", [w.shape, u.shape], dim=dim, itr=60, eps=1e-12)
    matrix = np.moveaxis(w, dim, 0).reshape(w.shape[dim], -1)
    np.testing.assert_allclose(run(w, u)[0], w / np.linalg.norm(matrix, 2), 1e-3, 1e-4)


@pytest.mark.parametrize(
    ("kind", "shapes", "arguments"),
    [
        ("BatchNormalization", [(1, 6, 1, 1)] * 3, {"axes": (1,), "batch_stat": False}),
        ("BatchNormalization", [(1, 6, 4, 1)] * 4, {"axes": (1, 2), "batch_stat": False}),
        ("BatchNormalization", [(1, 5, 1, 1)] * 4, {"axes": (1,), "batch_stat": False}),
        ("LayerNormalization", [(1, 6, 4, 3)], {"batch_axis": (0,)}),
        ("InstanceNormalization", [(1, 6, 1, 1)] * 2, {"channel_axis": 4, "batch_axis": (0,)}),
        ("GroupNormalization", [(1, 6, 1, 1)] * 2, {"channel_axis": 1, "batch_axis": (0,), "num_groups": 4}),
    ],
)
def test_inputs_that_do_not_fit(kind: str, shapes: Sequence[Shape], arguments: dict[str, Any]) -> None:
    with pytest.raises(WhylightError):
        converted(kind, [("N", 6, 4, 3), *shapes], eps=EPS, no_scale=False, no_bias=False, **arguments)
