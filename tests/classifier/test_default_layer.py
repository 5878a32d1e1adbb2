"""The layer that is explained where none is named, in networks written node by node."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import whylight
from onnx_samples import CLASSES, vision_transformer
from samples import BUNDLED, DATA
from sketch import SIZE, Sketch


def plain(s: Sketch) -> None:
    s.head(
        s.node("MaxPool", "pool", s.relu_conv("two", s.relu_conv("one", "image", 3, 4), 4, 6), kernel_shape=[2, 2]), 6
    )


def residual(s: Sketch) -> None:
    """The shortcut comes last in the file's order."""
    stem = s.relu_conv("stem", "image", 3, 4)
    body = s.conv("body.2", s.relu_conv("body.1", stem, 4, 6), 6, 6)
    s.head(s.node("Relu", "act", s.node("Add", "sum", body, s.conv("shortcut", stem, 4, 6, 1))), 6)


def inception(s: Sketch) -> None:
    stem = s.relu_conv("stem", "image", 3, 4)
    branches = [s.relu_conv(f"branch.{i}", stem, 4, 3, kernel) for i, kernel in enumerate((1, 3, 5))]
    s.head(s.node("Concat", "joined", *branches, axis=1), 9)


def gated(s: Sketch) -> None:
    """Squeeze and excitation: the gate goes around the places."""
    maps = s.relu_conv("maps", "image", 3, 4)
    gate = s.node("Sigmoid", "gate", s.conv("squeeze", s.node("GlobalAveragePool", "mean", maps), 4, 4, 1))
    s.head(s.node("Mul", "gated", maps, gate), 4)


def ensemble(s: Sketch) -> None:
    scaled = s.node("Mul", "scaled", "image", s.weight("scale", 1))
    members = [
        s.head(s.relu_conv(f"{m}.two", s.relu_conv(f"{m}.one", scaled, 3, 4), 4, 5), 5, f"{m}.scores") for m in "ab"
    ]
    s.node("Add", "scores", *members)


def towers_behind_a_stem(s: Sketch) -> None:
    stem = s.relu_conv("stem", "image", 3, 4)
    members = []
    for m in "ab":
        tower = s.relu_conv(f"{m}.two", s.relu_conv(f"{m}.one", stem, 4, 5), 5, 5)
        members.append(s.head(tower, 5, f"{m}.scores"))
    s.node("Add", "scores", *members)


def shape_of_the_image(s: Sketch) -> None:
    """The batch is read from the image's shape, as exporters write a class token or a Reshape."""
    maps = s.relu_conv("one", "image", 3, 4)
    batch = s.node("Slice", "n", s.node("Shape", "shape", "image"), s.numbers("0", 0), s.numbers("1", 1))
    target = s.node("Concat", "target", batch, s.numbers("rest", 4, SIZE * SIZE), axis=0)
    pooled = s.node("ReduceMean", "pooled", s.node("Reshape", "places", s.relu_conv("two", maps, 4, 4), target),
                    axes=[2], keepdims=0)  # fmt: skip
    s.node("MatMul", "scores", pooled, s.weight("head", 4, CLASSES))


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (plain, ["two"]),
        (residual, ["sum"]),
        (inception, ["joined"]),
        (gated, ["gated"]),
        (ensemble, ["a.two", "b.two"]),
        (towers_behind_a_stem, ["a.two", "b.two"]),
        (shape_of_the_image, ["two"]),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_all_of_the_score_passes_through_the_default_layer(
    tmp_path: Path, write: Callable[[Sketch], None], expected: list[str]
) -> None:
    sketch = Sketch()
    write(sketch)
    classifier = whylight.load(sketch.save(tmp_path / "m.onnx"), input_range="1")
    found = [layer.name for layer in classifier.default_layers.layers]
    assert found == expected


def test_the_maps_of_towers_are_fused_and_the_answer_says_so(tmp_path: Path) -> None:
    sketch = Sketch()
    ensemble(sketch)
    classifier = whylight.load(sketch.save(tmp_path / "m.onnx"), input_range="1")
    with pytest.warns(whylight.WhylightWarning, match=r"the maps of 2 towers are fused: 'a\.two' \+ 'b\.two'"):
        explainer = classifier.explainer()
    image = np.random.default_rng(1).random((SIZE, SIZE, 3)).astype(np.float32)
    explanation = explainer(image, 1)
    assert explanation.layer == "a.two + b.two"
    with pytest.warns(whylight.WhylightWarning):
        alone = [classifier.explainer("gradcam", name)(image, 1).cam for name in ("a.two", "b.two")]
    mean = (alone[0] + alone[1]) / 2
    np.testing.assert_allclose(explanation.cam, (mean - mean.min()) / np.ptp(mean), atol=1e-5)


def test_a_class_token_is_explained_before_the_last_attention(tmp_path: Path) -> None:
    onnx.save(vision_transformer(), tmp_path / "m.onnx")
    classifier = whylight.load(tmp_path / "m.onnx", input_range="1")
    assert [layer.name for layer in classifier.default_layers.layers] == ["embed"]
    assert "before the last attention" in classifier.default_layers.reason


@pytest.mark.parametrize(("name", "expected"), [("resnet", "Add2"), ("senet", "Mul2"), ("vgg", "Convolution")])
def test_blocks_of_nnabla_networks_end_in_their_sum(name: str, expected: str) -> None:
    classifier = whylight.load(DATA / "archs" / f"{name}.nnp")
    assert [layer.type for layer in classifier.default_layers.layers] == [expected]


def test_the_plugins_method_keeps_the_last_convolution() -> None:
    classifier = whylight.load(DATA / "archs" / "resnet.nnp")
    layer = classifier.explainer("gradcam-nnc").facts.maps[0].layer
    convolutions = [each.name for each in classifier.layers if each.type == "Convolution"]
    assert layer == convolutions[-1]


def test_nothing_changes_in_plain_networks() -> None:
    for sample in ("mnist", "cluttered_digits"):
        classifier = whylight.load(BUNDLED / sample / "results.nnp")
        convolutions = [each for each in classifier.layers if each.type == "Convolution"]
        assert classifier.default_layers.layers == (convolutions[-1],)
