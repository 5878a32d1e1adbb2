"""What a Reshape makes of axes, checked on tensors whose every value says which place of the image it stands for."""

from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import whylight
from sketch import SIZE, Sketch
from whylight.reading.onnx_model.roles import BATCH_AXIS, CHANNELS, Merged, Positions, Role, Roles, regrouped

ROWS, COLUMNS, DEPTH = 6, 8, 5
Shape = tuple[int | str, ...]
IMAGE: Roles = (BATCH_AXIS, Positions((0,), (ROWS,)), Positions((1,), (COLUMNS,)), CHANNELS)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (("N", ROWS * COLUMNS, DEPTH), (BATCH_AXIS, Positions((0, 1), (ROWS, COLUMNS)), CHANNELS)),
        (("N", ROWS, COLUMNS, DEPTH), IMAGE),
        (("N", 3, 2, COLUMNS, DEPTH), (BATCH_AXIS, Positions((0,), (3,)), "within", IMAGE[2], CHANNELS)),
        (("N", ROWS, COLUMNS, DEPTH, 1), (*IMAGE, None)),
        ((f"{ROWS * COLUMNS}N", DEPTH), ("merged", CHANNELS)),
        (("N", ROWS * COLUMNS * DEPTH), (BATCH_AXIS, "merged")),
    ],
)
def test_one_reshape(after: Shape, expected: tuple[Role, ...]) -> None:
    found = regrouped(IMAGE, ("N", ROWS, COLUMNS, DEPTH), after)
    for role, wanted in zip(found, expected, strict=True):
        assert isinstance(role, Merged) if wanted in ("merged", "within") else role == wanted


@pytest.mark.parametrize("images", ["N", 3])
def test_windows_join_with_the_batch_and_come_back(images: int | str) -> None:
    cut: Shape = (images, 3, 2, 2, 4, DEPTH)
    count: int | str = "6N" if images == "N" else 18
    roles = regrouped(IMAGE, (images, ROWS, COLUMNS, DEPTH), cut)
    windows = tuple(roles[axis] for axis in (0, 1, 3, 2, 4, 5))
    joined = regrouped(windows, (images, 3, 2, 2, 4, DEPTH), (count, 8, DEPTH))
    assert isinstance(joined[0], Merged)
    assert isinstance(joined[1], Merged)
    again = regrouped(joined, (count, 8, DEPTH), (images, 3, 2, 2, 4, DEPTH))
    back = tuple(again[axis] for axis in (0, 1, 3, 2, 4, 5))
    assert regrouped(back, cut, (images, ROWS, COLUMNS, DEPTH)) == IMAGE


