"""Scores in the shapes in which files hold them: what is explained is one list (N, classes) an image."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, cnn_weights, expected_cam
from whylight.errors import WhylightError, WhylightWarning

Array = np.ndarray[Any, Any]

IMAGES = np.random.default_rng(0).random((2, HEIGHT, WIDTH, 3)).astype(np.float32)
LEFT, RIGHT = slice(0, 7), slice(2, 9)


def load(folder: Path, content: onnx.ModelProto, **options: Any) -> whylight.Classifier:
    onnx.save(content, folder / "model.onnx")
    return whylight.load(folder / "model.onnx", input_range=1, **options)


def scores(image: Array) -> Array:
    """What the sample gives for an image (H, W, 3), before its Softmax."""
    weights = cnn_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image.transpose(2, 0, 1), (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None]
    return np.asarray(np.maximum(maps, 0).mean((1, 2)) @ weights["weight"] + weights["offset"])


def mean_of_crops(image: Array) -> Array:
    return np.asarray((scores(image[:, LEFT]) + scores(image[:, RIGHT])) / 2)


def softmax(values: Array) -> Array:
    return np.asarray(np.exp(values) / np.exp(values).sum())


def cropping(rows: str, batch: int | str) -> onnx.ModelProto:
    """The sample with two crops of each image; their rows lie ``together`` or ``apart``, or are ``mixed``."""
    content: onnx.ModelProto = cnn(batch=batch)
    values = {"axis": [3], "one": [1], "first": [LEFT.start], "end": [LEFT.stop], "second": [RIGHT.start]}
    values |= {"last": [RIGHT.stop], "crops": [-1, 3, HEIGHT, 7], "flat": [-1, 5], "back": [-1], "start": [-(2**31)]}
    del content.graph.initializer[-1]
    content.graph.initializer.extend(numpy_helper.from_array(np.array(v, np.int64), k) for k, v in values.items())
    content.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    nodes = [
        helper.make_node("Slice", ["image", "first", "end", "axis"], ["left"]),
        helper.make_node("Slice", ["image", "second", "last", "axis"], ["right"]),
    ]
    if rows == "together":
        nodes += [helper.make_node("Unsqueeze", [side, "one"], [f"{side}/1"]) for side in ("left", "right")]
        nodes += [helper.make_node("Concat", ["left/1", "right/1"], ["both"], axis=1)]
        nodes += [helper.make_node("Reshape", ["both", "crops"], ["seen"])]
    else:
        if rows == "mixed":
            nodes += [helper.make_node("Slice", ["right", "back", "start", "zero", "back"], ["turned"])]
        nodes += [helper.make_node("Concat", ["left", "turned" if rows == "mixed" else "right"], ["seen"], axis=0)]
    content.graph.node[0].input[0] = "seen"
    for node in reversed(nodes):
        content.graph.node.insert(0, node)
    content.graph.output[0].type.tensor_type.ClearField("shape")
    return content


@pytest.mark.parametrize("batch", ["batch", 1, 2])
@pytest.mark.parametrize("rows", ["together", "apart"])
def test_the_scores_of_crops_are_averaged(tmp_path: Path, rows: str, batch: int | str) -> None:
    classifier = load(tmp_path, cropping(rows, batch))
    assert classifier.class_count == CLASSES
    with pytest.warns(WhylightWarning, match="makes 2 images of each one.*their scores are averaged"):
        explainer = classifier.explainer("gradient")
    for explanation, image in zip(explainer(list(IMAGES), [1, 2]), IMAGES, strict=True):
        mean = mean_of_crops(image)
        assert explanation.score == pytest.approx(mean[explanation.class_index], abs=1e-4)
        assert explanation.probability == pytest.approx(softmax(mean)[explanation.class_index], abs=1e-5)
        assert explanation.predicted == mean.argmax()


@pytest.mark.parametrize("rows", ["together", "apart"])
def test_the_gradient_is_that_of_the_mean_over_crops(tmp_path: Path, rows: str) -> None:
    classifier = load(tmp_path, cropping(rows, "batch"))
    with pytest.warns(WhylightWarning, match="makes 2 images"):
        explainer = classifier.explainer("input-x-gradient")
    *_, found = explainer.run(IMAGES.transpose(0, 3, 1, 2), np.array([1, 3]))
    for image, index, cam in zip(IMAGES.astype(np.float64), (1, 3), found, strict=True):
        slopes = np.zeros_like(image)
        for place in np.ndindex(image.shape):
            step = np.zeros_like(image)
            step[place] = 1e-6
            slopes[place] = (mean_of_crops(image + step)[index] - mean_of_crops(image - step)[index]) / 2e-6
        np.testing.assert_allclose(cam, np.maximum((slopes * image).sum(2), 0), atol=1e-4)


def test_rows_of_several_images_that_are_mixed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="'probabilities' has 2 rows for each image, mixed with those of other"):
        load(tmp_path, cropping("mixed", 2))


def test_images_that_a_network_mixes_are_explained_by_themselves(tmp_path: Path) -> None:
    classifier = load(tmp_path, cropping("mixed", "batch"))
    with pytest.warns(WhylightWarning) as said:
        explainer = classifier.explainer("gradient")
    assert any("mixes the images of a batch" in str(each.message) for each in said)
    for explanation, image in zip(explainer(list(IMAGES), 2), IMAGES, strict=True):
        assert explanation.score == pytest.approx(mean_of_crops(image)[2], abs=1e-4)


def test_layers_behind_crops_are_no_layers(tmp_path: Path) -> None:
    classifier = load(tmp_path, cropping("together", 1))
    assert classifier.layers == ()
    with pytest.raises(WhylightError, match=r"one row for each image.*methods that need none: .*occlusion"):
        classifier.explainer()


@pytest.mark.parametrize("shape", [(0, 1, CLASSES), (0, 1, 1, CLASSES), (0, CLASSES, 1)])
@pytest.mark.parametrize("last", ["Softmax", "LogSoftmax", "Reshape", "none"])
def test_an_axis_of_extent_1_among_the_scores(tmp_path: Path, shape: tuple[int, ...], last: str) -> None:
    content = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "long"))
    reshape = helper.make_node("Reshape", ["scores", "long"], ["lists"])
    content.graph.node.insert(len(content.graph.node) - 1, reshape)
    final = content.graph.node[-1]
    if last == "Reshape":  # behind the Softmax
        final.output[0], reshape.input[0] = "flat/probabilities", "flat/probabilities"
        reshape.output[0] = "probabilities"
        del content.graph.node[-2:]
        content.graph.node.extend([final, reshape])
    elif last == "none":
        final.CopyFrom(helper.make_node("Identity", ["lists"], ["probabilities"]))
    else:
        axis = shape.index(CLASSES)
        final.CopyFrom(helper.make_node(last, ["lists"], ["probabilities"], axis=axis))
    content.graph.output[0].type.tensor_type.ClearField("shape")
    classifier = load(tmp_path, content)
    assert classifier.class_count == CLASSES
    expected = scores(IMAGES[0])
    for index, explanation in enumerate(
        classifier.explainer(layer="conv")([IMAGES[0]] * CLASSES, list(range(CLASSES)))
    ):
        assert explanation.score == pytest.approx(expected[index], abs=1e-4)
        assert explanation.probability == pytest.approx(softmax(expected)[index], abs=1e-5)
        np.testing.assert_allclose(explanation.cam, expected_cam(IMAGES[0].transpose(2, 0, 1), index), atol=1e-4)


def with_lists(batch: int | str = "batch") -> onnx.ModelProto:
    """Of each image two lists: the sample's scores, and twice as much of them."""
    content: onnx.ModelProto = cnn(batch=batch)
    content.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1], np.int64), "one"),
            numpy_helper.from_array(np.array([[[1], [2]]], np.float32), "times"),
        ]
    )
    content.graph.node[-1].CopyFrom(helper.make_node("Softmax", ["lists"], ["probabilities"], axis=2))
    content.graph.node.insert(len(content.graph.node) - 1, helper.make_node("Unsqueeze", ["scores", "one"], ["long"]))
    content.graph.node.insert(len(content.graph.node) - 1, helper.make_node("Mul", ["long", "times"], ["lists"]))
    content.graph.output[0].type.tensor_type.ClearField("shape")
    return content


