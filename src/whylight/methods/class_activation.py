"""Class activation maps: the target layer's channels, weighted by what the class score owes to each."""

from whylight.graph import GraphBuilder, Tensor
from whylight.methods import method


@method("gradcam", "ReLU of the channels' sum, each weighted by its mean gradient (Selvaraju et al. 2017)")
def gradcam(op: GraphBuilder, activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM: ReLU(sum_k alpha_k A_k), with alpha_k the spatial mean of dS/dA_k.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    ICCV 2017, equations 1 and 2.
    """
    weights = op.ReduceMean(gradient, [2, 3], keepdims=1)
    return op.Relu(op.ReduceSum(op.Mul(weights, activation), [1], keepdims=0))


@method("gradcam-nnc", "the Console plugins' variant: mean over channels of ReLU", negates_class_zero=False)
def gradcam_nnc(op: GraphBuilder, activation: Tensor, gradient: Tensor) -> Tensor:
    """Neural Network Console's variant: mean_k ReLU(alpha_k A_k), with alpha_k as in Grad-CAM.

    The plugins differentiate the output after Softmax or Sigmoid (``score="output"``), and know one class for a
    model with one output: the output itself.
    """
    weights = op.ReduceMean(gradient, [2, 3], keepdims=1)
    return op.ReduceMean(op.Relu(op.Mul(weights, activation)), [1], keepdims=0)
