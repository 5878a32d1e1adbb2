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
from whylight.graph import walks
from whylight.graph.walks import read_names


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


def normalized_in_another_form(s: Sketch) -> None:
    """As TensorFlow writes a layer norm: x a + (b - mean a)."""
    stem = s.relu_conv("stem", "image", 3, 4)
    block = s.node("Add", "sum", s.conv("body", stem, 4, 4), stem)
    mean = s.node("ReduceMean", "mean", block, axes=[1], keepdims=1)
    deviation = s.node("Sqrt", "deviation", s.node("ReduceMean", "squares", s.node("Mul", "square", block, block),
                       axes=[1], keepdims=1))  # fmt: skip
    factor = s.node("Div", "factor", s.weight("gain", 4, 1, 1), deviation)
    shift = s.node("Sub", "shift", s.weight("offset", 4, 1, 1), s.node("Mul", "mean.scaled", mean, factor))
    s.head(s.node("Add", "normed", s.node("Mul", "scaled", block, factor), shift), 4)


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
        (plain, ["two.relu"]),
        (residual, ["act"]),
        (inception, ["joined"]),
        (gated, ["gated"]),
        (normalized_in_another_form, ["sum"]),
        (ensemble, ["a.two.relu", "b.two.relu"]),
        (towers_behind_a_stem, ["a.two.relu", "b.two.relu"]),
        (shape_of_the_image, ["two.relu"]),
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
    with pytest.warns(
        whylight.WhylightWarning, match=r"the maps of 2 towers are fused: 'a\.two\.relu' \+ 'b\.two\.relu'"
    ):
        explainer = classifier.explainer()
    image = np.random.default_rng(1).random((SIZE, SIZE, 3)).astype(np.float32)
    explanation = explainer(image, 1)
    assert explanation.layer == "a.two.relu + b.two.relu"
    with pytest.warns(whylight.WhylightWarning):
        alone = [classifier.explainer("gradcam", name)(image, 1).cam for name in ("a.two.relu", "b.two.relu")]
    mean = (alone[0] + alone[1]) / 2
    np.testing.assert_allclose(explanation.cam, (mean - mean.min()) / np.ptp(mean), atol=1e-5)


def test_a_class_token_is_explained_before_the_last_attention(tmp_path: Path) -> None:
    onnx.save(vision_transformer(), tmp_path / "m.onnx")
    classifier = whylight.load(tmp_path / "m.onnx", input_range="1")
    assert [layer.name for layer in classifier.default_layers.layers] == ["embed"]
    assert "before the last attention" in classifier.default_layers.reason


def read_transposed(tokens: int) -> list[onnx.NodeProto]:
    return [
        onnx.helper.make_node("Transpose", ["rectified"], ["first_axis"], perm=[1, 0, 2]),
        onnx.helper.make_node("Gather", ["first_axis", "first"], ["picked"], axis=0),
    ]


def read_by_split(tokens: int) -> list[onnx.NodeProto]:
    sizes = onnx.numpy_helper.from_array(np.array([1, tokens - 1]))
    return [
        onnx.helper.make_node("Constant", [], ["sizes"], value=sizes),
        onnx.helper.make_node("Split", ["rectified", "sizes"], ["token", "rest"], axis=1),
        onnx.helper.make_node("ReduceMean", ["token"], ["picked"], axes=[1], keepdims=0),
    ]


def read_with_the_mean_of_all(tokens: int) -> list[onnx.NodeProto]:
    return [
        onnx.helper.make_node("Gather", ["rectified", "first"], ["token"], axis=1),
        onnx.helper.make_node("ReduceMean", ["rectified"], ["mean"], axes=[1], keepdims=0),
        onnx.helper.make_node("Add", ["token", "mean"], ["picked"]),
    ]


@pytest.mark.parametrize(
    ("read", "expected"),
    [(read_transposed, "embed"), (read_by_split, "embed"), (read_with_the_mean_of_all, "act")],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_class_token_is_seen_however_it_is_read_and_only_where_nothing_else_is(
    tmp_path: Path, read: Callable[[int], list[onnx.NodeProto]], expected: str
) -> None:
    model = vision_transformer()
    place = next(index for index, node in enumerate(model.graph.node) if node.output[0] == "picked")
    position = next(each for each in model.graph.initializer if each.name == "position")
    nodes = [*model.graph.node[:place], *read(position.dims[1]), *model.graph.node[place + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, tmp_path / "m.onnx")
    classifier = whylight.load(tmp_path / "m.onnx", input_range="1")
    assert [layer.name for layer in classifier.default_layers.layers] == [expected]


def test_class_tokens_that_are_set_aside_within_blocks_go_on(tmp_path: Path) -> None:
    """As in Cvt, whose blocks take the class token off before they lay the others out in their grid."""
    model = vision_transformer()
    nodes = list(model.graph.node)
    start = next(index for index, node in enumerate(nodes) if node.output[0] == "normed")
    attention = [
        onnx.helper.make_node("Transpose", ["embedded"], ["embedded_t"], perm=[0, 2, 1]),
        onnx.helper.make_node("MatMul", ["embedded", "embedded_t"], ["alike"]),
        onnx.helper.make_node("MatMul", ["alike", "embedded"], ["mixed"]),
        onnx.helper.make_node("Add", ["embedded", "mixed"], ["block_before"], name="block_before"),
    ]
    aside = [
        onnx.helper.make_node("Slice", ["normed", "starts", "ends", "axes"], ["token"]),
        onnx.helper.make_node("Slice", ["normed", "ends", "all", "axes"], ["others"]),
        onnx.helper.make_node("Concat", ["token", "others"], ["together"], axis=1),
    ]
    for node in nodes[start:]:
        node.input[:] = [{"embedded": "block_before", "normed": "together"}.get(name, name) for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:start], *attention, nodes[start], *aside, *nodes[start + 1 :]])
    for name, value in (("starts", 0), ("ends", 1), ("all", 1000), ("axes", 1)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), name))
    onnx.save(model, tmp_path / "m.onnx")
    classifier = whylight.load(tmp_path / "m.onnx", input_range="1")
    assert [layer.name for layer in classifier.default_layers.layers] == ["block_before"]