@pytest.mark.parametrize(("first", "second"), list(product([1, 2, 3, 6], [1, 2, 4, 8])))
def test_axes_along_the_image_are_those_whose_entries_are_in_its_order(first: int, second: int) -> None:
    """Places are cut into windows and joined as tokens, windows first or what is within them first."""
    places = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    cut = (ROWS // first, first, COLUMNS // second, second)
    for order in ((0, 2, 1, 3), (1, 3, 0, 2), (0, 1, 2, 3), (2, 3, 0, 1)):
        tokens = places.reshape(cut).transpose(order).reshape(-1)
        roles = regrouped(IMAGE, ("N", ROWS, COLUMNS, DEPTH), ("N", *cut, DEPTH))
        moved = (roles[0], *(roles[1 + axis] for axis in order), roles[-1])
        shape: Shape = ("N", *(cut[axis] for axis in order), DEPTH)
        role = regrouped(moved, shape, ("N", ROWS * COLUMNS, DEPTH))[1]
        in_order = np.array_equal(tokens, np.arange(ROWS * COLUMNS))
        assert (role == Positions((0, 1), (ROWS, COLUMNS))) == in_order


def test_channels_that_are_cut_and_shuffled_are_channels() -> None:
    before = ("N", 12, ROWS, COLUMNS)
    image: Roles = (BATCH_AXIS, CHANNELS, IMAGE[1], IMAGE[2])
    roles = regrouped(image, before, ("N", 3, 4, ROWS, COLUMNS))
    moved = tuple(roles[axis] for axis in (0, 2, 1, 3, 4))
    assert regrouped(moved, ("N", 4, 3, ROWS, COLUMNS), before) == image


# ---- networks


def _patches(s: Sketch) -> str:
    """(N, 16, 8): tokens of 4 x 4 patches."""
    weight = s.weight("patches.weight", 8, 3, 4, 4)
    s.node("Conv", "patches", "image", weight, strides=[4, 4])
    s.node("Reshape", "tokens.flat", "patches", s.numbers("tokens.shape", 0, 8, 16))
    return s.node("Transpose", "tokens", "tokens.flat", perm=[0, 2, 1])


def _scores(s: Sketch, tokens: str) -> None:
    s.node("ReduceMean", "mean", tokens, axes=[1], keepdims=0)
    s.node("MatMul", "scores", "mean", s.weight("head", 8, 5))


def flattened_with_the_batch(s: Sketch) -> None:
    """A product of rows: (16 N, 8), without a way around it."""
    s.node("Reshape", "rows", _patches(s), s.numbers("rows.shape", -1, 8))
    s.node("Gemm", "dense", "rows", s.weight("dense.weight", 8, 8))
    s.node("Reshape", "back", "dense", s.numbers("back.shape", -1, 16, 8))
    s.node("Relu", "act", s.node("MatMul", "last", "back", s.weight("last.weight", 8, 8)))
    _scores(s, "act")


def units_that_are_pooled(s: Sketch) -> None:
    """Tokens are put in the order of what is within a unit of 2 x 2, and the largest of each unit is taken."""
    s.node("Reshape", "cut", _patches(s), s.numbers("cut.shape", -1, 2, 2, 2, 2, 8))
    s.node("Transpose", "moved", "cut", perm=[0, 2, 4, 1, 3, 5])
    s.node("Reshape", "units", "moved", s.numbers("units.shape", -1, 16, 8))
    s.node("MatMul", "dense", "units", s.weight("dense.weight", 8, 8))
    s.node("Reshape", "within", "dense", s.numbers("within.shape", -1, 4, 4, 8))
    s.node("ReduceMax", "pooled", "within", axes=[1], keepdims=0)
    s.node("Relu", "act", s.node("MatMul", "last", "pooled", s.weight("last.weight", 8, 8)))
    _scores(s, "act")


def attention_of_fewer(s: Sketch) -> None:
    """Every second row and column asks all tokens, and nothing goes around that attention."""
    tokens = _patches(s)
    s.node("Reshape", "places", tokens, s.numbers("places.shape", 0, 4, 4, 8))
    bounds = [s.numbers("starts", 0, 0), s.numbers("ends", 4, 4), s.numbers("axes", 1, 2), s.numbers("steps", 2, 2)]
    s.node("Slice", "fewer", "places", *bounds)
    s.node("Reshape", "asking", "fewer", s.numbers("asking.shape", 0, 4, 8))
    s.node("Transpose", "keys", tokens, perm=[0, 2, 1])
    s.node("Softmax", "weights", s.node("MatMul", "likeness", "asking", "keys"), axis=-1)
    s.node("MatMul", "answers", "weights", tokens)
    s.node("Relu", "act", s.node("MatMul", "last", "answers", s.weight("last.weight", 8, 8)))
    _scores(s, "act")


def _unfolded(s: Sketch, step: int, count: int) -> None:
    """Windows of 4 x 4 of the maps are the tokens, picked by indices, as PyTorch exports an unfold."""
    maps = s.conv("maps", "image", 3, 2)
    s.values["indices"] = np.arange(4)[:, None] + step * np.arange(count)
    s.node("Gather", "columns", s.node("Gather", "rows", maps, "indices", axis=2), "indices", axis=4)
    s.node("Transpose", "moved", "columns", perm=[0, 1, 2, 4, 3, 5])
    s.node("Reshape", "flat", "moved", s.numbers("flat.shape", 0, 32, count**2))
    s.node("Transpose", "tokens", "flat", perm=[0, 2, 1])
    s.node("Relu", "act", s.node("MatMul", "last", "tokens", s.weight("last.weight", 32, 8)))
    _scores(s, "act")


def unfolded(s: Sketch) -> None:
    _unfolded(s, 4, 4)


def unfolded_with_overlap(s: Sketch) -> None:
    _unfolded(s, 2, 7)


@pytest.mark.parametrize(
    ("network", "grid"),
    [
        (flattened_with_the_batch, (4, 4)),
        (units_that_are_pooled, (2, 2)),
        (attention_of_fewer, (2, 2)),
        (unfolded, (4, 4)),
        (unfolded_with_overlap, (7, 7)),
    ],
)
def test_the_last_tokens_are_the_default_layer(network: object, grid: tuple[int, int], tmp_path: Path) -> None:
    s = Sketch()
    network(s)  # type: ignore[operator]
    model = whylight.load(s.save(tmp_path / "model.onnx"))
    assert model.default_layer.tensor == "act"
    assert model.default_layer.grid == grid


def test_pooled_units_lie_where_their_pixels_lie(tmp_path: Path) -> None:
    """A quarter of the image changes one token: that of the same quarter."""
    s = Sketch()
    units_that_are_pooled(s)
    path = s.save(tmp_path / "model.onnx")
    layer = whylight.load(path).default_layer
    model = onnx.load(path)
    model.graph.output.append(onnx.ValueInfoProto(name=layer.tensor))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    image = random.random((1, 3, SIZE, SIZE), np.float32)
    for row, column in product(range(2), range(2)):
        changed = image.copy()
        half = SIZE // 2
        changed[:, :, row * half :, column * half :][:, :, :half, :half] += 1
        before, after = (session.run([layer.tensor], {"image": pixels})[0] for pixels in (image, changed))
        differs = np.abs(after - before).max((0, 2)).reshape(layer.grid or ()) > 0
        expected = np.zeros((2, 2), bool)
        expected[row, column] = True
        np.testing.assert_array_equal(differs, expected)
