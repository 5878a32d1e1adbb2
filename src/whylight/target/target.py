"""What a method's formula sees: the target layer, the image, the class score, and its derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from whylight.gradient import gradient
from whylight.gradient.broadcast import zeros_like
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes
from whylight.target.class_score import ClassScore, Weighting
from whylight.target.feature_map import feature_map

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer
    from whylight.gradient.rule import Rule


class Target:
    """One layer and one class score. A tensor is added to the graph when it is first asked for.

    Attributes:
        classifier: the model's facts; names of tensors in it are those of ``op`` after `tensor`.
        layer: the target layer, for a method that looks at one.
        score: the class score.
        weighting: what the classes' scores count for the method that explains.
    """

    def __init__(
        self,
        op: GraphBuilder,
        classifier: Classifier,
        layer: Layer | None,
        score: ClassScore,
        weighting: Weighting,
        renamed: Mapping[str, str],
    ) -> None:
        """Nothing is computed yet; ``renamed`` says which tensors of the model have another name in ``op``."""
        self._op = op
        self._renamed = renamed
        self.classifier = classifier
        self.layer = layer
        self.score = score
        self.weighting = weighting

    def tensor(self, name: str) -> Tensor:
        """A tensor of the model by its name there."""
        return self._op.tensors[self._renamed.get(name, name)]

    @property
    def layer_output(self) -> Tensor:
        """The target layer's output as the model has it."""
        return self.tensor(self._layer.tensor)

    @cached_property
    def activation(self) -> Tensor:
        """The target layer's output as feature maps, (N, C, h, w)."""
        return feature_map(self._op, self._layer, self.layer_output)

    @cached_property
    def gradient(self) -> Tensor:
        """The derivative of the class score with respect to `activation`, (N, C, h, w)."""
        (slope,) = self.score.gradients([self.layer_output], self.weighting)
        return feature_map(self._op, self._layer, slope)

    @cached_property
    def curvature(self) -> Tensor:
        """H A, (N, C, h, w), for H the second derivative of the class score with respect to `activation`, A."""
        output = self.layer_output
        (slope,) = self.score.gradients([output], self.weighting)
        if any(slope.name in node.output for node in dependent_nodes(self._op.nodes, output.name)):
            (slope_along_output,) = gradient(self._op, slope, output, [output])
        else:
            slope_along_output = zeros_like(self._op, output)
        return feature_map(self._op, self._layer, slope_along_output)

    @cached_property
    def image(self) -> Tensor:
        """The model's input, (N, channels, H, W); of signals (N, channels, L), of volumes (N, channels, D, H, W)."""
        return self.as_image(self.tensor(self.classifier.input.name))

    def image_gradient(self, rules: Mapping[str, Rule] | None = None) -> Tensor:
        """The derivative of the class score with respect to `image`, (N, channels, H, W).

        Args:
            rules: derivative rules to use in place of the usual ones, by operator.
        """
        (slope,) = self.score.gradients([self.tensor(self.classifier.input.name)], self.weighting, rules)
        return self.as_image(slope)

    def as_image(self, tensor: Tensor) -> Tensor:
        """The model's input, or what has its shape, as (N, channels, H, W)."""
        channels = self.classifier.input.layout.find("C") + 1
        match channels:
            case 0:
                return self._op.Unsqueeze(tensor, [1])
            case 1:
                return tensor
        places = [axis for axis in range(1, tensor.rank) if axis != channels]
        return self._op.Transpose(tensor, perm=[0, channels, *places])

    def score_with(self, name: str, tensor: Tensor) -> ClassScore:
        """The score of the same class, where the network above a tensor of the model reads another in its place."""
        op, replaced = self._op, self.tensor(name).name
        logits, output = (self.tensor(known).name for known in (self.classifier.logits, self.classifier.output))
        copies = op.replayed(dependent_nodes(needed_nodes(op.nodes, [logits, output]), replaced), {replaced: tensor})
        return self.score.of(copies[logits], copies[output])

    @property
    def _layer(self) -> Layer:
        if self.layer is None:
            raise ValueError("the method is registered as one that looks at no layer")
        return self.layer
