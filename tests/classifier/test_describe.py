"""What a model is found to be: scores, classes, layers, range, and where it looks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from reading.nnp.networks import (
    CONVOLUTION,
    function,
    network,
    one_convolution,
    small_classifier,
    variable,
    write_nnp,
)
from samples import BUNDLED
from whylight.errors import WhylightError, WhylightWarning


@pytest.mark.parametrize(
    ("activation", "classes", "found", "operator"),
    [("Softmax", 3, 3, "Softmax"), ("Sigmoid", 3, 3, "Sigmoid"), ("Sigmoid", 1, 2, "Sigmoid"), ("", 3, 3, None)],
)
def test_classes_and_final_activation(
    tmp_path: Path, activation: str, classes: int, found: int, operator: str | None
) -> None:
    classifier = whylight.load(small_classifier(tmp_path / "m.nnp", classes=classes, activation=activation))
    assert classifier.class_count == found
    assert classifier.final_activation == operator
    assert classifier.is_two_class == (classes == 1)


def test_the_default_layer_of_a_plain_network_is_its_last_convolution() -> None:
    classifier = whylight.load(BUNDLED / "mnist" / "results.nnp")
    assert classifier.default_layer.tensor == "@MainRuntime/Convolution_out_1"
    assert classifier.layer("Convolution_1") == classifier.default_layer, "the part after the slash is enough"
    assert [layer.type for layer in classifier.layers].count("Convolution") == 2


def test_augmentations_are_left_out_with_a_warning_that_names_the_function(tmp_path: Path) -> None:
    flip = function("RandomFlip", ["x"], ["cut"], "random_flip_param { axes: 2 base_axis: 1 }", "flip_it")
    path = one_convolution(tmp_path / "m.nnp", flip, shape=(1, 8, 8), read="cut")
    with pytest.warns(WhylightWarning, match="function 'flip_it': RandomFlip .* is left out"):
        whylight.load(path)


@pytest.mark.filterwarnings("ignore:.*everywhere")  # one place
@pytest.mark.parametrize(
    ("extra", "value", "asked", "maximum"),
    [
        ("", None, "auto", 1),
        ("no_image_normalization: true", None, "auto", 255),
        ("", 1 / 255, "auto", 255),
        ("", 0.5, "auto", 1),
        ("", None, "255", 255),
        ("no_image_normalization: true", None, "1", 1),
    ],
)
def test_the_value_of_white(tmp_path: Path, extra: str, value: float | None, asked: str, maximum: float) -> None:
    scale = function("MulScalar", ["x"], ["cut"], f"mul_scalar_param {{ val: {value} }}")
    path = one_convolution(
        tmp_path / "m.nnp", *([scale] if value else []), shape=(1, 8, 8), read="cut" if value else "x", extra=extra
    )
    classifier = whylight.load(path, input_range=asked)
    assert classifier.input.maximum == maximum
    explanation = classifier.explainer()(np.full((8, 8), 255, np.uint8), 0)
    np.testing.assert_allclose(explanation.score, maximum * (value or 1), rtol=1e-5)


def test_an_input_that_is_no_image_is_refused(tmp_path: Path) -> None:
    text = network(variable("x", (-1, 5)), variable("y", (-1, 5)), function("ReLU", ["x"], ["y"]))
    with pytest.raises(WhylightError, match=r"input 'x' has shape \(N, 5\), expected an image"):
        whylight.load(write_nnp(tmp_path / "m.nnp", text))


def test_an_output_that_is_no_list_of_scores_is_refused(tmp_path: Path) -> None:
    text = network(variable("x", (-1, 1, 8, 8)), variable("y", (-1, 1, 8, 8)), function("ReLU", ["x"], ["y"]))
    with pytest.raises(WhylightError, match=r"no output holds one score a class.*found 'y' \(N, 1, 8, 8\)"):
        whylight.load(write_nnp(tmp_path / "m.nnp", text))


@pytest.mark.filterwarnings("ignore:.*everywhere")  # weights are random
def test_channels_last_convolutions_give_the_same_map(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights, image = random.standard_normal((3, 3, 3, 1)), random.integers(0, 255, (8, 8), np.uint8)

    def model(name: str, last: bool) -> Path:
        features = (-1, 6, 6, 3) if last else (-1, 3, 6, 6)
        axes = "axes: 1 axes: 2" if last else "axes: 2 axes: 3"
        flag = "channel_last: true" if last else ""
        text = network(
            variable("x", (-1, 8, 8, 1) if last else (-1, 1, 8, 8)),
            variable("features", features),
            variable("active", features),
            variable("y", (-1, 3)),
            variable("w", (3, 3, 3, 1) if last else (3, 1, 3, 3), "Parameter"),
            function("Convolution", ["x", "w"], ["features"], f"convolution_param {{ base_axis: 1 group: 1 {flag} }}"),
            function("Tanh", ["features"], ["active"]),
            function("Mean", ["active"], ["y"], f"mean_param {{ {axes} }}"),
        )
        return write_nnp(tmp_path / name, text, {"w": weights if last else weights.transpose(0, 3, 1, 2)})

    first, last = whylight.load(model("first.nnp", False)), whylight.load(model("last.nnp", True))
    assert (first.input.layout, last.input.layout) == ("CHW", "HWC")
    for layer in ("Convolution", "Tanh"):
        one, other = (model.explainer(layer=layer)(image, 1) for model in (first, last))
        np.testing.assert_allclose(one.cam, other.cam, atol=1e-5)
        assert one.score == pytest.approx(other.score, rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*everywhere")  # weights are random
def test_a_fixed_batch_is_filled_up(tmp_path: Path) -> None:
    # the weights of the batch's images differ, so that its size cannot change
    text = network(
        variable("x", (4, 1, 8, 8)),
        variable("features", (4, 2, 8, 8)),
        variable("own", (4, 2, 8, 8)),
        variable("y", (4, 2)),
        variable("w", (2, 1, 1, 1), "Parameter"),
        variable("v", (4, 1, 1, 1), "Parameter"),
        function("Convolution", ["x", "w"], ["features"], CONVOLUTION),
        function("Mul2", ["features", "v"], ["own"]),
        function("Mean", ["own"], ["y"], "mean_param { axes: 2 axes: 3 }"),
    )
    path = write_nnp(tmp_path / "m.nnp", text, {"w": np.array([1.0, -1]), "v": np.ones(4)})
    explainer = whylight.load(path).explainer()
    images = [Image.fromarray(np.full((8, 8), 10 * i, np.uint8)) for i in range(6)]
    scores = [explanation.score for explanation in explainer(images, 0)]
    np.testing.assert_allclose(scores, np.arange(6) * 10 / 255, rtol=1e-5)