@pytest.mark.parametrize("batch", ["batch", 1])
@pytest.mark.parametrize("index", [0, 1])
def test_one_of_several_lists(tmp_path: Path, index: int, batch: int | str) -> None:
    classifier = load(tmp_path, with_lists(batch), output_index=index)
    expected = (index + 1) * scores(IMAGES[0])
    explanation = classifier.explainer(layer="conv")(IMAGES[0], 2)
    assert explanation.score == pytest.approx(expected[2], abs=1e-4)
    assert explanation.probability == pytest.approx(softmax(expected)[2], abs=1e-5)
    np.testing.assert_allclose(explanation.cam, expected_cam(IMAGES[0].transpose(2, 0, 1), 2), atol=1e-4)


def test_several_lists_and_none_named(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=r"'probabilities' \(N, 2, 4\); .* has 2 lists of.*'output_index', 0 to 1"):
        load(tmp_path, with_lists())
    with pytest.raises(WhylightError, match=r"output index 2 is out of range.*'probabilities' 2"):
        load(tmp_path, with_lists(), output_index=2)


def test_outputs_by_number(tmp_path: Path) -> None:
    content = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array(3, np.float32), "three"))
    content.graph.node.append(helper.make_node("Mul", ["scores", "three"], ["other"]))
    content.graph.output.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", CLASSES]))
    assert load(tmp_path, content, output_index=0).output == "probabilities"
    assert load(tmp_path, content, output_index=1).output == "other"
    assert load(tmp_path, content, output_variable="other", output_index=0).output == "other"
    with pytest.raises(WhylightError, match=r"'othr'; the nearest are 'other'"):
        load(tmp_path, content, output_variable="othr")


