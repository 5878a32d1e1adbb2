"""Maps without weights: what the layer's channels have in common, and where they are unusual.

A principal component is defined up to its sign. The peers leave that to their linear algebra package; here it is fixed.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from whylight.errors import WhylightError
from whylight.methods import method
from whylight.methods.axes import channel_sum, spatial_axes, spatial_mean

if TYPE_CHECKING:
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target

_SQUARINGS = 16
_MOST_PLACES = 4096
_UNUSUAL = np.float32(2)
_TINY = np.finfo(np.float32).tiny


@method("eigencam", "the channels' first principal component", "Muhammad and Yeasin 2020, IJCNN")
def eigencam(op: GraphBuilder, target: Target) -> Tensor:
    """Eigen-CAM: ReLU(A v), v the first principal component of the places' channels.

    Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020, section III. The
    paper takes the principal components by a singular value decomposition; they are those of centered data, as in
    pytorch-grad-cam. The sign is the one in which the largest value is positive (Chung and Ying, "Seg-Eigen-CAM",
    Applied Sciences 2025, equation 13). The map is the same for all classes.
    """
    projection = _principal_component(op, _places(op, target.activation))
    return op.Relu(_laid_out(op, _largest_positive(op, projection), target.activation))


@method(
    "eigen-gradcam", "the first principal component of gradient times activation", "Gildenblat et al., pytorch-grad-cam"
)
def eigen_gradcam(op: GraphBuilder, target: Target) -> Tensor:
    """Eigen-Grad-CAM: as Eigen-CAM, of the products of gradient and activation.

    No paper; defined by pytorch-grad-cam (EigenGradCAM). The sign is the one in which the map agrees with the products'
    sum over the channels, which is what speaks for the class.
    """
    places = _places(op, op.Mul(target.gradient, target.activation))
    projection = _principal_component(op, places)
    agreement = op.ReduceSum(op.Mul(projection, op.ReduceSum(places, [2], keepdims=1)), [1], keepdims=1)
    return op.Relu(_laid_out(op, _signed(op, projection, agreement), target.activation))


@method("kpca-cam", "the first kernel principal component of the places' channels", "Karmani et al. 2024, arXiv")
def kpca_cam(op: GraphBuilder, target: Target) -> Tensor:
    """KPCA-CAM: ReLU of the first principal component in the space of the kernel tanh(x y / C + 1).

    Karmani et al., "KPCA-CAM: Visual Explainability of Deep Computer Vision Models using Kernel PCA", arXiv
    2410.00267. The kernel and its parameters are those of pytorch-grad-cam, of which the authors' method is a part:
    channels are centered, x and y are two places' C channels, and the kernel is centered too. Sign as in `eigencam`.

    Raises:
        WhylightError: the layer has so many places that one row of the kernel for each does not fit in memory.
    """
    places = _places(op, target.activation)
    count = places.size(1)
    if count > _MOST_PLACES:
        raise WhylightError(
            f"method 'kpca-cam' compares each place of a layer with all others: '{target.layer_output.name}' has "
            f"{count} of them, expected {_MOST_PLACES} at most; choose a layer nearer to the output"
        )
    products = op.MatMul(places, op.Transpose(places, perm=[0, 2, 1]))
    kernel = op.Tanh(op.Add(op.Div(products, np.float32(places.size(2))), np.float32(1)))
    columns = op.ReduceMean(kernel, [1], keepdims=1)
    rows = op.ReduceMean(kernel, [2], keepdims=1)
    kernel = op.Add(op.Sub(op.Sub(kernel, columns), rows), op.ReduceMean(columns, [2], keepdims=1))
    # tanh is no positive kernel: the shift makes the largest eigenvalue the largest in size as well
    size = op.Sqrt(op.ReduceSumSquare(kernel, [1, 2], keepdims=1))
    shifted = op.Add(kernel, op.Mul(size, np.eye(count, dtype=np.float32)))
    projection = _scaled_by_root(op, kernel, _first_eigenvector(op, shifted))
    return op.Relu(_laid_out(op, _largest_positive(op, projection), target.activation))


@method("fem", "where channels are unusually active, each counted by its mean", "Fuad et al. 2020, IPTA")
def fem(op: GraphBuilder, target: Target) -> Tensor:
    """FEM: sum_k mean(A_k) B_k, B_k = 1 where A_k >= mean(A_k) + 2 std(A_k), else 0.

    Fuad et al., "Features Understanding in 3D CNNs for Actions Recognition in Video", IPTA 2020. The paper's features
    are rectified: of a layer before its ReLU, or without one, A is what is above zero. (Where a channel is negative on
    average, what is unusual in it would count against its place.) pytorch-grad-cam has the two changed over: it sums
    the activations A_k, each weighted by the mean of B_k. The map is the same for all classes.
    """
    activation = op.Relu(target.activation)
    mean = spatial_mean(op, activation)
    deviation = op.Sub(activation, mean)
    spread = op.Sqrt(op.ReduceMean(op.Mul(deviation, deviation), spatial_axes(activation), keepdims=1))
    unusual = op.CastLike(op.GreaterOrEqual(deviation, op.Mul(spread, _UNUSUAL)), activation)
    return channel_sum(op, op.Mul(unusual, mean))


def _places(op: GraphBuilder, tensor: Tensor) -> Tensor:
    """Feature maps (N, C, h, w) as (N, places, C), with the mean of each channel subtracted."""
    channels, count = tensor.size(1), prod(tensor.size(axis) for axis in spatial_axes(tensor))
    columns = op.with_shape(op.Reshape(tensor, [0, channels, count]), (tensor.shape[0], channels, count))
    return op.Transpose(op.Sub(columns, op.ReduceMean(columns, [2], keepdims=1)), perm=[0, 2, 1])


def _laid_out(op: GraphBuilder, column: Tensor, like: Tensor) -> Tensor:
    """(N, places, 1) -> (N, h, w), the places of ``like``."""
    extents = [like.size(axis) for axis in spatial_axes(like)]
    return op.with_shape(op.Reshape(column, [0, *extents]), (like.shape[0], *extents))


def _principal_component(op: GraphBuilder, places: Tensor) -> Tensor:
    """The projection (N, places, 1) of centered data (N, places, C) on its first principal component, of either sign.

    By the smaller of the two matrices that have it as their first eigenvector.
    """
    across = op.Transpose(places, perm=[0, 2, 1])
    if places.size(1) <= places.size(2):
        products = op.MatMul(places, across)
        return _scaled_by_root(op, products, _first_eigenvector(op, products))
    return op.MatMul(places, _first_eigenvector(op, op.MatMul(across, places)))


def _scaled_by_root(op: GraphBuilder, matrix: Tensor, vector: Tensor) -> Tensor:
    """An eigenvector of length 1, times the root of its eigenvalue (zero for one below zero)."""
    eigenvalue = op.ReduceSum(op.Mul(vector, op.MatMul(matrix, vector)), [1], keepdims=1)
    return op.Mul(vector, op.Sqrt(op.Relu(eigenvalue)))


def _first_eigenvector(op: GraphBuilder, matrix: Tensor) -> Tensor:
    """The eigenvector (N, M, 1) of length 1 with the largest eigenvalue of symmetric matrices (N, M, M), or zero.

    The power method, with powers by squaring: all columns of matrix^65536 point along it, and the longest is taken.
    No loop is needed, and the error is below 1e-3 unless the second eigenvalue is within a ten-thousandth of the first.
    """
    power = matrix
    for _ in range(_SQUARINGS):
        power = op.Div(power, op.Max(op.ReduceMax(op.Abs(power), [1, 2], keepdims=1), _TINY))
        power = op.MatMul(power, power)
    lengths = op.ReduceSumSquare(power, [1], keepdims=0)
    size = np.array([matrix.size(1)])
    longest = op.OneHot(op.ArgMax(lengths, axis=1, keepdims=0), size, np.array([0, 1], np.float32))
    return _of_length_one(op, op.MatMul(matrix, _of_length_one(op, op.MatMul(power, op.Unsqueeze(longest, [2])))))


def _of_length_one(op: GraphBuilder, vector: Tensor) -> Tensor:
    """(N, M, 1); zero stays zero."""
    scaled = op.Div(vector, op.Max(op.ReduceMax(op.Abs(vector), [1], keepdims=1), _TINY))
    return op.Div(scaled, op.Max(op.Sqrt(op.ReduceSumSquare(scaled, [1], keepdims=1)), _TINY))


def _largest_positive(op: GraphBuilder, column: Tensor) -> Tensor:
    """(N, M, 1), negated where its lowest value is larger in size than its highest."""
    extremes = op.Add(op.ReduceMax(column, [1], keepdims=1), op.ReduceMin(column, [1], keepdims=1))
    return _signed(op, column, extremes)


def _signed(op: GraphBuilder, tensor: Tensor, sign: Tensor) -> Tensor:
    """``tensor``, negated where ``sign`` is below zero."""
    return op.Mul(tensor, op.Where(op.Less(sign, np.float32(0)), np.float32(-1), np.float32(1)))
