"""Derivatives of matrix products and convolutions."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from whylight.errors import WhylightError
from whylight.gradient.broadcast import channel_sums
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.gradient.window import Window, window_of
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

_FEW = 8
"""An image has so many times the places of a convolution that has few."""


@rule("MatMul")
def matmul(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g B^T and A^T g; a vector A is a row, a vector B a column."""
    a, b = node.inputs
    row = op.Unsqueeze(a, [0]) if a.rank == 1 else a
    column = op.Unsqueeze(b, [1]) if b.rank == 1 else b
    if b.rank == 1:
        grad = op.Unsqueeze(grad, [-1])
    if a.rank == 1:
        grad = op.Unsqueeze(grad, [-2])

    def of_b() -> Tensor:
        product = op.MatMul(_matrix_transposed(op, row), grad)
        return op.Squeeze(product, [-1]) if b.rank == 1 else product

    def of_a() -> Tensor:
        product = op.MatMul(grad, _matrix_transposed(op, column))
        return op.Squeeze(product, [-2]) if a.rank == 1 else product

    return of_a, of_b


@rule("Gemm")
def gemm(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """Of alpha A B + beta C: alpha g B^T, alpha A^T g and beta g, where A and B may stand transposed."""
    a, b, _ = node.inputs
    alpha, beta = node.attributes["alpha"], node.attributes["beta"]
    flip_a, flip_b = node.attributes["transA"], node.attributes["transB"]

    def of_a() -> Tensor:
        if flip_a:
            return op.Gemm(b, grad, alpha=alpha, transA=flip_b, transB=1)
        return op.Gemm(grad, b, alpha=alpha, transB=1 - flip_b)

    def of_b() -> Tensor:
        if flip_b:
            return op.Gemm(grad, a, alpha=alpha, transA=1, transB=flip_a)
        return op.Gemm(a, grad, alpha=alpha, transA=1 - flip_a)

    return of_a, of_b, lambda: op.Mul(grad, beta)


@rule("Einsum")
def einsum(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """The product of g and the other operands, summed to the operand's own letters."""
    terms, result = _subscripts(node.attributes["equation"])
    if any(term.count(letter) > 1 for term in terms for letter in term.replace("...", "")):
        raise WhylightError(f"'{node.name}': Einsum of a diagonal has no derivative rule")

    def of_operand(index: int) -> Tensor:
        others = ",".join([result, *terms[:index], *terms[index + 1 :]])
        term = terms[index] if "..." in terms[index] or "..." not in others else f"...{terms[index]}"
        summed = [letter for letter in terms[index].replace("...", "") if letter not in others]
        ones = [np.ones(node.inputs[index].size(_axis(terms[index], letter)), grad.dtype) for letter in summed]
        operands = [grad, *node.inputs[:index], *node.inputs[index + 1 :], *ones]
        return op.Einsum(*operands, equation=f"{','.join([others, *summed])}->{term}")

    return tuple(lambda index=index: of_operand(index) for index in range(len(terms)))


def _subscripts(equation: str) -> tuple[list[str], str]:
    """The letters of each operand, and those of the result."""
    operands, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        ellipsis = "..." if "..." in operands else ""
        letters = operands.replace("...", "").replace(",", "")
        result = ellipsis + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return operands.split(","), result


def _axis(term: str, letter: str) -> int:
    """The axis of ``letter`` in an operand; counted from the end where it stands after the ellipsis."""
    before, _, after = term.partition("...")
    return before.index(letter) if letter in before else after.index(letter) - len(after)


@rule("Conv")
def convolution(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """The transposed convolution of g; the correlation of x with g; the sum of g."""
    x, weight, _ = node.inputs
    window, group = window_of(node, _kernel(weight), x, node.output), node.attributes["group"]
    return (
        lambda: _image_gradient(op, x, weight, grad, window, group),
        lambda: _weight_gradient(op, x, weight, grad, window, group),
        lambda: channel_sums(op, grad),
    )


@rule("ConvTranspose")
def transposed_convolution(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """The convolution of g; the correlation of g with x; the sum of g."""
    x, weight, _ = node.inputs
    window, group = window_of(node, _kernel(weight), node.output, x), node.attributes["group"]
    return (
        lambda: _convolved(op, grad, weight, window, group),
        lambda: _weight_gradient(op, grad, weight, x, window, group),
        lambda: channel_sums(op, grad),
    )


def _image_gradient(
    op: GraphBuilder, image: Tensor, weight: Tensor, grad: Tensor, window: Window, group: int
) -> Tensor:
    """The transposed convolution of ``grad``.

    With stride 1 it is written as a convolution with the flipped weight, the faster of the two in ONNX Runtime. That
    multiplies for every place of the image, though, and holds a second copy of the weight: where a convolution has few
    places, as one in the place of a fully connected layer, it is left as it is.
    """
    begins = tuple(reach - begin for reach, begin in zip(window.reach, window.begins, strict=True))
    ends = tuple(reach - end for reach, end in zip(window.reach, window.ends, strict=True))
    is_plain = set(window.strides) == {1} and min(begins + ends) >= 0
    if weight.value is not None and is_plain and not _has_few_places(grad, image):
        return _convolved(op, grad, _flipped(weight.value, group), replace(window, begins=begins, ends=ends), group)
    uncovered = [image.size(axis) - size for axis, size in enumerate(window.covered(grad), 2)]
    return op.ConvTranspose(
        grad,
        weight,
        strides=window.strides,
        dilations=window.dilations,
        pads=window.begins + window.ends,
        output_padding=uncovered,
        group=group,
    )


def _has_few_places(features: Tensor, image: Tensor) -> bool:
    extents = (*features.shape[2:], *image.shape[2:])
    if not all(isinstance(extent, int) for extent in extents):
        return False
    return _FEW * prod(map(features.size, range(2, features.rank))) <= prod(map(image.size, range(2, image.rank)))


def _weight_gradient(
    op: GraphBuilder, image: Tensor, weight: Tensor, features: Tensor, window: Window, group: int
) -> Tensor:
    """The correlation of image (N, group c, ...) with features (N, group m, ...): (group m, c, *kernel).

    A convolution that has the image's channels as its batch and the batch as its channels, and the window's
    strides and dilations exchanged.
    """
    sizes = [image.size(axis) for axis in range(1, image.rank)]
    spatial = range(3, image.rank + 1)
    grouped = op.Reshape(image, [-1, group, sizes[0] // group, *sizes[1:]])
    planes = op.Reshape(op.Transpose(grouped, perm=[2, 1, 0, *spatial]), [sizes[0] // group, -1, *sizes[1:]])
    kernels = op.Transpose(features, perm=[1, 0, *range(2, features.rank)])
    exchanged = replace(window, strides=window.dilations, dilations=window.strides)
    correlation = op.Transpose(_convolved(op, planes, kernels, exchanged, group), perm=[1, 0, *range(2, image.rank)])
    axes = list(range(2, image.rank))
    return op.Slice(correlation, [0] * len(axes), window.kernel, axes)


def _convolved(
    op: GraphBuilder, x: Tensor, weight: Tensor | np.ndarray[Any, Any], window: Window, group: int
) -> Tensor:
    return op.Conv(
        x,
        weight,
        strides=window.strides,
        dilations=window.dilations,
        pads=window.begins + window.ends,
        group=group,
    )


def _flipped(weight: np.ndarray[Any, Any], group: int) -> np.ndarray[Any, Any]:
    """The weight (group m, c, *kernel) with both directions reversed: (group c, m, *kernel)."""
    outputs, channels, *kernel = weight.shape
    grouped = weight.reshape(group, outputs // group, channels, *kernel).swapaxes(1, 2)
    return np.flip(grouped.reshape(group * channels, outputs // group, *kernel), tuple(range(2, weight.ndim)))


def _kernel(weight: Tensor) -> tuple[int, ...]:
    return tuple(weight.size(axis) for axis in range(2, weight.rank))


def _matrix_transposed(op: GraphBuilder, matrix: Tensor) -> Tensor:
    return op.Transpose(matrix, perm=[*range(matrix.rank - 2), matrix.rank - 1, matrix.rank - 2])
