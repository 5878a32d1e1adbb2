"""Class activation maps: the target layer's channels, weighted by what the class score owes to each.

A is the layer's activation, g the derivative of the class score S with respect to it, k a channel, i a place. All maps
end with ReLU, so that what speaks against the class is left out; for HiResCAM and XGrad-CAM that is the choice of the
programs in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whylight.methods import method
from whylight.methods.axes import channel_mean, channel_sum, spatial_mean, spatial_sum

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.class_score import ClassScore
    from whylight.target.target import Target

_SIMILAR_CLASSES = 3
_COMPARISON_STRENGTH = np.float32(0.6)
_OUT_OF_REACH = np.float32(1e30)


@method("gradcam", "ReLU of the channels' sum, each weighted by its mean gradient", "Selvaraju et al. 2017, ICCV")
def gradcam(op: GraphBuilder, target: Target) -> Tensor:
    """Grad-CAM: ReLU(sum_k alpha_k A_k), with alpha_k the spatial mean of dS/dA_k.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    ICCV 2017, equations 1 and 2.
    """
    return _weighted_sum(op, spatial_mean(op, target.gradient), target.activation)


def last_convolution(classifier: Classifier) -> list[Layer]:
    """The layer that the plugins look at, though some of the score may go around it."""
    return [classifier.last_convolution]


@method(
    "gradcam-nnc",
    "the Console plugins' variant of Grad-CAM: mean over channels of ReLU",
    "Neural Network Console",
    layers=last_convolution,
    negates_class_zero=False,
    turns_pictures=False,
)
def gradcam_nnc(op: GraphBuilder, target: Target) -> Tensor:
    """Neural Network Console's variant: mean_k ReLU(alpha_k A_k), with alpha_k as in Grad-CAM.

    The plugins differentiate the output after Softmax or Sigmoid (``score="output"``), and know one class for a
    model with one output: the output itself.
    """
    weights = spatial_mean(op, target.gradient)
    return channel_mean(op, op.Relu(op.Mul(weights, target.activation)))


@method(
    "gradcam++",
    "as Grad-CAM, with the places of positive gradient weighted so that each object counts alike",
    "Chattopadhay et al. 2018, WACV",
)
def gradcam_plus_plus(op: GraphBuilder, target: Target) -> Tensor:
    """Grad-CAM++: ReLU(sum_k w_k A_k), w_k = sum_i alpha_ki ReLU(g_ki), alpha_ki = g^2 / (2 g^2 + g^3 sum_j A_kj).

    Chattopadhay et al., "Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks",
    WACV 2018, equations 6, 8 and 19: for the score exp(S), whose derivatives are exp(S) times powers of g; the factor
    exp(S), one for the whole map, is left out. alpha is computed as 1 / (2 + g sum_j A_kj), which is the same.

    pytorch-grad-cam adds 1e-6 to the first form's denominator, which dampens gradients below a hundredth; torchcam
    takes g^3 into the sum over j. The paper has neither.
    """
    gradient = target.gradient
    denominator = op.Add(op.Mul(gradient, spatial_sum(op, target.activation)), np.float32(2))
    weights = spatial_sum(op, op.Mul(_reciprocal_or_zero(op, denominator), op.Relu(gradient)))
    return _weighted_sum(op, weights, target.activation)


@method(
    "xgradcam",
    "as Grad-CAM, with each place's gradient weighted by its part of the channel's activation",
    "Fu et al. 2020, BMVC",
)
def xgradcam(op: GraphBuilder, target: Target) -> Tensor:
    """XGrad-CAM: ReLU(sum_k w_k A_k), w_k = sum_i g_ki A_ki / sum_j A_kj.

    Fu et al., "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", BMVC 2020, equation 8.
    A channel whose activations add up to zero has no weight.
    """
    activation = target.activation
    owed = spatial_sum(op, op.Mul(target.gradient, activation))
    return _weighted_sum(op, op.Mul(owed, _reciprocal_or_zero(op, spatial_sum(op, activation))), activation)


@method("hirescam", "ReLU of the channels' sum of gradient times activation", "Draelos and Carin 2020, arXiv")
def hirescam(op: GraphBuilder, target: Target) -> Tensor:
    """HiResCAM: ReLU(sum_k g_k A_k), place by place.

    Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks",
    arXiv 2011.08891, equation 3.
    """
    return op.Relu(channel_sum(op, op.Mul(target.gradient, target.activation)))


@method(
    "gradcam-elementwise",
    "the channels' sum of ReLU of gradient times activation",
    "Gildenblat et al., pytorch-grad-cam",
)
def gradcam_elementwise(op: GraphBuilder, target: Target) -> Tensor:
    """Element-wise Grad-CAM: sum_k ReLU(g_k A_k), place by place.

    No paper; defined by pytorch-grad-cam (GradCAMElementWise).
    """
    return channel_sum(op, op.Relu(op.Mul(target.gradient, target.activation)))


@method("layercam", "as HiResCAM, with positive gradients only", "Jiang et al. 2021, IEEE TIP")
def layercam(op: GraphBuilder, target: Target) -> Tensor:
    """LayerCAM: ReLU(sum_k ReLU(g_k) A_k), place by place.

    Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE Transactions on Image
    Processing 2021, equations 5 and 6.
    """
    return op.Relu(channel_sum(op, op.Mul(op.Relu(target.gradient), target.activation)))


@method(
    "shapley-cam",
    "as Grad-CAM, with the score's curvature taken into the weights",
    "Cai 2025, arXiv",
)
def shapley_cam(op: GraphBuilder, target: Target) -> Tensor:
    """ShapleyCAM: ReLU(sum_k w_k A_k), w_k the spatial mean of g - H A / 2, with H the second derivative of S by A.

    Cai, "CAMs as Shapley Value-based Explainers", arXiv 2501.06261: Shapley values of the channels from the second
    order Taylor expansion of the score. H A is the derivative of g along A: the gradient's own graph is differentiated
    again. Where only piecewise linear operators follow the layer, H is zero and this is Grad-CAM of the score
    ``"logit"``. The paper also proposes a score of its own, y + log softmax(y); here it is the score that is asked for.
    """
    slopes = op.Sub(target.gradient, op.Mul(target.curvature, np.float32(0.5)))
    return _weighted_sum(op, spatial_mean(op, slopes), target.activation)


def unlike_similar_classes(op: GraphBuilder, score: ClassScore) -> Tensor:
    """The seed of S_c - 0.6 mean_d S_d, d the three classes whose scores are nearest to the class's own.

    With a class to compare with, that class alone is d. In a model with one output the other class has the negated
    score.
    """
    own = score.weights(score.chosen)
    if score.against is not None:
        return op.Sub(own, op.Mul(score.weights(score.against), _COMPARISON_STRENGTH))
    classes = score.scores.size(1)
    if classes == 1:
        return op.Mul(own, np.float32(1) + _COMPARISON_STRENGTH)
    value = op.ReduceSum(op.Mul(score.scores, own), [1], keepdims=1)
    distance = op.Add(op.Abs(op.Sub(score.scores, value)), op.Mul(own, _OUT_OF_REACH))
    count = np.array([min(_SIMILAR_CLASSES, classes - 1)])
    _, similar = op.node("TopK", (distance, count), 2, axis=1, largest=0)
    others = op.OneHot(similar, np.array([classes]), np.array([0, 1], np.float32))
    return op.Sub(own, op.Mul(op.ReduceMean(others, [1], keepdims=0), _COMPARISON_STRENGTH))


@method(
    "finer-cam",
    "Grad-CAM of what sets the class apart from the most similar classes",
    "Zhang et al. 2025, CVPR",
    seed=unlike_similar_classes,
)
def finer_cam(op: GraphBuilder, target: Target) -> Tensor:
    """Finer-CAM: Grad-CAM of S_c - gamma mean_d S_d, d the three classes most similar to c, gamma = 0.6.

    Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation", CVPR 2025,
    section 3.2. Classes are similar whose scores in the image are near. torchcam does the same; pytorch-grad-cam takes
    gamma = 1 and weights the classes by their probabilities, which the paper does not.
    """
    return gradcam(op, target)


def _weighted_sum(op: GraphBuilder, weights: Tensor, activation: Tensor) -> Tensor:
    """ReLU(sum_k w_k A_k): (N, C, 1, 1) and (N, C, h, w) -> (N, h, w)."""
    return op.Relu(channel_sum(op, op.Mul(weights, activation)))


def _reciprocal_or_zero(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """1 / x, and 0 for x = 0."""
    zero = op.Equal(tensor, np.float32(0))
    return op.Where(zero, np.float32(0), op.Reciprocal(op.Where(zero, np.float32(1), tensor)))
