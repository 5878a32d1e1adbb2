"""Class activation maps: the target layer's channels, weighted by what the class score owes to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whylight.methods import method
from whylight.methods.axes import channel_mean, channel_sum, spatial_mean

if TYPE_CHECKING:
    from whylight.graph import GraphBuilder, Tensor
    from whylight.target import Target


@method("gradcam", "ReLU of the channels' sum, each weighted by its mean gradient", "Selvaraju et al. 2017, ICCV")
def gradcam(op: GraphBuilder, target: Target) -> Tensor:
    """Grad-CAM: ReLU(sum_k alpha_k A_k), with alpha_k the spatial mean of dS/dA_k.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    ICCV 2017, equations 1 and 2.
    """
    weights = spatial_mean(op, target.gradient)
    return op.Relu(channel_sum(op, op.Mul(weights, target.activation)))


@method(
    "gradcam-nnc",
    "the Console plugins' variant of Grad-CAM: mean over channels of ReLU",
    "Neural Network Console",
    negates_class_zero=False,
)
def gradcam_nnc(op: GraphBuilder, target: Target) -> Tensor:
    """Neural Network Console's variant: mean_k ReLU(alpha_k A_k), with alpha_k as in Grad-CAM.

    The plugins differentiate the output after Softmax or Sigmoid (``score="output"``), and know one class for a
    model with one output: the output itself.
    """
    weights = spatial_mean(op, target.gradient)
    return channel_mean(op, op.Relu(op.Mul(weights, target.activation)))