@pytest.mark.parametrize(("name", "expected"), [("resnet", "ReLU"), ("senet", "Mul2"), ("vgg", "LeakyReLU")])
def test_blocks_of_nnabla_networks_end_rectified_or_gated(name: str, expected: str) -> None:
    classifier = whylight.load(DATA / "archs" / f"{name}.nnp")
    assert [layer.type for layer in classifier.default_layers.layers] == [expected]


def test_the_plugins_method_keeps_the_last_convolution() -> None:
    classifier = whylight.load(DATA / "archs" / "resnet.nnp")
    layer = classifier.explainer("gradcam-nnc").facts.maps[0].layer
    convolutions = [each.name for each in classifier.layers if each.type == "Convolution"]
    assert layer == convolutions[-1]


@pytest.mark.parametrize(
    ("sample", "expected"),
    [("cluttered_digits", "ReLU_3"), ("mnist", "Convolution_1")],  # in the second a ReLU reads what is pooled already
)
def test_plain_networks_end_in_their_last_convolution_rectified(sample: str, expected: str) -> None:
    classifier = whylight.load(BUNDLED / sample / "results.nnp")
    assert [layer.name.split("/")[-1] for layer in classifier.default_layers.layers] == [expected]


def clipped(s: Sketch, maps: str) -> str:
    zero, six = s.weight("zero"), s.weight("six")
    s.values["zero"], s.values["six"] = np.array(0, np.float32), np.array(6, np.float32)
    return s.node("Clip", "found", maps, zero, six)


def silu(s: Sketch, maps: str) -> str:
    return s.node("Mul", "found", maps, s.node("Sigmoid", "gate", maps))


def gelu(s: Sketch, maps: str) -> str:
    """As it is written before operator set 20, without the factor of one half."""
    erf = s.node("Erf", "erf", s.node("Div", "scaled", maps, s.weight("root", 1)))
    return s.node("Mul", "found", maps, s.node("Add", "shifted", erf, s.weight("one", 1)))


def normalized_then_rectified(s: Sketch, maps: str) -> str:
    statistics = [s.weight(f"bn.{name}", 6) for name in ("scale", "offset", "mean", "variance")]
    s.values["bn.variance"] = np.ones(6, np.float32)
    return s.node("Relu", "found", s.node("BatchNormalization", "bn", maps, *statistics))


def squashed(s: Sketch, maps: str) -> str:
    """Neither side of tanh is cut off."""
    s.node("Tanh", "bent", maps)
    return "bent"


def normalized_by_its_own_statistics(s: Sketch, maps: str) -> str:
    mean = s.node("ReduceMean", "mean", maps, axes=[1], keepdims=1)
    return s.node("Relu", "late", s.node("Sub", "centered", maps, mean))


def rectified_when_pooled(s: Sketch, maps: str) -> str:
    return s.node("Relu", "late", s.node("MaxPool", "pool", maps, kernel_shape=[2, 2], strides=[2, 2]))


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        (clipped, "found"),
        (silu, "found"),
        (gelu, "found"),
        (normalized_then_rectified, "found"),
        (squashed, "maps"),
        (normalized_by_its_own_statistics, "maps"),
        (rectified_when_pooled, "maps"),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_features_are_taken_rectified_before_they_are_pooled(
    tmp_path: Path, behind: Callable[[Sketch, str], str], expected: str
) -> None:
    sketch = Sketch()
    maps = sketch.conv("maps", sketch.relu_conv("stem", "image", 3, 4), 4, 6)
    sketch.head(behind(sketch, maps), 6)
    classifier = whylight.load(sketch.save(tmp_path / "m.onnx"), input_range="1")
    assert [layer.name for layer in classifier.default_layers.layers] == [expected]


def test_a_long_chain_is_walked_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was walked once a layer."""
    sketch, count = Sketch(), 200
    name = sketch.conv("conv", "image", 3, 4)
    for number in range(count):
        name = sketch.node("Relu", f"relu{number}", name)
    sketch.head(name, 4)
    classifier = whylight.load(sketch.save(tmp_path / "chain.onnx"))
    looked_at: list[str] = []

    def watched(node: onnx.NodeProto) -> set[str]:
        looked_at.append(node.name)
        return read_names(node)

    monkeypatch.setattr(walks, "read_names", watched)
    assert classifier.default_layers.layers
    assert len(looked_at) < 20 * count
