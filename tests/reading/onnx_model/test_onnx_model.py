"""ONNX files of other producers: what is found in them, and that their maps are those of the formulas."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, cnn_weights, expected_cam, vision_transformer
from onnx_samples import model as sample
from versions import runtime_runs
from whylight import Classifier
from whylight.compiling.compiler import compile_explainer
from whylight.options import Question

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
PLAIN = {"input_range": "1"}
"""What keeps the loader from warning that nothing is said about pixels."""

IMAGE = np.random.default_rng(0).random((HEIGHT, WIDTH, 3)).astype(np.float32)


def saved(folder: Path, content: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    onnx.save(content, path)
    return path


def load(folder: Path, content: onnx.ModelProto, **options: Any) -> Classifier:
    return whylight.load(saved(folder, content), **{**PLAIN, **options})


def load_new(folder: Path, content: onnx.ModelProto) -> Classifier:
    """A file of a new operator set: converted in any case, and compared with itself where the runtime knows the set."""
    if runtime_runs(content):
        return load(folder, content)
    with pytest.warns(whylight.WhylightWarning, match=r"could not be compared.*ONNX Runtime cannot run"):
        return load(folder, content)


def check_cnn(classifier: Classifier, tolerance: float = 1e-4) -> None:
    assert classifier.default_layer.name == "act"
    assert (classifier.class_count, classifier.final_activation) == (CLASSES, "Softmax")
    explanations = classifier.explainer(layer="conv")([IMAGE] * CLASSES, list(range(CLASSES)))
    for index, explanation in enumerate(explanations):
        np.testing.assert_allclose(explanation.cam, expected_cam(IMAGE.transpose(2, 0, 1), index), atol=tolerance)


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 17, 18, 20, 21, 23])
def test_operator_sets_old_and_new(tmp_path: Path, opset: int) -> None:
    check_cnn(load_new(tmp_path, cnn(opset)))


def test_channels_last(tmp_path: Path) -> None:
    classifier = load(tmp_path, cnn(layout="NHWC"))
    assert classifier.input.layout == "HWC"
    check_cnn(classifier)


@pytest.mark.parametrize("order", ["(N, H, W, 1)", "(N, H, W)"])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_gray_pictures_whose_axes_a_reshape_moves(tmp_path: Path, order: str, batch: int | str) -> None:
    """As exporters of Keras write it: with one channel, a Reshape is as good as a Transpose."""
    content = cnn(batch=batch)
    weights = cnn_weights()
    kernel = content.graph.initializer[0]
    kernel.CopyFrom(numpy_helper.from_array(weights["kernel"].sum(1, keepdims=True), "kernel"))
    content.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1, HEIGHT, WIDTH], np.int64), "planes"))
    content.graph.node[0].input[0] = "gray"
    content.graph.node.insert(0, helper.make_node("Reshape", ["image", "planes"], ["gray"]))
    extents = [batch, HEIGHT, WIDTH, 1][: 4 if "1" in order else 3]
    content.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, extents))
    classifier = load(tmp_path, content, **({} if "1" in order else {"layout": "auto"}))
    assert (classifier.input.channels, classifier.input.size) == (1, (HEIGHT, WIDTH))
    assert classifier.default_layer.name == "act"
    gray = IMAGE[:, :, 0]
    found = classifier.explainer(layer="conv")(gray, 1)
    np.testing.assert_allclose(found.cam, expected_cam(np.stack([gray] * 3), 1), atol=1e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_half_and_double_precision_become_float32(tmp_path: Path, kind: int) -> None:
    classifier = load(tmp_path, cnn(kind=kind))
    assert {tensor.dtype for tensor in classifier.tensors.values() if tensor.dtype.kind == "f"} == {
        np.dtype(np.float32)
    }
    check_cnn(classifier, tolerance=5e-3)


def test_a_fixed_batch_becomes_dynamic(tmp_path: Path) -> None:
    classifier = load(tmp_path, cnn(batch=1))
    assert classifier.tensors["image"].shape[0] == "N"
    check_cnn(classifier)


def test_a_batch_that_cannot_change_stays(tmp_path: Path) -> None:
    content = cnn(batch=2)
    # a weight for each image of the batch
    content.graph.initializer.append(numpy_helper.from_array(np.ones((2, 1, 1, 1), np.float32), "each"))
    content.graph.node[1].input[0] = "weighted"
    content.graph.node.insert(1, helper.make_node("Mul", ["maps", "each"], ["weighted"]))
    classifier = load(tmp_path, content)
    assert classifier.tensors["image"].shape[0] == 2
    check_cnn(classifier)


def test_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(cnn(), path, save_as_external_data=True, location="model.data", size_threshold=0)
    check_cnn(whylight.load(path, input_range="1"))
    content = (tmp_path / "model.data").read_bytes()
    (tmp_path / "model.data").write_bytes(content[:40])
    with pytest.raises(whylight.WhylightError, match=r"model\.data"):
        whylight.load(path, input_range="1")
    (tmp_path / "model.data").unlink()
    with pytest.raises(whylight.WhylightError, match=r"'model\.data', which is not beside it"):
        whylight.load(path, input_range="1")


def test_external_data_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4 * 135))
    (tmp_path / "folder").mkdir()
    content = cnn()
    kernel = content.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="../secret")
    with pytest.raises(whylight.WhylightError, match="own folder"):
        load(tmp_path / "folder", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "not an ONNX model"),
        (b"PK\x03\x04 archive", "zip archive"),
        (b"\x18\x00\x00\x00ORTM" + bytes(60), "ONNX Runtime's own format"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (cnn().SerializeToString()[:300], "truncated|not an ONNX model"),
    ],
)
def test_files_that_are_no_models(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(whylight.WhylightError, match=message):
        whylight.load(tmp_path / "model.onnx")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"PK")
    with pytest.raises(whylight.WhylightError, match=r"torch\.onnx\.export"):
        whylight.load(tmp_path / "model.pth")


def test_operators_outside_of_the_standard_are_named(tmp_path: Path) -> None:
    content = cnn()
    content.graph.node[0].domain = "com.example"
    content.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(whylight.WhylightError, match=r"com\.example\.Conv"):
        load(tmp_path, content)


def test_models_that_are_no_classifiers_of_one_image(tmp_path: Path) -> None:
    segmentation = cnn()
    del segmentation.graph.node[2:]
    segmentation.graph.output[0].CopyFrom(helper.make_tensor_value_info("rectified", TensorProto.FLOAT, None))
    with pytest.raises(whylight.WhylightError, match=r"'rectified' \(N, 5, 4, 7\)"):
        load(tmp_path, segmentation)
    two = cnn()
    two.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", CLASSES]))
    two.graph.node[-1].input[0] = "sum"
    two.graph.node.insert(len(two.graph.node) - 1, helper.make_node("Add", ["scores", "other"], ["sum"]))
    with pytest.raises(whylight.WhylightError, match="'other'"):
        load(tmp_path, two)
    with pytest.raises(whylight.WhylightError, match=r"no input 'x'; it has 'image' \(\?, 3, 6, 9\)"):
        load(tmp_path, cnn(), model_input="x")


def test_the_scores_are_found_behind_a_softmax_spelled_out(tmp_path: Path) -> None:
    content = cnn()
    del content.graph.node[-1:]
    content.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    content.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["scores"], ["largest"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["scores", "largest"], ["shifted"]),
            helper.make_node("Exp", ["shifted"], ["powers"]),
            helper.make_node("ReduceSum", ["powers", "one"], ["total"], keepdims=1),
            helper.make_node("Div", ["powers", "total"], ["probabilities"]),
        ]
    )
    classifier = load(tmp_path, content)
    assert classifier.logits == "scores"
    check_cnn(classifier)


def test_classes_are_found_beside_features_and_an_index(tmp_path: Path) -> None:
    content = cnn()
    content.graph.node.append(helper.make_node("ArgMax", ["probabilities"], ["index"], axis=1))
    outputs = [
        helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 5]),
        helper.make_tensor_value_info("index", TensorProto.INT64, ["batch", 1]),
        content.graph.output[0],
    ]
    del content.graph.output[:]
    content.graph.output.extend(outputs)
    assert load(tmp_path, content).output == "probabilities"
    assert load(tmp_path, content, output_variable="features").output == "features"


def test_means_deviations_and_channel_order(tmp_path: Path) -> None:
    content = cnn()
    helper.set_model_props(content, {"Image.BitmapPixelFormat": "Bgr8"})
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    explainer = load(tmp_path, content, input_range="255", mean=mean, std=std).explainer(layer="conv")
    values = (255 * IMAGE.transpose(2, 0, 1)[::-1] - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(explainer(IMAGE, 2).cam, expected_cam(values, 2), atol=1e-4)


def test_facts_in_the_metadata(tmp_path: Path) -> None:
    content = cnn()
    helper.set_model_props(content, {"mean": "[0.485, 0.456, 0.406]", "std": "0.229,0.224,0.225"})
    image = whylight.load(saved(tmp_path, content)).input
    assert image.mean == (0.485, 0.456, 0.406)
    assert image.std == (0.229, 0.224, 0.225)
    assert image.maximum == 1
    helper.set_model_props(content, {"Image.NominalPixelRange": "NominalRange_0_255"})
    assert whylight.load(saved(tmp_path, content)).input.maximum == 255


def test_what_was_guessed_of_pixels_is_said_once(tmp_path: Path) -> None:
    classifier = whylight.load(saved(tmp_path, cnn()))
    (note,) = classifier.notes
    assert note.endswith(
        "model.onnx: nothing in the file says how pixels are prepared; values from 0 to 1 are given, without mean and "
        "std. If the network was trained otherwise: the option 'input_range', 255, or 'mean' and 'std'"
    )
    assert whylight.inspect(tmp_path / "model.onnx").notes == (note,)
    with pytest.warns(whylight.WhylightWarning, match="nothing in the file says how pixels are prepared") as caught:
        classifier.explainer()
    assert len(caught) == 1


def test_what_is_known_of_pixels_is_no_guess(tmp_path: Path) -> None:
    content = cnn()
    for known in ({"input_range": "1"}, {"mean": 0.5, "std": 0.5}, {"std": (0.2, 0.3, 0.2)}, {"mean": 120}):
        assert whylight.load(saved(tmp_path, content), **known).notes == ()
    assert "leave open whether white is 1 or 255" in whylight.load(saved(tmp_path, content), mean=0, std=1).notes[0]
    for said in ({"mean": "[0.485, 0.456, 0.406]"}, {"Image.NominalPixelRange": "NominalRange_0_255"}):
        helper.set_model_props(content, said)
        assert whylight.load(saved(tmp_path, content)).notes == ()


def test_inputs_that_no_node_reads_are_no_inputs(tmp_path: Path) -> None:
    content = cnn()
    content.graph.input.insert(0, helper.make_tensor_value_info("seed", TensorProto.FLOAT, [1, 3, 4, 4]))
    check_cnn(load(tmp_path, content))


def test_a_graph_that_divides_by_255_takes_255(tmp_path: Path) -> None:
    content = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array(255, np.float32), "white"))
    content.graph.node[0].input[0] = "scaled"
    content.graph.node.insert(0, helper.make_node("Div", ["image", "white"], ["scaled"]))
    classifier = whylight.load(saved(tmp_path, content))
    assert classifier.input.maximum == 255
    check_cnn(classifier)


def test_any_image_size(tmp_path: Path) -> None:
    content = cnn()
    for axis, name in ((2, "height"), (3, "width")):
        content.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    check_cnn(load(tmp_path, content, input_size=(HEIGHT, WIDTH)))
    assert load(tmp_path, content, input_size=9).input.size == (9, 9)
    usual = load(tmp_path, content)
    assert usual.input.height == 224
    assert "224 x 224 is used (another: the option 'input_size')" in usual.notes[0]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_channels_that_are_open_are_those_of_the_first_convolution(tmp_path: Path, layout: str) -> None:
    content = cnn(layout=layout)
    for axis, name in enumerate(content.graph.input[0].type.tensor_type.shape.dim):
        name.dim_param = f"axis_{axis}"
    classifier = load(tmp_path, content, input_size=(HEIGHT, WIDTH), layout=layout)
    assert classifier.input.channels == 3
    check_cnn(classifier)


@pytest.mark.parametrize("batch", ["batch", 1])
def test_tokens_of_a_vision_transformer(tmp_path: Path, batch: int | str) -> None:
    """The slope at a layer, by finite differences of the network above it."""
    content = vision_transformer(batch)
    classifier = load(tmp_path, content)
    assert classifier.default_layer.name == "embed", "what the class token holds goes around norm1"
    layer = classifier.layer("norm1")
    assert (layer.grid, layer.tokens_before) == ((2, 3), 1)
    assert classifier.tensors["image"].shape[0] == "N"
    images = np.random.default_rng(3).random((2, 3, HEIGHT, WIDTH)).astype(np.float32)
    explainer = compile_explainer(classifier, question=Question(layer="norm1"))
    session = onnxruntime.InferenceSession(explainer.SerializeToString())
    (cams,) = session.run(["cam"], {"image": images, "class_index": np.array([1, 2])})

    free = onnx.ModelProto()
    free.CopyFrom(content)
    free.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    embedded, normed = (
        onnx.ValueInfoProto(name=name, type=free.graph.input[0].type) for name in ("embedded", "normed")
    )
    free.graph.output.extend([helper.make_tensor_value_info(x.name, 1, None) for x in (embedded, normed)])
    below = onnxruntime.InferenceSession(free.SerializeToString())
    above = onnx.ModelProto()
    above.CopyFrom(content)
    kept = [node for node in above.graph.node if node.output[0] in {"querys", "keys", "values", "keys_t", "similarity"}]
    kept += [node for node in above.graph.node if node.output[0] in {"attention", "attended", "block", "rectified"}]
    kept += [node for node in above.graph.node if node.output[0] in {"picked", "scores"}]
    del above.graph.node[:], above.graph.input[:]
    above.graph.node.extend(kept)
    above.graph.input.extend([helper.make_tensor_value_info(name, 1, [None, 7, 4]) for name in ("embedded", "normed")])
    above.graph.output[0].CopyFrom(helper.make_tensor_value_info("scores", 1, None))
    upper = onnxruntime.InferenceSession(above.SerializeToString())

    for image, class_index, cam in zip(images, (1, 2), cams, strict=True):
        embedded_value, normed_value = below.run(["embedded", "normed"], {"image": image[None]})
        slopes = np.zeros((7, 4))
        for place in np.ndindex(7, 4):
            values = []
            for step in (1e-2, -1e-2):
                moved = normed_value.copy()
                moved[0][place] += step
                values.append(upper.run(None, {"embedded": embedded_value, "normed": moved})[0][0, class_index])
            slopes[place] = (values[0] - values[1]) / 2e-2
        weights = slopes[1:].mean(0)
        expected = np.maximum((normed_value[0, 1:] * weights).sum(1), 0).reshape(2, 3)
        np.testing.assert_allclose(cam, expected, atol=2e-3 * max(expected.max(), 1e-3))


def test_layers_are_named_by_modules_nodes_or_tensors(tmp_path: Path) -> None:
    content = cnn()
    for node, scopes in zip(content.graph.node, (["", "stage.0.conv", "x"], ["", "stage.0", "relu"]), strict=False):
        node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=str(scopes))
    classifier = load(tmp_path, content)
    assert [layer.name for layer in classifier.layers] == ["stage.0.conv", "stage.0/relu"]
    assert classifier.layer("stage.0").type == "Relu"
    assert classifier.layer("maps").type == "Conv"
    assert classifier.layer("relu").type == "Relu"


def test_a_condition_that_is_known_is_decided(tmp_path: Path) -> None:
    content = cnn()
    squeezed, kept = ([helper.make_node(kind, ["pooled"], ["out"])] for kind in ("Neg", "Identity"))
    info = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    branches = [helper.make_graph(nodes, "branch", [], [info]) for nodes in (squeezed, kept)]
    content.graph.initializer.append(numpy_helper.from_array(np.array(False), "condition"))
    content.graph.node[3].input[0] = "chosen"
    content.graph.node.insert(
        3, helper.make_node("If", ["condition"], ["chosen"], then_branch=branches[0], else_branch=branches[1])
    )
    classifier = load(tmp_path, content)
    assert "If" not in {node.op_type for node in classifier.model.graph.node}
    check_cnn(classifier)


def quantized(source: str, nodes: list[onnx.NodeProto], place: int) -> onnx.ModelProto:
    """The network with ``source`` in 8 bits between two of its nodes."""
    content: onnx.ModelProto = cnn()
    scale, zero = np.array(0.05, np.float32), np.array(0, np.int8)
    content.graph.initializer.extend([numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(zero, "zero")])
    for node in content.graph.node:
        node.input[:] = ["restored" if name == source else name for name in node.input]
    for node in reversed(nodes):
        content.graph.node.insert(place, node)
    return content


ROUNDED = [
    helper.make_node("QuantizeLinear", ["rectified", "scale", "zero"], ["rounded"], name="round"),
    helper.make_node("DequantizeLinear", ["rounded", "scale", "zero"], ["restored"]),
]


def test_quantized_activations_have_no_derivative(tmp_path: Path) -> None:
    classifier = load(tmp_path, quantized("rectified", ROUNDED, 2))
    for method in ("gradcam", "gradient", "guided-backprop", "fullgrad", "shapley-cam", "smoothgrad"):
        with pytest.raises(whylight.WhylightError, match=r"quantized \(QuantizeLinear 'round'\).*such as score-cam"):
            classifier.explainer(method)
    assert "restored" in classifier.tensors
    content = quantized("rectified", ROUNDED, 2)
    content.graph.node.insert(4, helper.make_node("Relu", ["restored"], ["above"], name="above"))
    content.graph.node[5].input[0] = "above"
    # behind the last rounding there is a derivative again
    cam = load(tmp_path, content).explainer(layer="above")(IMAGE, 1).cam
    np.testing.assert_allclose(cam, load(tmp_path, cnn()).explainer(layer="act")(IMAGE, 1).cam, atol=0.1)


@pytest.mark.parametrize(
    "method", ["score-cam", "ablation-cam", "recipro-cam", "eigencam", "occlusion", "rise", "random"]
)
def test_methods_without_a_derivative_explain_quantized_networks(tmp_path: Path, method: str) -> None:
    images = np.random.default_rng(1).random((2, 3, HEIGHT, WIDTH)).astype(np.float32)
    classes = np.array([0, 1])
    whole = load(tmp_path, cnn()).explainer(method).run(images, classes)[2]
    found = load(tmp_path, quantized("rectified", ROUNDED, 2)).explainer(method).run(images, classes)[2]
    # within what rounding moves the map
    np.testing.assert_allclose(found, whole, atol=0.15 * np.abs(whole).max())


def test_quantized_weights_are_read(tmp_path: Path) -> None:
    kernel = cnn_weights()["kernel"]
    bytes_ = np.round(kernel / 0.05).clip(-128, 127).astype(np.int8)
    content = quantized("kernel", [helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["restored"])], 0)
    content.graph.initializer.append(numpy_helper.from_array(bytes_, "bytes"))
    explanation = load(tmp_path, content).explainer(layer="conv")(IMAGE, 1)
    # within what rounding moves the map
    np.testing.assert_allclose(explanation.cam, expected_cam(IMAGE.transpose(2, 0, 1), 1), atol=0.1)
    assert explanation.cam.max() == 1


def test_a_file_that_reads_what_it_does_not_hold_is_named(tmp_path: Path) -> None:
    content = cnn()
    content.graph.node[2].input[0] = "nowhere"
    node = content.graph.node[2]
    with pytest.raises(whylight.WhylightError, match=f"not a valid model: {node.op_type} '.*' reads 'nowhere'"):
        load(tmp_path, content)


@pytest.mark.parametrize("options", [{}, {"input_range": "255"}])
@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT16])
def test_bytes_as_input(tmp_path: Path, options: dict[str, str], kind: int) -> None:
    """Bytes are pixels from 0 to 255: at 0 to 1 the network would see a black picture."""
    content = cnn()
    content.graph.input[0].type.tensor_type.elem_type = kind
    content.graph.node[0].input[0] = "floats"
    content.graph.node.insert(0, helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT))
    pixels = (255 * IMAGE).astype(np.uint8)
    classifier = whylight.load(saved(tmp_path, content), **options)
    assert classifier.input.maximum == 255
    explanation = classifier.explainer(layer="conv")(pixels, 1)
    expected = expected_cam(pixels.transpose(2, 0, 1).astype(np.float32), 1)
    np.testing.assert_allclose(explanation.cam, expected, atol=1e-4)


LAST = {
    **dict.fromkeys(("inception_v1", "inception_v2"), "Concat"),
    **dict.fromkeys(
        ("bvlc_alexnet", "densenet121", "resnet50", "shufflenet", "squeezenet", "vgg19", "zfnet512"), "Relu"
    ),
}


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_architectures_of_the_onnx_package(path: Path) -> None:
    """With no option: a map of the last block, rectified where it is so before pooling, above 1 x 1."""
    classifier = whylight.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", whylight.WhylightWarning)
        explainer = classifier.explainer()
    image = np.random.default_rng(0).random((224, 224, 3)).astype(np.float32)
    explanation = explainer(image, 7)
    assert classifier.default_layer.type == LAST[path.stem.removeprefix("light_")]
    assert min(explanation.cam.shape) >= 6
    assert explanation.cam.max() == 1
    assert classifier.class_count == 1000


def test_squeezenet_by_its_formula() -> None:
    """Its scores are the means of the rectified last maps: the map of class k is that map, rectified."""
    content = onnx.load(LIGHT / "light_squeezenet.onnx")
    last = [node for node in content.graph.node if node.op_type == "Conv"][-1].output[0]
    content.graph.output.append(helper.make_tensor_value_info(last, TensorProto.FLOAT, None))
    image = np.random.default_rng(0).random((224, 224, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(content.SerializeToString())
    (maps,) = session.run([last], {session.get_inputs()[0].name: image.transpose(2, 0, 1)[None]})
    rectified = np.maximum(maps[0, 7], 0)
    expected = (rectified - rectified.min()) / (rectified.max() - rectified.min())
    explanation = whylight.load(LIGHT / "light_squeezenet.onnx", input_range="1").explainer()(image, 7)
    np.testing.assert_allclose(explanation.cam, expected, atol=1e-3)


def test_a_model_without_a_softmax_gives_its_scores(tmp_path: Path) -> None:
    content = cnn()
    del content.graph.node[-1:]
    content.graph.output[0].name = "scores"
    weights = cnn_weights()
    explanation = load(tmp_path, content).explainer()(IMAGE, 3)
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE.transpose(2, 0, 1), (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None]
    scores = np.maximum(maps, 0).mean((1, 2)) @ weights["weight"] + weights["offset"]
    assert explanation.score == pytest.approx(scores[3], abs=1e-4)


@pytest.mark.parametrize("opset", [24, 25, 26])
def test_newer_operator_sets(tmp_path: Path, opset: int) -> None:
    content = cnn(opset=opset)
    content.ir_version = 12
    check_cnn(load_new(tmp_path, content))


@pytest.mark.parametrize("alpha", [None, 1.5])
def test_newer_operators_are_written_as_older_ones(tmp_path: Path, alpha: float | None) -> None:
    content = cnn(opset=24)
    content.ir_version = 12
    attributes: dict[str, Any] = {} if alpha is None else {"alpha": alpha}
    content.graph.node[1].CopyFrom(helper.make_node("Swish", ["maps"], ["rectified"], name="act", **attributes))
    image = IMAGE.transpose(2, 0, 1)[np.newaxis]
    output, _, cam = load_new(tmp_path, content).explainer().run(image, np.array([1]))
    weights = cnn_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None]
    steepness = alpha or 1
    sigmoid = 1 / (1 + np.exp(-steepness * maps))
    scores = (maps * sigmoid).mean((1, 2)) @ weights["weight"] + weights["offset"]
    np.testing.assert_allclose(output[0], np.exp(scores) / np.exp(scores).sum(), atol=1e-5)
    slopes = sigmoid + steepness * maps * sigmoid * (1 - sigmoid)
    owed = weights["weight"][:, 1] * slopes.mean((1, 2)) / maps[0].size
    expected = np.maximum(np.tensordot(owed, maps, 1), 0)
    np.testing.assert_allclose(cam[0], expected, atol=1e-4 * np.abs(owed).max() * np.abs(maps).max())


def test_normalization_by_the_root_of_the_mean_square(tmp_path: Path) -> None:
    content = cnn(opset=24)
    content.ir_version = 12
    content.graph.initializer.append(numpy_helper.from_array(np.ones(WIDTH - 2, np.float32), "gain"))
    content.graph.node[1].CopyFrom(helper.make_node("RMSNormalization", ["maps", "gain"], ["rectified"], name="act"))
    if not runtime_runs(content):
        pytest.skip("this ONNX Runtime does not know operator set 24, and it is what is compared with")
    expected = onnxruntime.InferenceSession(content.SerializeToString()).run(
        None, {"image": IMAGE.transpose(2, 0, 1)[np.newaxis]}
    )[0]
    explainer = load(tmp_path, content).explainer()
    output, _, cam = explainer.run(IMAGE.transpose(2, 0, 1)[np.newaxis], np.array([1]))
    np.testing.assert_allclose(output, expected, atol=1e-5)
    assert np.isfinite(cam).all()


def test_operators_that_came_later_are_named(tmp_path: Path) -> None:
    content = cnn(opset=26)
    content.ir_version = 12
    content.graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "axis"))
    content.graph.node[1].CopyFrom(helper.make_node("CumProd", ["maps", "axis"], ["rectified"], name="act"))
    with pytest.raises(whylight.WhylightError, match=r"operator set 26 these operators differ.*: CumProd; export"):
        load(tmp_path, content)


@pytest.mark.parametrize("opset", [15, 20])
def test_operators_that_onnx_does_not_have_are_named(tmp_path: Path, opset: int) -> None:
    """As exporters leave them, in the standard's own domain."""
    content = cnn(opset)
    content.graph.node[1].CopyFrom(helper.make_node("Erfc", ["maps"], ["rectified"], name="act"))
    with pytest.raises(
        whylight.WhylightError, match=rf"does not have in operator set {opset}: Erfc; the exporter left"
    ):
        load(tmp_path, content)


