"""Maps of several layers, refined by each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whylight.methods import method
from whylight.methods.class_activation import gradcam_plus_plus
from whylight.methods.fusion import product_of_maps

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target


def last_at_each_resolution(classifier: Classifier) -> list[Layer]:
    """The stages' ends: at each resolution of a convolution the last layer that all of the score passes through."""
    from whylight.graph.ways import dominators

    nodes = classifier.path_nodes
    convolutions = [index for index, node in enumerate(nodes) if "Conv" in node.op_type]
    features = {name for node in nodes[min(convolutions, default=0) :] for name in node.output}
    through = features.intersection(dominators(nodes, classifier.input.name, classifier.logits))
    convolved = {classifier.tensors[nodes[index].output[0]].shape[2:] for index in convolutions}
    layers = list(classifier.layers)
    if classifier.default_layer.grid:  # behind it the score may read the class token alone
        layers = layers[: layers.index(classifier.default_layer) + 1]
    stages = {_resolution(classifier, layer): layer for layer in layers if layer.tensor in through}
    return [layer for size, layer in stages.items() if size in convolved] or [classifier.default_layer]


@method(
    "refine-cam",
    "the product of several layers' Grad-CAM++, each stretched to [0, 1]",
    "Domeniconi et al. 2026, arXiv",
    layers=last_at_each_resolution,
    fusion=product_of_maps,
)
def refine_cam(op: GraphBuilder, target: Target) -> Tensor:
    """RefineCAM: prod_l U(M_l), M_l the Grad-CAM++ map of layer l stretched to [0, 1], U to the finest resolution.

    Domeniconi et al., "How to Evaluate and Refine your CAM", arXiv 2605.14641. Where no layers are named, they are the
    last at each resolution. As in torchcam and pytorch-grad-cam; the latter stretches the product again.
    """
    return gradcam_plus_plus(op, target)


def _resolution(classifier: Classifier, layer: Layer) -> tuple[object, ...]:
    shape = classifier.tensors[layer.tensor].shape
    return layer.grid or (shape[1:-1] if layer.channels_last else shape[2:])
