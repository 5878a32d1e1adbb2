"""Derivatives of activation functions."""

from math import pi, sqrt

from whylight.gradient.broadcast import indicator, masked
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("Relu")
def relu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for y > 0."""
    return masked(op, op.Greater(node.output, 0.0), grad)


@rule("LeakyRelu")
def leaky_relu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for x > 0, else alpha g."""
    alpha = node.attributes["alpha"]
    return op.Mul(grad, op.Add(_step(op, node.input, 1 - alpha), alpha))


@rule("PRelu")
def prelu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g for x > 0, else slope g; for the slope, g x for x < 0."""
    x, slope = node.inputs
    return (
        lambda: op.Mul(grad, op.Add(op.Mul(_step(op, x), op.Sub(1.0, slope)), slope)),
        lambda: masked(op, op.Less(x, 0.0), op.Mul(grad, x)),
    )


@rule("ThresholdedRelu")
def thresholded_relu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for x > alpha."""
    return masked(op, op.Greater(node.input, node.attributes["alpha"]), grad)


@rule("Elu")
def elu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for x > 0, else g alpha exp(x), which is g (y + alpha)."""
    alpha = node.attributes["alpha"]
    return op.Mul(grad, op.Add(op.Add(op.Min(node.output, 0.0), alpha), _step(op, node.input, 1 - alpha)))


@rule("Selu")
def selu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g gamma for x > 0, else g gamma alpha exp(x), which is g (y + gamma alpha)."""
    alpha, gamma = node.attributes["alpha"], node.attributes["gamma"]
    curve = op.Add(op.Min(node.output, 0.0), gamma * alpha)
    return op.Mul(grad, op.Add(curve, _step(op, node.input, gamma - gamma * alpha)))


@rule("Celu")
def celu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for x > 0, else g exp(x / alpha), which is g (y / alpha + 1)."""
    return op.Mul(grad, op.Add(op.Min(op.Div(node.output, node.attributes["alpha"]), 0.0), 1.0))


@rule("Sigmoid")
def sigmoid(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g y (1 - y)."""
    return op.Mul(grad, op.Mul(node.output, op.Sub(1.0, node.output)))


@rule("HardSigmoid")
def hard_sigmoid(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """alpha g for 0 < y < 1."""
    sloped = op.And(op.Greater(node.output, 0.0), op.Less(node.output, 1.0))
    return masked(op, sloped, op.Mul(grad, node.attributes["alpha"]))


@rule("HardSwish")
def hard_swish(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g (h + x / 6) with h = x / 6 + 1 / 2 for -3 < x < 3; g h above and below, where h is 1 and 0."""
    x = node.input
    sloped = masked(op, op.Less(op.Abs(x), 3.0), op.Div(x, 6.0))
    return op.Mul(grad, op.Add(op.HardSigmoid(x, alpha=1 / 6, beta=0.5), sloped))


@rule("Tanh")
def tanh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g (1 - y^2)."""
    return op.Mul(grad, op.Sub(1.0, op.Mul(node.output, node.output)))


@rule("Softplus")
def softplus(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g sigmoid(x)."""
    return op.Mul(grad, op.Sigmoid(node.input))


@rule("Softsign")
def softsign(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / (1 + |x|)^2."""
    scale = op.Add(op.Abs(node.input), 1.0)
    return op.Div(grad, op.Mul(scale, scale))


@rule("Mish")
def mish(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g (t + x (1 - t^2) sigmoid(x)) with t = tanh(softplus(x))."""
    x = node.input
    t = op.Tanh(op.Softplus(x))
    slope = op.Add(t, op.Mul(op.Mul(x, op.Sub(1.0, op.Mul(t, t))), op.Sigmoid(x)))
    return op.Mul(grad, slope)


@rule("Gelu")
def gelu(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g times the slope of the exact or the approximate form."""
    return op.Mul(grad, (_gelu_tanh if node.attributes["approximate"] == "tanh" else _gelu_erf)(op, node.input))


def _gelu_erf(op: GraphBuilder, x: Tensor) -> Tensor:
    """Of x P(x), P the normal distribution's integral and p its density: P(x) + x p(x)."""
    integral = op.Mul(op.Add(op.Erf(op.Mul(x, sqrt(0.5))), 1.0), 0.5)
    density = op.Mul(op.Exp(op.Mul(op.Mul(x, x), -0.5)), 1 / sqrt(2 * pi))
    return op.Add(integral, op.Mul(x, density))


def _gelu_tanh(op: GraphBuilder, x: Tensor) -> Tensor:
    """Of x (1 + t) / 2 with t = tanh(a (x + b x^3)): (1 + t + x (1 - t^2) a (1 + 3 b x^2)) / 2."""
    a, b = sqrt(2 / pi), 0.044715
    square = op.Mul(x, x)
    t = op.Tanh(op.Mul(x, op.Add(op.Mul(square, a * b), a)))
    inner = op.Mul(op.Sub(1.0, op.Mul(t, t)), op.Add(op.Mul(square, 3 * a * b), a))
    return op.Mul(op.Add(op.Add(t, 1.0), op.Mul(x, inner)), 0.5)


@rule("Shrink")
def shrink(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g for |x| > lambd."""
    return masked(op, op.Greater(op.Abs(node.input), node.attributes["lambd"]), grad)


@rule("Softmax")
def softmax(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """y (g - sum(g y))."""
    weighted = op.ReduceSum(op.Mul(grad, node.output), [node.attributes["axis"]], keepdims=1)
    return op.Mul(node.output, op.Sub(grad, weighted))


@rule("LogSoftmax")
def log_softmax(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g - exp(y) sum(g)."""
    total = op.ReduceSum(grad, [node.attributes["axis"]], keepdims=1)
    return op.Sub(grad, op.Mul(op.Exp(node.output), total))


def _step(op: GraphBuilder, x: Tensor, height: float = 1.0) -> Tensor:
    """``height`` for x > 0, else 0."""
    return op.Mul(indicator(op, op.Greater(x, 0.0), x), height)