def test_a_conversion_that_cannot_be_compared_is_no_secret(tmp_path: Path) -> None:
    content = cnn(opset=26)
    content.opset_import[0].version = 99  # that ONNX Runtime does not know
    with pytest.warns(whylight.WhylightWarning, match=r"could not be compared.*ONNX Runtime cannot run: \S+"):
        classifier = load(tmp_path, content)
    check_cnn(classifier)


@pytest.mark.parametrize("batch", ["batch", 2])
def test_a_loop_over_the_image_is_named(tmp_path: Path, batch: int | str) -> None:
    unknown = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["goes_on"]),
            helper.make_node("Relu", ["state"], ["next"]),
        ],
        "body",
        [
            unknown("number", TensorProto.INT64, []),
            unknown("go_on", TensorProto.BOOL, []),
            unknown("state", TensorProto.FLOAT, None),
        ],
        [unknown("goes_on", TensorProto.BOOL, []), unknown("next", TensorProto.FLOAT, None)],
    )
    content = cnn(batch=batch)
    content.graph.initializer.append(numpy_helper.from_array(np.array(3, np.int64), "count"))
    loop = helper.make_node("Loop", ["count", "", "maps"], ["rectified"], name="again", body=body)
    content.graph.node[1].CopyFrom(loop)
    with pytest.raises(whylight.WhylightError, match=r"model.onnx: .*'rectified'.*Loop 'again' hides it"):
        load(tmp_path, content)


