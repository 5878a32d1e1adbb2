"""The explainer graph: its contract for anyone who runs it without whylight."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import whylight
from reading.nnp.networks import function, network, small_classifier, variable, write_nnp
from whylight.compiling.compiler import compile_explainer, compile_maps
from whylight.contract import ExplainerFacts
from whylight.errors import WhylightError
from whylight.reading.nnp import to_onnx


def session_of(model: onnx.ModelProto, check: bool = True) -> onnxruntime.InferenceSession:
    if check:
        onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_inputs_outputs_and_facts(tmp_path: Path) -> None:
    graph = compile_explainer(whylight.load(small_classifier(tmp_path / "m.nnp")))
    session = session_of(graph)
    assert [(info.name, info.type, info.shape) for info in session.get_inputs()] == [
        ("x", "tensor(float)", ["N", 1, 8, 8]),
        ("class_index", "tensor(int64)", ["N"]),
    ]
    assert [(info.name, info.type, info.shape) for info in session.get_outputs()] == [
        ("y", "tensor(float)", ["N", 3]),
        ("score", "tensor(float)", ["N"]),
        ("cam", "tensor(float)", ["N", 8, 8]),
    ]
    facts = json.loads(session.get_modelmeta().custom_metadata_map["whylight"])
    assert facts["maps"] == [{"output": "cam", "method": "gradcam", "layer": "ReLU", "crop": [0.0, 0.0, 1.0, 1.0]}]
    assert facts["class_count"] == 3
    assert facts["input"] == {
        "name": "x",
        "channels": 1,
        "height": 8,
        "width": 8,
        "layout": "CHW",
        "maximum": 1.0,
        "mean": [],
        "std": [],
        "channel_order": "RGB",
        "exif_orientation": True,
    }


@pytest.mark.parametrize(("activation", "classes"), [("Softmax", 3), ("Sigmoid", 3), ("Sigmoid", 1), ("", 3)])
@pytest.mark.parametrize("score", ["logit", "output"])
def test_score_and_map_for_every_kind_of_output(tmp_path: Path, activation: str, classes: int, score: str) -> None:
    path = small_classifier(tmp_path / "m.nnp", classes=classes, activation=activation)
    plain = to_onnx(path)
    plain.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("features", "scores")
    )
    session = session_of(whylight.compile(path, score=score, layer="Convolution"))
    x = np.random.default_rng(1).random((4, 1, 8, 8), np.float32)
    output, features, logits = (np.asarray(o) for o in session_of(plain, check=False).run(None, {"x": x}))
    index = np.array([0, 1, 1, 0] if classes == 1 else [0, 2, 1, 2])
    explained, actual_score, cam = (np.asarray(o) for o in session.run(None, {"x": x, "class_index": index}))
    np.testing.assert_allclose(explained, output, rtol=1e-5)
    sign = np.where(index == 0, -1, 1) if classes == 1 else np.ones(4)
    column = np.zeros(4, int) if classes == 1 else index
    rows = np.arange(4)
    values = logits if score == "logit" else output
    np.testing.assert_allclose(actual_score, sign * values[rows, column], rtol=1e-5)
    # by hand: d logit_c / d features = W[:, c] / 64 where the ReLU lets through
    weights = next(onnx.numpy_helper.to_array(t) for t in plain.graph.initializer if t.name == "affine/W")
    if score == "logit" or not activation:
        jacobian = np.eye(classes)[column]
    elif activation == "Sigmoid":
        jacobian = np.eye(classes)[column] * (output * (1 - output))
    else:
        jacobian = output[rows, column][:, None] * (np.eye(classes)[column] - output)
    slope = (sign[:, None] * jacobian) @ weights.reshape(4, -1).T
    gradient = slope[:, :, None, None] / 64 * (features > 0)
    expected = np.maximum((gradient.mean((2, 3), keepdims=True) * features).sum(1), 0)
    np.testing.assert_allclose(cam, expected, atol=1e-5 * max(expected.max(), 1e-3))


def test_minus_one_explains_the_predicted_class(tmp_path: Path) -> None:
    session = session_of(compile_explainer(whylight.load(small_classifier(tmp_path / "m.nnp"))))
    x = np.random.default_rng(1).random((6, 1, 8, 8), np.float32)
    output = np.asarray(session.run(["y"], {"x": x, "class_index": np.zeros(6, np.int64)})[0])
    predicted = session.run(["score", "cam"], {"x": x, "class_index": np.full(6, -1)})
    named = session.run(["score", "cam"], {"x": x, "class_index": output.argmax(1)})
    for one, other in zip(predicted, named, strict=True):
        np.testing.assert_array_equal(one, other)


def test_any_layer_can_be_explained(tmp_path: Path) -> None:
    classifier = whylight.load(small_classifier(tmp_path / "m.nnp"))
    assert [layer.name for layer in classifier.layers] == ["Convolution", "ReLU"]
    assert classifier.explainer(layer="ReLU").facts.maps[0].layer == "ReLU"


def test_a_model_may_use_the_explainers_names(tmp_path: Path) -> None:
    text = network(
        variable("x", (-1, 1, 4, 4)),
        variable("cam", (-1, 2, 4, 4)),
        variable("class_index", (-1, 2, 1, 1)),
        variable("score", (-1, 2)),
        variable("w", (2, 1, 1, 1), "Parameter"),
        function(
            "Convolution",
            ["x", "w"],
            ["cam"],
            "convolution_param { base_axis: 1 group: 1 }",
        ),
        function("GlobalAveragePooling", ["cam"], ["class_index"]),
        function("Reshape", ["class_index"], ["score"], "reshape_param { shape { dim: -1 dim: 2 } }"),
        outputs=("score",),
    )
    classifier = whylight.load(write_nnp(tmp_path / "m.nnp", text, {"w": np.array([1.0, 2.0])}))
    session = session_of(compile_explainer(classifier))
    assert [info.name for info in session.get_outputs()] == ["model/score", "score", "cam"]
    x = np.random.default_rng(0).random((2, 1, 4, 4), np.float32)
    _, score, cam = session.run(None, {"x": x, "class_index": np.array([0, 1])})
    np.testing.assert_allclose(score, x.mean((1, 2, 3)) * [1, 2], rtol=1e-5)
    np.testing.assert_allclose(cam, x[:, 0] / 16 * np.array([1, 2])[:, None, None], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gradcan"}, "no method 'gradcan'; the nearest are 'gradcam'"),
        ({"layer": "Convolutoin"}, "no layer 'Convolutoin' that can be explained; the nearest are 'Convolution'"),
        ({"score": "loss"}, "no score 'loss': expected one of logit, output"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    classifier = whylight.load(small_classifier(tmp_path / "m.nnp"))
    with pytest.raises(WhylightError, match=message):
        classifier.explainer(**options)


@pytest.mark.parametrize(
    ("chosen", "method", "expected"),
    [(True, "gradcam", True), (False, "gradcam", False), (True, "gradcam-nnc", False)],
)
def test_the_compiled_file_keeps_which_way_up_pictures_are_taken(
    tmp_path: Path, chosen: bool, method: str, expected: bool
) -> None:
    path = small_classifier(tmp_path / "m.nnp")
    classifier = whylight.load(path, exif_orientation=chosen)
    facts = ExplainerFacts.of(compile_explainer(classifier, method).SerializeToString())
    assert facts.input.exif_orientation is expected


def test_beside_others_every_method_sees_the_picture_upright(tmp_path: Path) -> None:
    classifier = whylight.load(small_classifier(tmp_path / "m.nnp"))
    graph = compile_maps(classifier, [("gradcam-nnc", None), ("gradcam", None)])
    assert ExplainerFacts.of(graph.SerializeToString()).input.exif_orientation
