"""From a classifier to its explainer: one ONNX graph that computes the model's outputs, the score and the map."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx

from whylight.errors import WhylightError
from whylight.facts import ExplainerFacts
from whylight.feature_map import feature_map
from whylight.gradient import gradient
from whylight.graph import GraphBuilder, Tensor, renamed_tensors
from whylight.methods import Method, method_named

if TYPE_CHECKING:
    from whylight.classifier import Classifier

CLASS_INDEX = "class_index"
SCORE = "score"
MAP = "cam"
SCORES = ("logit", "output")


def compile_explainer(
    classifier: Classifier, method: str = "gradcam", layer: str | None = None, score: str = "logit"
) -> onnx.ModelProto:
    """Add an explanation to the classifier's graph.

    The result has the model's input and ``class_index`` (N,) int64, where -1 stands for the predicted class, as
    inputs. Its outputs are the model's own, ``score`` (N,) float32, and ``cam`` (N, h, w) float32 at the layer's
    resolution, not normalized. A tensor of the model with one of these names becomes ``model/<name>``.

    Args:
        classifier: the model.
        method: the name of a method.
        layer: the target layer's name; by default the last convolution on the way to the score.
        score: what is differentiated: ``logit`` or ``output`` (after the final Softmax or Sigmoid).

    Raises:
        WhylightError: no such method, layer or score, or a part of the graph above the layer has no derivative.
    """
    if score not in SCORES:
        raise WhylightError(f"no score '{score}': expected one of {', '.join(SCORES)}")
    chosen_method, target = method_named(method), classifier.layer(layer)
    reserved = {name: f"model/{name}" for name in (CLASS_INDEX, SCORE, MAP)}
    op = GraphBuilder.extending(renamed_tensors(classifier.model, reserved))
    outputs = [op.tensors[reserved.get(info.name, info.name)] for info in classifier.model.graph.output]
    logits = op.tensors[_renamed(classifier.logits, reserved)]
    output = op.tensors[_renamed(classifier.output, reserved)]
    activation = op.tensors[_renamed(target.tensor, reserved)]
    batch = op.tensors[_renamed(classifier.input.name, reserved)].shape[0]
    class_index = op.input(CLASS_INDEX, (batch,), np.int64)
    with op.scope("whylight"):
        explained = output if score == "output" else logits
        seed, score_tensor = _seed_and_score(
            op, classifier, chosen_method, explained, class_index, boundary=0.5 if score == "output" else 0.0
        )
        if score == "output" and classifier.final_activation == "Softmax":
            explained, seed = logits, _through_softmax(op, logits, seed)
        (slope,) = gradient(op, explained, seed, [activation])
        activation, slope = (feature_map(op, target, tensor) for tensor in (activation, slope))
        cam = chosen_method.formula(op, activation, slope)
    facts = ExplainerFacts(
        method=method,
        layer=target.name,
        score=score,
        input=classifier.input,
        output=_renamed(classifier.output, reserved),
        final_activation=classifier.final_activation,
        class_count=classifier.class_count,
        is_two_class=classifier.is_two_class,
        crop=classifier.crop(target),
        activation_bytes=_activation_bytes(op),
    )
    outputs += [op.rename(score_tensor, SCORE), op.rename(cam, MAP)]
    return op.model(outputs, "explainer", facts.to_metadata())


def _activation_bytes(op: GraphBuilder) -> int:
    computed = {name for node in op.nodes for name in node.output if name}
    sizes = ([extent for extent in op.tensors[name].shape if isinstance(extent, int)] for name in computed)
    return sum(4 * prod(size) for size in sizes)


def _renamed(name: str, reserved: dict[str, str]) -> str:
    return reserved.get(name, name)


def _seed_and_score(
    op: GraphBuilder, classifier: Classifier, method: Method, explained: Tensor, class_index: Tensor, boundary: float
) -> tuple[Tensor, Tensor]:
    """The derivative of the class score with respect to ``explained`` (one-hot, or a sign), and the score (N,).

    A single output beyond ``boundary`` is class 1.
    """
    scores = op.Flatten(explained) if explained.rank > 2 else explained
    if classifier.is_two_class:
        predicted = op.Cast(op.Greater(op.Squeeze(scores, [1]), boundary), to=onnx.TensorProto.INT64)
        chosen = op.Where(op.Less(class_index, np.int64(0)), predicted, class_index)
        against = np.float32(-1 if method.negates_class_zero else 1)
        seed = op.Unsqueeze(op.Where(op.Equal(chosen, np.int64(1)), np.float32(1), against), [1])
        score = op.Squeeze(op.Mul(scores, seed), [1])
    else:
        predicted = op.ArgMax(scores, axis=1, keepdims=0)
        chosen = op.Where(op.Less(class_index, np.int64(0)), predicted, class_index)
        seed = op.OneHot(chosen, np.array([scores.size(1)]), np.array([0, 1], np.float32))
        score = op.Squeeze(op.GatherElements(scores, op.Unsqueeze(chosen, [1]), axis=1), [1])
    return (op.Unsqueeze(seed, list(range(2, explained.rank))) if explained.rank > 2 else seed), score


def _through_softmax(op: GraphBuilder, logits: Tensor, seed: Tensor) -> Tensor:
    """The seed of the scores (N, K) before a Softmax, from that of its output: y (g - sum(g y)).

    Where the network is certain, 1 - y is a few units of float32 rounding. nnabla adds up the exponentials one after
    the other; so does CumSum, and the Console plugins' maps are met there too.
    """
    ones = [1] * (logits.rank - 2)
    scores, weights = (op.Flatten(tensor) if ones else tensor for tensor in (logits, seed))
    powers = op.Exp(op.Sub(scores, op.ReduceMax(scores, [1], keepdims=1)))
    total = op.Slice(op.CumSum(powers, np.int64(1)), [-1], [2**31 - 1], [1])
    probabilities = op.Div(powers, total)
    expected = op.ReduceSum(op.Mul(probabilities, weights), [1], keepdims=1)
    through = op.Mul(probabilities, op.Sub(weights, expected))
    return op.Unsqueeze(through, list(range(2, logits.rank))) if ones else through