def test_a_scan_over_the_image_has_no_derivative(tmp_path: Path) -> None:
    column: list[str | int | None] = ["n", 5, HEIGHT - 2]
    names = ("total", "column", "next", "out")
    total, one, following, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, column) for name in names)
    body = helper.make_graph(
        [helper.make_node("Max", ["total", "column"], ["next"]), helper.make_node("Identity", ["next"], ["out"])],
        "body",
        [total, one],
        [following, out],
    )
    content = cnn()
    content.graph.initializer.append(numpy_helper.from_array(np.array([3], np.int64), "last"))
    scan = helper.make_node(
        "Scan",
        ["lowest", "maps"],
        ["final", "rectified"],
        name="scan",
        num_scan_inputs=1,
        scan_input_axes=[3],
        scan_output_axes=[3],
        body=body,
    )
    content.graph.node[1].CopyFrom(scan)
    content.graph.node.insert(1, helper.make_node("ReduceMin", ["maps", "last"], ["lowest"], keepdims=0))
    content.opset_import[0].version = 18
    classifier = load(tmp_path, content)
    with pytest.raises(whylight.WhylightError, match=r"no derivative rule: Scan \('scan'\)"):
        classifier.explainer()
    assert np.ptp(classifier.explainer("occlusion").run(IMAGE.transpose(2, 0, 1)[np.newaxis], np.array([1]))[2]) > 0