def test_one_number_an_image_without_an_axis(tmp_path: Path) -> None:
    content = cnn()
    content.graph.node[-1].CopyFrom(helper.make_node("Sigmoid", ["first"], ["probabilities"]))
    content.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(0, np.int64), "zero"),
        ]
    )
    pick = helper.make_node("Gather", ["scores", "zero"], ["first"], axis=1)
    content.graph.node.insert(len(content.graph.node) - 1, pick)
    content.graph.output[0].type.tensor_type.ClearField("shape")
    classifier = load(tmp_path, content)
    assert classifier.class_count == 2
    (explanation,) = classifier.explainer()([IMAGES[0]], 1)
    assert explanation.probability == pytest.approx(1 / (1 + np.exp(-scores(IMAGES[0])[0])), abs=1e-5)


def of_machine_learning(operators: list[onnx.NodeProto], **outputs: int) -> onnx.ModelProto:
    """The sample with operators for other things than networks at its end."""
    content: onnx.ModelProto = cnn()
    content.graph.node.extend(operators)
    content.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    content.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items())
    return content


def test_the_label_that_scikit_learn_gives_beside_the_scores_is_left_out(tmp_path: Path) -> None:
    picked = helper.make_node("ArrayFeatureExtractor", ["names", "index"], ["label"], domain="ai.onnx.ml")
    content = of_machine_learning(
        [helper.make_node("ArgMax", ["probabilities"], ["index"], axis=1), picked], label=TensorProto.INT64
    )
    content.graph.initializer.append(numpy_helper.from_array(np.arange(CLASSES), "names"))
    classifier = load(tmp_path, content)
    assert classifier.output == "probabilities"
    explanation = classifier.explainer(layer="conv")(IMAGES[0], 1)
    np.testing.assert_allclose(explanation.cam, expected_cam(IMAGES[0].transpose(2, 0, 1), 1), atol=1e-4)


def test_classifiers_that_are_no_networks_are_refused(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {"coefficients": [1.0] * 5 * CLASSES, "classlabels_ints": list(range(CLASSES))}
    names = ["label", "chances"]
    linear = helper.make_node("LinearClassifier", ["features"], names, "linear", domain="ai.onnx.ml", **numbers)
    content = of_machine_learning([linear], label=TensorProto.INT64, chances=TensorProto.FLOAT)
    del content.graph.output[0]
    with pytest.raises(WhylightError, match=r"cannot be inferred: LinearClassifier 'linear' hides it, which is no"):
        load(tmp_path, content)


@pytest.mark.parametrize("activation", ["before", "behind", "none"])
def test_scores_of_one_image_without_a_batch_axis(tmp_path: Path, activation: str) -> None:
    content: onnx.ModelProto = cnn(batch=1)
    content.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
    last = {"before": "probabilities", "behind": "scores", "none": "scores"}[activation]
    if activation != "before":
        del content.graph.node[-1]
    content.graph.node.append(helper.make_node("Squeeze", [last, "zero"], ["squeezed"]))
    if activation == "behind":
        content.graph.node.append(helper.make_node("Softmax", ["squeezed"], ["row"], axis=0))
    name = "row" if activation == "behind" else "squeezed"
    content.graph.output[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [CLASSES]))
    classifier = load(tmp_path, content)
    assert classifier.class_count == CLASSES
    for explanation, image in zip(classifier.explainer(layer="conv")(list(IMAGES), 1), IMAGES, strict=True):
        assert explanation.score == pytest.approx(scores(image)[1], abs=1e-4)
        assert explanation.probability == pytest.approx(softmax(scores(image))[1], abs=1e-5)
        np.testing.assert_allclose(explanation.cam, expected_cam(image.transpose(2, 0, 1), 1), atol=1e-4)


def test_the_largest_scores_are_not_those_of_classes(tmp_path: Path) -> None:
    content: onnx.ModelProto = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array([2], np.int64), "two"))
    content.graph.node.append(helper.make_node("TopK", ["probabilities", "two"], ["best", "which"], axis=1))
    content.graph.output.append(helper.make_tensor_value_info("best", TensorProto.FLOAT, ["batch", 2]))
    assert load(tmp_path, content).output == "probabilities"
    del content.graph.output[0]
    with pytest.raises(WhylightError, match="it seems to be a network that gives its largest scores alone"):
        load(tmp_path, content)
