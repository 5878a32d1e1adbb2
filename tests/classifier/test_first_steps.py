"""The way of the image to the network: its axes, the pixels it wants, its baseline, and what crops leave of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

import whylight
from onnx_samples import model as sample
from reading.nnp.networks import function, one_convolution, variable
from whylight.classifier.baseline import baseline_pixel
from whylight.classifier.crop import crop_before
from whylight.classifier.first_steps import Axes, steps, straight_steps
from whylight.classifier.input_axes import layout_by_first_step
from whylight.classifier.input_range import range_by_first_steps
from whylight.classifier.layer import Layer
from whylight.contract import Box, InputFacts
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.onnx_model.pixels import pixels

Array = np.ndarray[Any, Any]
Front = Callable[[GraphBuilder, Tensor], Tensor]

EXTENTS = {"C": 3, "D": 5, "H": 6, "W": 7, "L": 6}
NO_END = 2**40


def built(layout: str, front: Front, batch: int | str = "N") -> onnx.ModelProto:
    """image -> what ``front`` says -> seen -> convolution with one output."""
    op = GraphBuilder()
    seen = front(op, op.input("image", (batch, *(EXTENTS[letter] for letter in layout))))
    seen = op.Identity(seen)
    features = op.Conv(seen, np.ones((1, seen.size(1), *[1] * (seen.rank - 2)), np.float32))
    return op.model([op.rename(seen, "seen"), op.rename(features, "features")], "sample")


def facts(layout: str) -> InputFacts:
    size = tuple(EXTENTS[letter] for letter in layout if letter != "C")
    return InputFacts("image", EXTENTS["C"] if "C" in layout else 1, size, layout, 1.0)


def tensors_of(model: onnx.ModelProto) -> dict[str, Tensor]:
    return GraphBuilder.extending(model).tensors


def crop(layout: str, model: onnx.ModelProto) -> Box:
    layer = Layer("features", "Conv", "features", False)
    return crop_before(model, tensors_of(model), facts(layout), layer)


def baseline(layout: str, model: onnx.ModelProto) -> tuple[float, ...]:
    return baseline_pixel(model, tensors_of(model), facts(layout), "features")


def run(model: onnx.ModelProto, image: Array) -> Array:
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(["seen"], {"image": image})[0])


def part_that_is_seen(layout: str, model: onnx.ModelProto) -> Box:
    """Which rows, columns, ... change what the convolution reads, found by running the model."""
    random = np.random.default_rng(0)
    given = tensors_of(model)["image"]
    image = random.random([given.size(axis) for axis in range(given.rank)], np.float32)
    before, starts, ends = run(model, image), [], []
    for axis, letter in enumerate(layout, start=1):
        if letter == "C":
            continue
        changed = []
        for place in range(image.shape[axis]):
            other = image.copy()
            np.moveaxis(other, axis, 0)[place] += 1
            changed.append(not np.array_equal(run(model, other), before))
        starts.append(changed.index(True) / len(changed))
        ends.append(1 - changed[::-1].index(True) / len(changed))
    return (*starts, *ends)


FRONTS: dict[str, tuple[str, Front, Axes]] = {
    "nothing": ("CHW", lambda op, x: x, (0, 1, 2, 3)),
    "an axis in the middle": (
        "CHW",
        lambda op, x: op.Slice(op.Unsqueeze(x, [2]), [1, 2], [4, NO_END], [-2, 4]),
        (0, 1, None, 2, 3),
    ),
    "an axis at the end": (
        "HW",
        lambda op, x: op.Transpose(op.Slice(op.Unsqueeze(x, [3]), [1], [3], [1]), perm=[0, 3, 1, 2]),
        (0, None, 1, 2),
    ),
    "a crop of channels": (
        "HWC",
        lambda op, x: op.Transpose(op.Slice(x, [1, 1], [2, 4], [3, 2]), perm=[0, 3, 1, 2]),
        (0, 3, 1, 2),
    ),
    "an axis that a reshape moves": (
        "HW",
        lambda op, x: op.Slice(op.Reshape(op.Unsqueeze(x, [-1]), [0, 1, 6, 7]), [2], [5], [2]),
        (0, None, 1, 2),
    ),
    "channels that become images": (
        "CHW",
        lambda op, x: op.Slice(op.Reshape(x, [-1, 1, 6, 7]), [0, 2], [3, 5], [2, 3]),
        (None, None, 2, 3),
    ),
    "axes of extent 1 taken out": (
        "HW",
        lambda op, x: op.Slice(op.Unsqueeze(op.Squeeze(op.Unsqueeze(x, [1, 4])), [1]), [1], [4], [2]),
        (0, None, 1, 2),
    ),
    "two crops": ("CL", lambda op, x: op.Slice(op.Slice(x, [2], [NO_END], [2]), [0], [3], [2]), (0, 1, 2)),
    "a crop that names no axes": (
        "DHW",
        lambda op, x: op.Slice(op.Unsqueeze(x, [1]), [0, 0, 1, 2, 3], [9, 9, 4, 5, 6], None, [1] * 5),
        (0, None, 1, 2, 3),
    ),
    "an axis that broadcasting puts in front": (
        "HW",
        lambda op, x: op.Slice(op.Mul(x, np.ones((1, 1, 1, 1), np.float32)), [1], [4], [2]),
        (None, 0, 1, 2),
    ),
}


@pytest.mark.parametrize("name", FRONTS)
def test_axes_and_crops(name: str) -> None:
    layout, front, axes = FRONTS[name]
    model = built(layout, front, batch=2)
    walk = list(straight_steps(model.graph.node, "image", len(layout) + 1, tensors_of(model).get))
    assert [step.result for step in walk] == [node.output[0] for node in model.graph.node]
    assert walk[-1].axes == axes
    np.testing.assert_allclose(crop(layout, model), part_that_is_seen(layout, model))


@pytest.mark.parametrize(
    ("start", "end", "stride", "rows"),
    [(0, NO_END, 2, (0, 6)), (1, 5, 2, (1, 5)), (1, NO_END, 2, (1, 6)), (0, 3, 3, (0, 3)), (4, 1, -1, (2, 5))],
)
def test_a_row_that_is_kept_stands_for_those_left_out_behind_it(
    start: int, end: int, stride: int, rows: tuple[int, int]
) -> None:
    model = built("CHW", lambda op, x: op.Slice(x, [start], [end], [2], [stride]))
    assert crop("CHW", model) == pytest.approx((rows[0] / 6, 0, rows[1] / 6, 1))


def test_layers_of_a_picture_that_the_network_turns_round_are_none(tmp_path: Path) -> None:
    """Their maps would lie the other way round."""
    op = GraphBuilder()
    seen = op.Slice(op.input("image", (1, 3, 6, 7)), [-1], [-NO_END], [3], [-1])
    features = op.Relu(op.Conv(seen, np.ones((2, 3, 1, 1), np.float32)))
    onnx.save(op.model([op.ReduceMean(features, [2, 3], keepdims=0)], "sample"), tmp_path / "model.onnx")
    assert whylight.load(tmp_path / "model.onnx", input_range="1").layers == ()


def reversed_axes(op: GraphBuilder, image: Tensor) -> Tensor:
    """(1, 3, 6, 7) ──> (7, 6, 3, 1), cropped and prepared ──> (1, 3, 5, 4), by Transposes that name no order."""
    means = np.array([0.1, 0.5, 0.9], np.float32).reshape(3, 1)
    cut = op.Slice(op.Transpose(image), [2, 1], [6, 6], [0, 1])
    return op.Transpose(op.Mul(op.Sub(cut, means), 2.0))


def test_a_transpose_that_names_no_order_turns_the_axes_round() -> None:
    model = built("CHW", reversed_axes, batch=1)
    assert crop("CHW", model) == pytest.approx((1 / 6, 2 / 7, 1, 6 / 7))
    np.testing.assert_allclose(crop("CHW", model), part_that_is_seen("CHW", model))
    assert baseline("CHW", model) == pytest.approx((0.1, 0.5, 0.9))
    assert layout_by_first_step(model.graph.node, tensors_of(model).get, "image", 4) == "CHW"


def test_a_file_with_such_a_transpose_is_explained(tmp_path: Path) -> None:
    op = GraphBuilder()
    seen = reversed_axes(op, op.input("image", (1, 3, 6, 7)))
    features = op.Relu(op.Conv(op.Neg(seen), np.ones((2, 3, 1, 1), np.float32)))
    scores = op.ReduceMean(features, [2, 3], keepdims=0)
    onnx.save(op.model([scores], "sample"), tmp_path / "model.onnx")
    explainer = whylight.load(tmp_path / "model.onnx", input_range="1").explainer()
    explanation = explainer(np.arange(3 * 6 * 7, dtype=np.uint8).reshape(6, 7, 3), 0)
    assert explanation.crop == pytest.approx((1 / 6, 2 / 7, 1, 6 / 7))
    assert explanation.cam.shape == (5, 4)


def test_a_transpose_of_a_picture_without_channels() -> None:
    model = built("HW", lambda op, x: op.Unsqueeze(op.Sub(op.Transpose(x, perm=[0, 2, 1]), 0.25), [1]))
    assert baseline("HW", model) == (0.25,)
    assert layout_by_first_step(model.graph.node, tensors_of(model).get, "image", 3) == "HW"


@pytest.mark.parametrize("layout", ["CHW", "HWC", "HW", "LC"])
def test_the_baseline_reaches_the_network_as_zero(layout: str) -> None:
    def front(op: GraphBuilder, image: Tensor) -> Tensor:
        last = "C" in layout and layout[-1] == "C"
        order = [0, image.rank - 1, *range(1, image.rank - 1)]
        first = op.Transpose(image, perm=order) if last else image if "C" in layout else op.Identity(image)
        channels = (-1, *[1] * (first.rank - 2)) if "C" in layout else ()
        numbers = np.array([0.2, 0.5, 0.7][: 3 if channels else 1], np.float32).reshape(channels)
        prepared = op.Div(op.Add(op.Mul(op.Sub(1.0, op.Cast(first, to=1)), 3.0), numbers), numbers + np.float32(0.5))
        return prepared if "C" in layout else op.Unsqueeze(prepared, [1])

    model = built(layout, front)
    values = baseline(layout, model)
    assert len(set(values)) == (3 if "C" in layout else 1)
    axis = layout.find("C") + 1
    shape = [1, *(EXTENTS[letter] for letter in layout)]
    image = np.broadcast_to(np.reshape(values, [-1 if a == axis and axis else 1 for a in range(len(shape))]), shape)
    np.testing.assert_allclose(run(model, image.astype(np.float32)), 0, atol=1e-6)


def test_a_slice_whose_axes_are_not_constant_is_passed_over() -> None:
    op = GraphBuilder()
    image, axis = op.input("image", ("N", 3, 6, 7)), op.input("axis", (1,), np.int64)
    features = op.rename(op.Slice(image, [0], [1], axis), "features")
    assert crop("CHW", op.model([features], "sample")) == (0, 0, 1, 1)


@pytest.mark.parametrize("second", [False, True])
def test_where_several_nodes_read_the_image_only_its_axes_and_range_are_followed(second: bool) -> None:
    def front(op: GraphBuilder, image: Tensor) -> Tensor:
        seen = op.Slice(op.Sub(image, 128.0), [1], [4], [2])
        return op.Add(seen, op.ReduceMean(image)) if second else seen

    model = built("CHW", front)
    known = tensors_of(model).get
    assert crop("CHW", model) == ((0, 0, 1, 1) if second else pytest.approx((1 / 6, 0, 4 / 6, 1)))
    assert baseline("CHW", model) == ((0,) * 3 if second else (128,) * 3)
    assert range_by_first_steps(model.graph.node, known, "image", 4) == 255
    assert layout_by_first_step(model.graph.node, known, "image", 4) == "CHW"
    assert next(steps(model.graph.node, "image", 4, known)).is_alone is not second


@pytest.mark.parametrize(
    ("operator", "numbers", "expected"),
    [
        ("Div", [255.0], 255),
        ("Div", [2.0], 1),
        ("Mul", [1 / 255], 255),
        ("Mul", [0.5], 1),
        ("Sub", [103.5, 116.0, 123.5], 255),
        ("Sub", [0.4, 0.4, 0.5], 1),
        ("Add", [-127.5], 255),
    ],
)
@pytest.mark.parametrize("held", ["initializer", "Constant", "numbers of a Constant"])
def test_the_range_that_numbers_suggest(operator: str, numbers: list[float], expected: float, held: str) -> None:
    value = np.array(numbers, np.float32).reshape(-1, 1, 1) if len(numbers) > 1 else np.array(numbers, np.float32)
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=1),
        helper.make_node(operator, ["floats", "numbers"], ["scaled"]),
        helper.make_node("Relu", ["scaled"], ["y"]),
    ]
    if held == "Constant":
        nodes.insert(0, helper.make_node("Constant", [], ["numbers"], value=numpy_helper.from_array(value)))
    elif held == "numbers of a Constant":
        nodes.insert(0, helper.make_node("Constant", [], ["numbers"], value_floats=numbers))
    image, y = (helper.make_tensor_value_info(name, 1, [1, 3, 6, 7]) for name in ("image", "y"))
    model = sample(nodes, [image], [y], {"numbers": value} if held == "initializer" else {})
    found = pixels(Path("model.onnx"), model, "image", 3, "picture", "auto", None, None)
    assert found.maximum == expected
    assert not found.notes, "it prepares pixels itself"


@pytest.mark.parametrize(("operator", "number"), [("Mul", 0.0), ("Mul", 1.0), ("Div", 1.0), ("Sub", 0.0), ("Add", 0.0)])
def test_numbers_that_change_nothing_suggest_no_range(operator: str, number: float) -> None:
    model = built("CHW", lambda op, x: getattr(op, operator)(x, np.float32(number)))
    assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) is None


def test_the_first_number_suggests_the_range() -> None:
    model = built("CHW", lambda op, x: op.Div(op.Sub(x, 128.0), 0.5))
    assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) == 255


@pytest.mark.parametrize("operator", ["Sub", "Mul"])
def test_a_constant_before_the_image_suggests_the_range_as_well(operator: str) -> None:
    constant = np.float32(255 if operator == "Sub" else 1 / 255)
    model = built("CHW", lambda op, x: getattr(op, operator)(op.constant(constant), x))
    assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) == 255


def test_what_is_computed_of_the_image_says_nothing_of_its_range() -> None:
    model = built("CHW", lambda op, x: op.Mul(x, op.Sigmoid(op.ReduceMean(x))))
    assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) is None


def test_numbers_behind_a_crop_suggest_the_range() -> None:
    model = built("CHW", lambda op, x: op.Div(op.Slice(x, [1], [5], [2]), np.float32(255)))
    assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) == 255


def test_the_mean_of_a_batch_normalization_suggests_the_range() -> None:
    for mean, expected in ((120.0, 255), (0.5, 1), (0.01, None)):
        values = [np.full(3, value, np.float32) for value in (9, 9, mean, 9)]
        op = GraphBuilder()
        model = op.model([op.BatchNormalization(op.input("image", ("N", 3, 6, 7)), *values)], "sample")
        assert range_by_first_steps(model.graph.node, tensors_of(model).get, "image", 4) == expected


def test_axes_in_constant_nodes_tell_the_layout(tmp_path: Path) -> None:
    """(1, 6, 7) ──Unsqueeze──> (1, 1, 6, 7) ──Conv──>: a gray picture, and no signal of six channels."""
    nodes = [
        helper.make_node("Constant", [], ["axes"], value_ints=[1]),
        helper.make_node("Unsqueeze", ["image", "axes"], ["gray"]),
        helper.make_node("Conv", ["gray", "kernel"], ["maps"], name="conv"),
        helper.make_node("ReduceMean", ["maps"], ["y"], axes=[2, 3], keepdims=0),
    ]
    image = helper.make_tensor_value_info("image", 1, [1, 6, 7])
    y = helper.make_tensor_value_info("y", 1, [1, 2])
    onnx.save(sample(nodes, [image], [y], {"kernel": np.ones((2, 1, 3, 3), np.float32)}), tmp_path / "model.onnx")
    assert whylight.load(tmp_path / "model.onnx", input_range="1").input.layout == "HW"


@pytest.mark.parametrize(
    ("step", "parameter", "box"),
    [
        (
            "Slice",
            "slice_param { start: 0 start: 2 start: 4 stop: 1 stop: 6 stop: 8 step: 1 step: 1 step: 1 }",
            (2, 4, 6, 8),
        ),
        ("RandomCrop", "random_crop_param { shape { dim: 4 dim: 4 } base_axis: 1 }", (2, 2, 6, 6)),
        (
            "ImageAugmentation",
            "image_augmentation_param { shape { dim: 1 dim: 4 dim: 4 } min_scale: 1 max_scale: 1 }",
            (2, 2, 6, 6),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::whylight.errors.WhylightWarning")
def test_the_map_lies_where_the_crop_was(tmp_path: Path, step: str, parameter: str, box: tuple[int, ...]) -> None:
    classifier = whylight.load(
        one_convolution(tmp_path / "m.nnp", function(step, ["x"], ["cut"], parameter), read="cut")
    )
    image = np.zeros((8, 8), np.uint8)
    top, left, bottom, right = box
    image[top, left] = 255  # the brightest pixel is the first one the network sees
    explanation = classifier.explainer()(image, 0)
    assert explanation.cam.shape == (4, 4)
    assert explanation.cam.argmax() == 0
    np.testing.assert_allclose(np.array(explanation.crop) * 8, box)
    picture = np.asarray(explanation.overlay(alpha=1), int)
    assert picture[top, left, 0] > 100, "red where the map is highest"
    outside = np.ones((8, 8), bool)
    outside[top:bottom, left:right] = False
    assert (picture[outside] == 0).all(), "no color where the network did not look"


def test_crops_compose(tmp_path: Path) -> None:
    halves = "slice_param { start: 0 start: 0 start: 0 stop: 1 stop: 4 stop: 8 step: 1 step: 1 step: 1 }"
    again = "slice_param { start: 0 start: 2 start: 2 stop: 1 stop: 4 stop: 6 step: 1 step: 1 step: 1 }"
    path = one_convolution(
        tmp_path / "m.nnp",
        variable("half", (-1, 1, 4, 8)),
        function("Slice", ["x"], ["half"], halves, "a"),
        function("Slice", ["half"], ["cut"], again, "b"),
        shape=(1, 2, 4),
        read="cut",
    )
    classifier = whylight.load(path)
    assert classifier.crop(classifier.default_layer) == (0.25, 0.25, 0.5, 0.75)