def test_a_map_of_zeros_is_said_once(tmp_path: Path) -> None:
    content = cnn()
    head = next(each for each in content.graph.initializer if each.name == "weight")
    head.CopyFrom(numpy_helper.from_array(np.zeros((5, CLASSES), np.float32), "weight"))
    explainer = load(tmp_path, content).explainer()
    with pytest.warns(whylight.WhylightWarning, match="layer 'act': the map is zero everywhere.*another layer") as said:
        explainer([IMAGE] * 40, 1)
    assert len(said) == 1


@pytest.mark.parametrize("layout", ["auto", "NHW"])
def test_a_recurrent_network_has_no_layer(tmp_path: Path, layout: str) -> None:
    """(N, H, W) as H steps of W numbers ──LSTM──> last state ──Gemm──>: methods that need no layer explain it."""
    random = np.random.default_rng(8)
    shapes = {"W": (1, 12, WIDTH), "R": (1, 12, 3), "weight": (3, CLASSES)}
    values = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Transpose", ["image"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "W", "R"], ["", "last"], hidden_size=3),
        helper.make_node("Squeeze", ["last", "zero"], ["state"]),
        helper.make_node("MatMul", ["state", "weight"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", HEIGHT, WIDTH])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])]
    content = sample(nodes, inputs, outputs, {**values, "zero": np.array([0], np.int64)})
    classifier = load(tmp_path, content, layout=layout)
    assert classifier.input.layout == ("LC" if layout == "auto" else "HW")
    with pytest.raises(
        whylight.WhylightError, match=r"no feature map.*; methods that need none: .*gradient.*occlusion"
    ):
        classifier.explainer()
    image = random.random((HEIGHT, WIDTH)).astype(np.float32)
    session = onnxruntime.InferenceSession(content.SerializeToString())

    def score(values: Any) -> float:
        return float(session.run(None, {"image": values[np.newaxis]})[0][0, 2])

    slopes = np.zeros((HEIGHT, WIDTH))
    for place in np.ndindex(slopes.shape):
        step = np.zeros_like(image)
        step[place] = 1e-2
        slopes[place] = (score(image + step) - score(image - step)) / 2e-2
    explanation = classifier.explainer("gradient")(image, 2)
    assert explanation.score == pytest.approx(score(image), abs=1e-5)
    expected = np.abs(slopes) if layout == "NHW" else np.abs(slopes).max(1)
    np.testing.assert_allclose(explanation.cam, (expected - expected.min()) / np.ptp(expected), atol=5e-3)
    if layout == "NHW":  # a window covers all of so short a signal
        assert np.ptp(classifier.explainer("occlusion")(image, 2).cam) > 0
