"""Gradients of the class score with respect to the image itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whylight.methods import method
from whylight.methods.axes import channel_sum
from whylight.methods.class_activation import gradcam
from whylight.methods.fusion import resized

if TYPE_CHECKING:
    from whylight.gradient.rule import ForwardNode, Gradient
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target


@method(
    "gradient",
    "the largest size of the image's gradient over its channels",
    "Simonyan et al. 2014, ICLR",
    sees_layer=False,
)
def gradient(op: GraphBuilder, target: Target) -> Tensor:
    """The gradient: max_c |dS/dx_c|, c the channels of the image.

    Simonyan et al., "Deep Inside Convolutional Networks: Visualising Image Classification Models and Saliency Maps",
    ICLR workshop 2014, section 3.1.
    """
    return _largest_size(op, target.image_gradient())


@method(
    "input-x-gradient",
    "ReLU of the channels' sum of gradient times image",
    "Shrikumar et al. 2016, arXiv",
    sees_layer=False,
)
def input_x_gradient(op: GraphBuilder, target: Target) -> Tensor:
    """Input times gradient: ReLU(sum_c x_c dS/dx_c), c the channels of the image.

    Shrikumar et al., "Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
    arXiv 1605.01713. The paper has one value a channel; as in a class activation map they are added up, and what speaks
    against the class is left out.
    """
    return op.Relu(channel_sum(op, op.Mul(target.image, target.image_gradient())))


@method(
    "guided-backprop",
    "as gradient, with only positive gradients passing each ReLU",
    "Springenberg et al. 2015, ICLR",
    sees_layer=False,
)
def guided_backprop(op: GraphBuilder, target: Target) -> Tensor:
    """Guided backpropagation: max_c |G_c|, G the gradient of which each ReLU lets only what is above zero through.

    Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR workshop 2015, section 3.4. A ReLU
    with an upper bound (ReLU6) is one too; pytorch-grad-cam and captum differentiate that as usual. In a network
    without ReLU this is the gradient.
    """
    return _largest_size(op, _guided_gradient(target))


@method("guided-gradcam", "guided backpropagation times Grad-CAM", "Selvaraju et al. 2017, ICCV")
def guided_gradcam(op: GraphBuilder, target: Target) -> Tensor:
    """Guided Grad-CAM: max_c |G_c U(M)|, M Grad-CAM's map, U to the image's resolution, G as in `guided_backprop`.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
    section 3.2. Where the network crops the image, it is the map of what is left.
    """
    assert target.layer is not None
    cam = gradcam(op, target)
    guided = _guided_gradient(target)
    facts = target.classifier.input
    seen = facts.region(target.classifier.crop(target.layer))
    size = [part.stop - part.start for part in seen]
    if size != list(facts.size):
        starts, ends = zip(*((part.start, part.stop) for part in seen), strict=True)
        guided = op.Slice(guided, list(starts), list(ends), list(range(2, guided.rank)))
    return op.Mul(_largest_size(op, guided), resized(op, cam, size))


def _largest_size(op: GraphBuilder, gradient: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, H, W)."""
    return op.ReduceMax(op.Abs(gradient), [1], keepdims=0)


def _guided_gradient(target: Target) -> Tensor:
    return target.image_gradient({"Relu": _guided_relu, "Clip": _guided_clip})


def _guided_relu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Gradient | tuple[Gradient, ...]:
    """The usual derivative, of what is above zero in g."""
    from whylight.gradient.rule import rules

    return rules()[node.operator](op, node, op.Relu(grad))


def _guided_clip(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Gradient | tuple[Gradient, ...]:
    """As `_guided_relu` where the lower bound is zero, else the usual derivative."""
    from whylight.gradient.rule import rules

    bound = node.constant("min", 1)
    return _guided_relu(op, node, grad) if (bound == 0).all() and bound.size else rules()["Clip"](op, node, grad)
