"""The class score that an explanation is about, in the graph, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx

from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.options import Question

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.gradient.rule import Rule

    Seed = Callable[[GraphBuilder, "ClassScore"], Tensor]


@dataclass(frozen=True)
class Weighting:
    """What the classes' scores count in what is differentiated.

    Attributes:
        seed: the weight (N, K) of each class's score; by default 1 for the class, 0 for the others.
        negates_class_zero: whether class 0 of a model with one output is explained by the negated score;
            otherwise both classes are explained by the output itself.
    """

    seed: Seed | None = None
    negates_class_zero: bool = True


class ClassScore:
    """The score of each image's class, written into the graph.

    Attributes:
        question: what is asked about the class.
        scores: (N, K), all scores; (N, 1) for a model with one output.
        chosen: (N,) int64, the class that is explained.
        value: (N,), the explained score: that of the class, or the difference of two.
        against: the class that it is compared with, if any: (N,), or (1,) where it is the same for all.
    """

    def __init__(
        self,
        op: GraphBuilder,
        classifier: Classifier,
        logits: Tensor,
        output: Tensor,
        class_index: Tensor,
        question: Question,
        layers: Sequence[Tensor] = (),
        weighting: Weighting = Weighting(),  # it is frozen
    ) -> None:
        """Write the score.

        Args:
            op: the graph.
            classifier: its facts.
            logits: the scores in the graph, before the final activation.
            output: the scores or probabilities after it.
            class_index: (N,) int64, -1 for the predicted class.
            question: what is asked.
            layers: tensors to differentiate by in one walk, once the derivative by one of them is asked for.
            weighting: what the scores count where nothing else is said.
        """
        self._op = op
        self._two_class = classifier.is_two_class
        self._weighting = weighting
        self._layers = {tensor.name: tensor for tensor in layers}
        self._through_softmax = question.score == "output" and classifier.final_activation == "Softmax"
        self._gradients: dict[tuple[str, object], Tensor] = {}
        self.question = question
        self._explain(logits, output)
        predicted = self._predicted(boundary=0.5 if question.score == "output" else 0.0)
        self.chosen = op.Where(op.Less(class_index, np.int64(0)), predicted, class_index)
        self.value = self._score_of(self.chosen)
        self.against: Tensor | None = None
        if question.against is not None:
            other = predicted if question.against == "predicted" else op.constant([question.against], np.int64)
            self.against = other
            self.value = op.Sub(self.value, self._score_of(other, everywhere=question.against != "predicted"))

    def of(self, logits: Tensor, output: Tensor) -> ClassScore:
        """What is asked here about the same classes, of other scores."""
        other = copy(self)
        other._layers, other._gradients = {}, {}
        other._explain(logits, output)
        return other

    def gradients(
        self, wrt: Sequence[Tensor], weighting: Weighting | None = None, rules: Mapping[str, Rule] | None = None
    ) -> list[Tensor]:
        """The derivative of the score with respect to tensors of the graph, each in its shape.

        Args:
            wrt: the tensors.
            weighting: what the scores count; by default what was said when the score was written.
            rules: derivative rules to use in place of the usual ones, by operator.

        Raises:
            WhylightError: the score does not depend on one of them, or an operator between has no rule.
        """
        weighting = weighting or self._weighting
        asked = (weighting, frozenset((rules or {}).items()))
        missing = {tensor.name: tensor for tensor in wrt if (tensor.name, asked) not in self._gradients}
        if missing.keys() & self._layers:
            missing |= self._layers
        if missing:
            explained, seed = self._seed(weighting)
            slopes = gradient(self._op, explained, seed, list(missing.values()), rules)
            self._gradients |= {(name, asked): slope for name, slope in zip(missing, slopes, strict=True)}
        return [self._gradients[tensor.name, asked] for tensor in wrt]

    def _explain(self, logits: Tensor, output: Tensor) -> None:
        self._logits = logits
        self._explained = output if self.question.score == "output" else logits
        self.scores = self._op.Flatten(self._explained) if self._explained.rank > 2 else self._explained

    def _seed(self, weighting: Weighting) -> tuple[Tensor, Tensor]:
        """What to differentiate, and the weight of each of its elements, in its shape."""
        op = self._op
        if weighting.seed:
            seed = weighting.seed(op, self)
        else:
            seed = self.weights(self.chosen, weighting)
            if self.against is not None:
                seed = op.Sub(seed, self.weights(self.against, weighting))
        if self.question.counterfactual:
            seed = op.Neg(seed)
        if self._explained.rank > 2:
            seed = op.Unsqueeze(seed, list(range(2, self._explained.rank)))
        if self._through_softmax:
            return self._logits, _through_softmax(op, self._logits, seed)
        return self._explained, seed

    def _predicted(self, boundary: float) -> Tensor:
        """(N,) int64; a single output beyond ``boundary`` is class 1."""
        op = self._op
        if self._two_class:
            return op.Cast(op.Greater(op.Squeeze(self.scores, [1]), boundary), to=onnx.TensorProto.INT64)
        return op.ArgMax(self.scores, axis=1, keepdims=0)

    def weights(self, index: Tensor, weighting: Weighting | None = None) -> Tensor:
        """What each of ``scores`` counts in the score of the classes ``index``, (N, K): one-hot, or a sign.

        Args:
            index: (N,), or (1,) for all images.
            weighting: says whether class 0 is the negated score; by default as when the score was written.
        """
        op = self._op
        if self._two_class:
            against = np.float32(-1 if (weighting or self._weighting).negates_class_zero else 1)
            return op.Unsqueeze(op.Where(op.Equal(index, np.int64(1)), np.float32(1), against), [1])
        return op.OneHot(index, np.array([self.scores.size(1)]), np.array([0, 1], np.float32))

    def _score_of(self, index: Tensor, everywhere: bool = False) -> Tensor:
        """(N,), the scores of the classes ``index``, or of one class in all images."""
        op = self._op
        if self._two_class:
            return op.Squeeze(op.Mul(self.scores, self.weights(index)), [1])
        if everywhere:
            return op.Squeeze(op.Gather(self.scores, index, axis=1), [1])
        return op.Squeeze(op.GatherElements(self.scores, op.Unsqueeze(index, [1]), axis=1), [1])


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
