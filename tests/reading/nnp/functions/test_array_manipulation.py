"""Array manipulation against numpy, at more than one batch size."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from reading.nnp.functions.running import Array, assert_computes, converted
from reading.nnp.networks import function, network, variable, write_nnp
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Shape, Tensor
from whylight.reading.nnp import to_onnx
from whylight.reading.nnp.functions import convert_function

IMAGES = np.random.default_rng(0).standard_normal((4, 3, 5, 2))
NO_BOUND = 0x7FFFFFFF


def reshaped(shape: Shape, target: Sequence[int]) -> Tensor:
    op = GraphBuilder()
    op.input("image", ("N", 3))
    return convert_function(op, "Reshape", [op.input("x", shape)], {"shape": target})[0]


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        # no batch axis: as written
        ((2, 6), (3, 4), (3, 4)),
        ((2, 6), (3, -1), (3, 4)),
        ((), (1, 1), (1, 1)),
        ((1, 1), (), ()),
        # the batch axis stays
        (("N", 24), (4, 24, 1, 1), ("N", 24, 1, 1)),
        (("N", 24), (1, 24, 1, 1), ("N", 24, 1, 1)),
        (("N", 24), (-1, 24, 1, 1), ("N", 24, 1, 1)),
        (("N", 24), (4, 2, -1), ("N", 2, 12)),
        (("N", 4, 6), (1, -1), ("N", 24)),
        (("N", 4, 6), (-1, 24), ("N", 24)),
        (("N", 1, 1), (7,), ("N",)),
        (("N", 1), (-1, 1), ("N", 1)),
        # it moves behind axes of extent 1
        (("N", 24), (1, 4, 24), (1, "N", 24)),
        ((1, "N", 24), (1, 1, 24), (1, "N", 24)),
        ((1, "N", 24), (4, 24), ("N", 24)),
        # it was moved there by a transpose
        ((12, "N", 4), (12, 5, 2, 2), (12, "N", 2, 2)),
        ((12, "N", 4), (12, -1, 4), (12, "N", 4)),
        ((12, "N", 4), (3, 4, 5, 4), (3, 4, "N", 4)),
        ((12, "N", 4), (-1, 5, 4), (12, "N", 4)),
        ((12, "N", 4), (12, 1, 4), (12, "N", 4)),
        # merged with its neighbours
        (("N", 12, 4), (-1, 4), (None, 4)),
        (("N", 12, 4), (60, 4), (None, 4)),
        (("N", 12, 4), (30, 2, 4), (None, 2, 4)),
        ((12, "N", 4), (60, 4), (None, 4)),
        ((12, "N", 4), (3, 20, 4), (3, None, 4)),
        ((12, None, 4), (-1, 4), (None, 4)),
        # and apart again
        ((None, 4), (5, 12, 4), ("N", 12, 4)),
        ((None, 4), (-1, 12, 4), ("N", 12, 4)),
        ((None, 4), (1, 12, 4), ("N", 12, 4)),
        ((12, None, 4), (12, 5, 3, 4), (12, "N", 3, 4)),
        # unknown as before
        ((None, 4), (60, 2, 2), (None, 2, 2)),
        ((None, 4), (-1, 4), (None, 4)),
        ((None, 4), (-1, 2), (None, 2)),
    ],
)
def test_a_reshape_keeps_the_batch(shape: Shape, target: Sequence[int], expected: Shape) -> None:
    assert reshaped(shape, target).shape == expected
    run = converted("Reshape", [shape], shape=target)
    for unknown in (12, 36):
        x = np.arange(np.prod([extent if isinstance(extent, int) else unknown for extent in shape], dtype=int))
        x = x.reshape([extent if isinstance(extent, int) else unknown for extent in shape])
        (y,) = run(x)
        np.testing.assert_array_equal(y, x.reshape([extent if isinstance(extent, int) else -1 for extent in expected]))


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((2, 6), (5, 2)),
        ((2, 6), (5, -1)),
        ((2, 6), (-1, -1)),
        ((2, 6), (0, 12)),
        (("N", 6), (5, 7)),
        (("N", 6), (5, 4)),
        (("N", 6), (2, 18)),
        (("N", 6), (1, 24)),
        (("N", None), (4, 6)),
        ((None, 4), (5, 12, -1)),
    ],
)
def test_a_reshape_that_cannot_be(shape: Shape, target: Sequence[int]) -> None:
    with pytest.raises(WhylightError, match="cannot reshape"):
        reshaped(shape, target)


def network_of_reshapes(path: Path, *shapes: Sequence[int]) -> Path:
    names = ["x", *(f"h{index}" for index in range(len(shapes) - 2)), "y"]
    parts = [variable(name, shape) for name, shape in zip(names, shapes, strict=True)]
    for source, result, shape in zip(names, names[1:], shapes[1:], strict=False):
        dims = " ".join(f"dim: {extent}" for extent in shape)
        parts.append(function("Reshape", [source], [result], f"reshape_param {{ shape {{ {dims} }} }}", name=result))
    return write_nnp(path / "model.nnp", network(*parts))


def test_a_batch_size_in_a_file_becomes_dynamic(tmp_path: Path) -> None:
    path = network_of_reshapes(tmp_path, (5, 12, 4), (60, 4), (60, 2, 2), (5, 48, 1), (5, 6, 8))
    session = onnxruntime.InferenceSession(to_onnx(path).SerializeToString())
    x = np.random.default_rng(0).random((7, 12, 4), np.float32)
    np.testing.assert_array_equal(session.run(None, {"x": x})[0], x.reshape(7, 6, 8))


def test_a_batch_that_cannot_be_dynamic_is_fixed(tmp_path: Path) -> None:
    model = to_onnx(network_of_reshapes(tmp_path, (4, 6), (2, 12), (4, 6)))
    assert [extent.dim_value for extent in model.graph.input[0].type.tensor_type.shape.dim] == [4, 6]


@pytest.mark.parametrize(
    ("start", "stop", "step", "expected"),
    [
        ((0, 1, 0), (3, 5, 2), (1, 2, 1), np.s_[:, :, 1::2]),
        ((1,), (2,), (1,), np.s_[..., 1:2]),
        ((0, -4, -1), (3, -1, -3), (1, 1, -1), np.s_[:, :, -4:-1, ::-1]),
        ((0, 3, 0), (2, 0, 9), (1, -2, 1), np.s_[:, :2, 3:0:-2]),
        ((-1, 0, 0), (-4, 5, 2), (-1, 1, 1), np.s_[:, ::-1]),
        ((1, 9, 0), (-6, 0, 2), (-1, -3, 1), np.s_[:, 1::-1, 9:0:-3]),
        ((0, 2, 0), (-9, 2, 2), (1, 1, 1), np.s_[:, :0, 2:2]),
        ((NO_BOUND, NO_BOUND, 0), (NO_BOUND, NO_BOUND, 2), (-1, 2, NO_BOUND), np.s_[:, ::-1, ::2]),
        ((0, 0, 1, 0), (4, 3, 2, 2), (1, 1, 1, 1), np.s_[:, :, 1:2]),
        ((0, 0, 0, 0), (4, 3, 5, 2), (1, 1, 1, 1), np.s_[:]),
    ],
)
def test_slice(start: Sequence[int], stop: Sequence[int], step: Sequence[int], expected: Any) -> None:
    assert_computes(lambda x: x[expected], "Slice", IMAGES, start=start, stop=stop, step=step)


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [((1, 0), (4, 3), (1, 1)), ((0, 0), (4, 3), (2, 1)), ((0, 0), (-1, 3), (1, 1)), ((0,), (1, 2), (1,))],
)
def test_a_slice_that_cannot_be(start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> None:
    with pytest.raises(WhylightError, match=r"no fixed size|expected as many"):
        converted("Slice", [("N", 3)], start=start, stop=stop, step=step)


@pytest.mark.parametrize(("mode", "numpy_mode"), [("constant", "constant"), ("repeat", "edge"), ("reflect", "reflect")])
@pytest.mark.parametrize("width", [(1, 0), (2, 4, 1, 1), (1, 2, 0, 0, 0, 1), (0, 0, 9, 13, 5, 4)])
def test_pad(mode: str, numpy_mode: Any, width: Sequence[int]) -> None:
    pairs = [(0, 0)] * (4 - len(width) // 2) + [*zip(width[::2], width[1::2], strict=True)]
    filled: dict[str, Any] = {"constant_values": 0.5} if mode == "constant" else {}
    assert_computes(
        lambda x: np.pad(x, pairs, numpy_mode, **filled),
        "Pad",
        IMAGES,
        pad_width=width,
        mode=mode,
        constant_value=0.5,
    )


def test_an_axis_of_one_element_is_reflected_to_itself() -> None:
    (y,) = converted("Pad", [("N", 1)], pad_width=(1, 2), mode="reflect", constant_value=0.0)(np.array([[3], [4]]))
    np.testing.assert_array_equal(y, [[3] * 4, [4] * 4])


@pytest.mark.parametrize(
    ("kind", "arguments", "reference"),
    [
        ("Transpose", {"axes": (0, -1, 1, 2)}, lambda x: x.transpose(0, 3, 1, 2)),
        ("Transpose", {"axes": (1, 2, 0, 3)}, lambda x: x.transpose(1, 2, 0, 3)),
        ("Tile", {"reps": (2, 1, 3)}, lambda x: np.tile(x, (2, 1, 3))),
        ("Tile", {"reps": (2, 1, 1, 1, 3)}, lambda x: np.tile(x, (2, 1, 1, 1, 3))),
        ("Tile", {"reps": (2, 1, 1, 1)}, lambda x: np.tile(x, (2, 1, 1, 1))),
        ("Flip", {"axes": (-1, 1)}, lambda x: np.flip(x, (3, 1))),
        ("Flip", {"axes": (0,)}, lambda x: np.flip(x, 0)),
        ("Broadcast", {"shape": (4, 3, 5, 2)}, lambda x: x),
        ("Broadcast", {"shape": (-1, 3, 5, 2)}, lambda x: x),
        ("Broadcast", {"shape": (6, 4, 3, 5, 2)}, lambda x: np.broadcast_to(x, (6, *x.shape))),
    ],
)
def test_one_input(kind: str, arguments: dict[str, Any], reference: Callable[[Array], Array]) -> None:
    assert_computes(reference, kind, IMAGES, **arguments)


def test_concatenate() -> None:
    for axis in (1, -1):
        assert_computes(
            lambda *x, axis=axis: np.concatenate(x, axis), "Concatenate", IMAGES, IMAGES + 1, IMAGES + 2, axis=axis
        )


def test_stack() -> None:
    for axis in (0, 1, -1, -2):
        assert_computes(lambda *x, axis=axis: np.stack(x, axis), "Stack", IMAGES, IMAGES + 1, axis=axis)


@pytest.mark.parametrize("axis", [1, 2, -1])
def test_split(axis: int) -> None:
    parts = converted("Split", [("N", 3, 5, 2)], axis=axis)(IMAGES)
    assert len(parts) == IMAGES.shape[axis]
    for index, part in enumerate(parts):
        np.testing.assert_allclose(part, IMAGES.take(index, axis), rtol=1e-6)


def test_the_batch_cannot_be_split() -> None:
    with pytest.raises(WhylightError, match="no fixed size"):
        converted("Split", [("N", 3)], axis=0)


def test_broadcast_to_the_batch() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 2))
    (y,) = convert_function(op, "Broadcast", [op.constant(np.ones((1, 3, 1), np.float32))], {"shape": (-1, 3, 2)})
    assert y.shape == ("N", 3, 2)
    session = onnxruntime.InferenceSession(op.model([op.Identity(x), y], "net").SerializeToString())
    for size in (1, 4):
        assert session.run(None, {"x": np.zeros((size, 2), np.float32)})[1].shape == (size, 3, 2)


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 5), 1), ((5, 2), -1), ((5, 2), 2), (("N", 3), 0), (("N", 3, 5, 2), -1)]
)
def test_broadcast_to(shape: Shape, axis: int) -> None:
    run = converted("BroadcastTo", [("N", 3, 5, 2), shape], axis=axis)
    first = axis if axis >= 0 else 4 - len(shape)
    for size in (4, 2):
        y = np.random.default_rng(0).random(
            [extent if isinstance(extent, int) else size for extent in shape], np.float32
        )
        aligned = y.reshape((1,) * first + y.shape + (1,) * (4 - first - y.ndim))
        (z,) = run(IMAGES[:size], y)
        np.testing.assert_array_equal(z, np.broadcast_to(aligned, (size, 3, 5, 2)))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Transpose", {"axes": (0, 4, 1, 2)}),
        ("Transpose", {"axes": (0, 1, 1, 2)}),
        ("Flip", {"axes": (4,)}),
        ("Split", {"axis": -5}),
        ("Concatenate", {"axis": 4}),
        ("Stack", {"axis": 6}),
        ("Broadcast", {"shape": (3, 5, 2)}),
        ("Broadcast", {"shape": (4, 3, 5, 3)}),
        ("Pad", {"pad_width": (1, 2, 3), "mode": "constant", "constant_value": 0.0}),
        ("Pad", {"pad_width": (1, 2), "mode": "wrap", "constant_value": 0.0}),
        ("Slice", {"start": (0,), "stop": (2,), "step": (0,)}),
    ],
)
def test_arguments_that_do_not_fit_the_input(kind: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(WhylightError):
        converted(kind, [("N", 3, 5, 2)], **arguments)
