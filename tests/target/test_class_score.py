"""What is asked about a class: the score and its derivative, against finite differences of the plain model."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import whylight
from samples import DATA
from whylight.graph.builder import GraphBuilder
from whylight.target.class_score import ClassScore
from whylight.options import Question

PEERS = DATA / "peers_of_passes"
STEP = 2e-4

QUESTIONS = {
    "a class": Question(),
    "one class against another": Question(against=1),
    "a class against the predicted one": Question(against="predicted"),
    "what speaks against a class": Question(counterfactual=True),
    "what speaks for the other class": Question(against=1, counterfactual=True),
}


def image() -> NDArray[np.float32]:
    with np.load(PEERS / "small.npz") as file:
        return np.asarray(file["images"][:1], np.float32)


def plain_scores(images: NDArray[np.float32]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(PEERS / "small.onnx", providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["scores"], {"image": images})[0], np.float64)


def score_and_slope(question: Question, chosen: int) -> tuple[float, NDArray[Any]]:
    """What the graph says of the image, and of the derivative with respect to it."""
    classifier = whylight.load(PEERS / "small.onnx", input_range="1")
    op = GraphBuilder.extending(classifier.model)
    class_index = op.input("class", ("N",), np.int64)
    logits, output = op.tensors[classifier.logits], op.tensors[classifier.output]
    score = ClassScore(op, classifier, logits, output, class_index, question)
    (slope,) = score.gradients([op.tensors["image"]])
    session = onnxruntime.InferenceSession(
        op.model([score.value, slope], "score").SerializeToString(), providers=["CPUExecutionProvider"]
    )
    value, gradient = session.run(None, {"image": image(), "class": np.array([chosen])})
    return float(value[0]), gradient[0]


@pytest.mark.parametrize("name", QUESTIONS)
def test_score_and_derivative_of_every_question(name: str) -> None:
    question, chosen = QUESTIONS[name], 0
    value, slope = score_and_slope(question, chosen)
    scores = plain_scores(image())[0]
    other = int(scores.argmax()) if question.against == "predicted" else question.against
    assert other != chosen
    weights = np.eye(6)[chosen] - (0 if other is None else np.eye(6)[int(other)])
    np.testing.assert_allclose(value, scores @ weights, rtol=1e-4)
    sign = -1 if question.counterfactual else 1
    random = np.random.default_rng(0)
    directions = random.standard_normal((4, 3, 29, 29)).astype(np.float32)
    ahead, behind = (plain_scores(image() + step * directions) @ weights for step in (STEP, -STEP))
    expected = sign * (ahead - behind) / (2 * STEP)
    np.testing.assert_allclose(
        (slope * directions).sum((1, 2, 3)), expected, rtol=0, atol=0.03 * np.abs(expected).max()
    )


def test_the_counterfactual_map_is_the_papers() -> None:
    """Selvaraju et al. 2017, section 3.3: ReLU(sum_k alpha_k A_k), alpha_k the mean of -dS/dA_k.

    By finite differences: the score is moved by adding a little to one channel of the layer, everywhere.
    """
    classifier = whylight.load(PEERS / "small.onnx", input_range="1")
    explainer = classifier.explainer("recipro-cam", "node_relu_2")
    with np.load(PEERS / "small.npz") as file:
        images, activation = file["images"][:1], np.asarray(file["activation"][0], np.float32)
    chosen = np.array([3])
    channels, height, width = activation.shape
    moved = np.float32(0.01) * np.eye(channels, dtype=np.float32)[:, :, np.newaxis, np.newaxis]
    classes = np.full(channels, 3)
    gained = explainer.head_scores(activation + moved, classes, {}) - explainer.head_scores(
        activation - moved, classes, {}
    )
    alpha = -gained / 0.02 / (height * width)
    expected = np.maximum(np.tensordot(alpha, activation, 1), 0)
    maps = classifier.explainer("gradcam", "node_relu_2", counterfactual=True).run(images, chosen)[2]
    assert expected.max() > 0
    np.testing.assert_allclose(maps[0], expected, atol=5e-3 * expected.max())
    usual = classifier.explainer("gradcam", "node_relu_2").run(images, chosen)[2]
    assert not ((usual > 0) & (maps > 0)).any()
