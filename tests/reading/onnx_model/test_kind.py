"""Networks that are no classifiers: the message says what they seem to be, and what can be done."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import whylight
from onnx_samples import CLASSES, HEIGHT, WIDTH, cnn, model
from whylight.errors import WhylightError, WhylightWarning


def load(folder: Path, content: onnx.ModelProto, **options: Any) -> whylight.Classifier:
    onnx.save(content, folder / "model.onnx")
    return whylight.load(folder / "model.onnx", input_range=1, **options)


def with_head(
    nodes: list[onnx.NodeProto], outputs: dict[str, int], values: dict[str, Any], batch: int | str = "batch"
) -> onnx.ModelProto:
    """The sample's first two steps, and others behind them."""
    content: onnx.ModelProto = cnn(batch=batch)
    del content.graph.node[2:], content.graph.output[:]
    content.graph.node.extend(nodes)
    content.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in values.items())
    content.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items())
    return content


FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


@pytest.mark.parametrize("batch", ["batch", 1])
def test_a_detector_that_picks_boxes(tmp_path: Path, batch: int | str) -> None:
    nodes = [
        helper.make_node("Reshape", ["rectified", "places"], ["row"]),
        helper.make_node("Transpose", ["row"], ["each"], perm=[0, 2, 1]),
        helper.make_node("Slice", ["each", "zero", "four", "last"], ["boxes"]),
        helper.make_node("Slice", ["row", "four", "five", "one"], ["scores"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["50"]),
        helper.make_node("Gather", ["50", "last/0"], ["which"], axis=1),
    ]
    numbers: dict[str, Any] = {"zero": [0], "four": [4], "five": [5], "one": [1], "last": [2], "last/0": 2, "most": [9]}
    numbers["places"] = [-1, 5, 28]
    values = {key: np.array(value, np.int64) for key, value in numbers.items()}
    content = with_head(nodes, {"50": INT64, "which": INT64}, values, batch)
    with pytest.raises(WhylightError, match=r"no output holds one score a class.*: it seems to be a detector"):
        load(tmp_path, content)


def test_a_detector_with_a_score_for_each_anchor(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["rectified", "places"], ["row"]),
        helper.make_node("Transpose", ["row"], ["each"], perm=[0, 2, 1]),
        helper.make_node("Slice", ["each", "zero", "four", "last"], ["boxes"]),
        helper.make_node("Softmax", ["each"], ["scores"], axis=2),
    ]
    numbers = {"zero": [0], "four": [4], "last": [2], "places": [-1, 5, 28]}
    values = {key: np.array(value, np.int64) for key, value in numbers.items()}
    content = with_head(nodes, {"boxes": FLOAT, "scores": FLOAT}, values)
    said = r"found 'boxes' \(N, 28, 4\), 'scores' \(N, 28, 5\): it seems to be a detector, which gives boxes; "
    with pytest.raises(WhylightError, match=said):
        load(tmp_path, content)
    assert load(tmp_path, content, output_variable="scores", output_index=27).class_count == 5


@pytest.mark.parametrize(("channels", "kind"), [(7, "a segmenter, which gives scores for each place"), (1, "a mask")])
def test_scores_or_values_for_each_place(tmp_path: Path, channels: int, kind: str) -> None:
    kernel = np.ones((channels, 5, 1, 1), np.float32)
    content = with_head(
        [helper.make_node("Conv", ["rectified", "mixing"], ["out"])], {"out": FLOAT}, {"mixing": kernel}
    )
    with pytest.raises(WhylightError, match=rf"found 'out' \(N, {channels}, 4, 7\): it seems to be .*{kind}"):
        load(tmp_path, content)


def test_the_index_of_the_class_alone(tmp_path: Path) -> None:
    content = cnn()
    content.graph.node[-1].CopyFrom(helper.make_node("ArgMax", ["scores"], ["probabilities"], axis=1))
    content.graph.output[0].CopyFrom(helper.make_tensor_value_info("probabilities", INT64, ["batch", 1]))
    with pytest.raises(WhylightError, match="gives indices alone: export it with the scores"):
        load(tmp_path, content)


def test_a_language_model(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["table", "ids"], ["words"])]
    inputs = [helper.make_tensor_value_info("ids", INT64, ["batch", "length"])]
    outputs = [helper.make_tensor_value_info("words", FLOAT, ["batch", "length", 8])]
    content = model(nodes, inputs, outputs, {"table": np.ones((9, 8), np.float32)})
    with pytest.raises(WhylightError, match=r"it has 'ids' \(\?, \?\): it seems to be a language model"):
        load(tmp_path, content)


@pytest.mark.parametrize("way", ["LpNormalization", "ReduceL2", "Sqrt"])
def test_an_embedding_is_doubted(tmp_path: Path, way: str) -> None:
    content = cnn()
    del content.graph.node[-1:]
    content.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
    content.graph.initializer.append(numpy_helper.from_array(np.array(1e-12, np.float32), "tiny"))
    if way == "LpNormalization":
        nodes = [helper.make_node(way, ["scores"], ["probabilities"], axis=1)]
    else:
        squares = [helper.make_node("ReduceL2", ["scores"], ["root"], axes=[1])]
        if way == "Sqrt":
            squares = [
                helper.make_node("Mul", ["scores", "scores"], ["squares"]),
                helper.make_node("ReduceSum", ["squares", "axis"], ["sum"]),
                helper.make_node("Sqrt", ["sum"], ["root"]),
            ]
        nodes = [
            *squares,
            helper.make_node("Clip", ["root", "tiny"], ["length"]),
            helper.make_node("Div", ["scores", "length"], ["probabilities"]),
        ]
    content.graph.node.extend(nodes)
    classifier = load(tmp_path, content)
    assert classifier.class_count == CLASSES
    with pytest.warns(WhylightWarning, match="'probabilities' is divided by its own length, as an embedding is"):
        classifier.explainer()


def test_scores_are_no_embedding(tmp_path: Path) -> None:
    assert load(tmp_path, cnn()).notes == ()


def test_a_network_of_one_height_that_the_file_does_not_say(tmp_path: Path) -> None:
    """As recognizers of text are: the height is gone behind the last pooling, or the network does not fit together."""
    content = cnn()
    for axis, name in ((2, "height"), (3, "width")):
        content.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    content.graph.initializer.append(numpy_helper.from_array(np.ones((7, 3), np.float32), "weight/2"))
    content.graph.node[2].CopyFrom(helper.make_node("ReduceMean", ["rectified"], ["rows"], axes=[2], keepdims=0))
    content.graph.node.insert(3, helper.make_node("MatMul", ["rows", "weight/2"], ["mixed"]))
    content.graph.node.insert(4, helper.make_node("ReduceMean", ["mixed"], ["pooled"], axes=[2], keepdims=0))
    with pytest.raises(
        WhylightError, match=r"3 x 224 x 224 may be a wrong one: say another by the option 'input_size'"
    ):
        load(tmp_path, content)
    assert load(tmp_path, content, input_size=(HEIGHT, WIDTH)).class_count == CLASSES
