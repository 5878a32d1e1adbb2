"""nnabla's category *Neural Network Activation Functions*."""

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.reading.nnp.functions import function


@function("Sigmoid")
def sigmoid(op: GraphBuilder, x: Tensor) -> Tensor:
    """1 / (1 + exp(-x))."""
    return op.Sigmoid(x)


@function("Swish")
def swish(op: GraphBuilder, x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return op.Mul(x, op.Sigmoid(x))


@function("Tanh")
def tanh(op: GraphBuilder, x: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return op.Tanh(x)


@function("ReLU")
def relu(op: GraphBuilder, x: Tensor) -> Tensor:
    """max(x, 0)."""
    return op.Relu(x)


@function("LeakyReLU")
def leaky_relu(op: GraphBuilder, x: Tensor, *, alpha: float) -> Tensor:
    """alpha x below zero."""
    return op.LeakyRelu(x, alpha=alpha)


@function("Softmax")
def softmax(op: GraphBuilder, x: Tensor, *, axis: int) -> Tensor:
    """exp(x) / sum of exp(x) over ``axis``."""
    return op.Softmax(x, axis=axis)


@function("LogSoftmax")
def log_softmax(op: GraphBuilder, x: Tensor, *, axis: int) -> Tensor:
    """x - log(sum of exp(x) over ``axis``)."""
    return op.LogSoftmax(x, axis=axis)


@function("ELU")
def elu(op: GraphBuilder, x: Tensor, *, alpha: float) -> Tensor:
    """alpha (exp(x) - 1) below zero."""
    return op.Elu(x, alpha=alpha)


@function("SELU")
def selu(op: GraphBuilder, x: Tensor, *, scale: float, alpha: float) -> Tensor:
    """scale x above zero, scale alpha (exp(x) - 1) below."""
    return op.Selu(x, alpha=alpha, gamma=scale)


@function("CReLU")
def crelu(op: GraphBuilder, x: Tensor, *, axis: int) -> Tensor:
    """ReLU of x and of -x, side by side on ``axis``."""
    return op.Concat(op.Relu(x), op.Relu(op.Neg(x)), axis=axis)


@function("CELU")
def celu(op: GraphBuilder, x: Tensor, *, alpha: float, axis: int) -> Tensor:
    """ELU of x and of -x, side by side on ``axis``."""
    return op.Concat(op.Elu(x, alpha=alpha), op.Elu(op.Neg(x), alpha=alpha), axis=axis)


@function("PReLU")
def prelu(op: GraphBuilder, x: Tensor, slope: Tensor, *, base_axis: int) -> Tensor:
    """Slope times x below zero; ``slope`` is one value, or one for each index of ``base_axis``."""
    later_axes = len(x.shape[base_axis:]) - 1
    return op.PRelu(x, op.Reshape(slope, [-1] + [1] * later_axes))


@function("GELU")
def gelu(op: GraphBuilder, x: Tensor) -> Tensor:
    """x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    return op.Gelu(x, approximate="tanh")


@function("Mish")
def mish(op: GraphBuilder, x: Tensor) -> Tensor:
    """x tanh(log(1 + exp(x)))."""
    return op.Mul(x, op.Tanh(op.Softplus(x)))


@function("ReLU6")
def relu6(op: GraphBuilder, x: Tensor) -> Tensor:
    """x clipped to 0 .. 6."""
    return op.Clip(x, 0.0, 6.0)


@function("HardSigmoid")
def hard_sigmoid(op: GraphBuilder, x: Tensor) -> Tensor:
    """0.2 x + 0.5 clipped to 0 .. 1."""
    return op.HardSigmoid(x, alpha=0.2, beta=0.5)


@function("HardTanh")
def hard_tanh(op: GraphBuilder, x: Tensor) -> Tensor:
    """x clipped to -1 .. 1."""
    return op.Clip(x, -1.0, 1.0)


@function("LogSigmoid")
def log_sigmoid(op: GraphBuilder, x: Tensor) -> Tensor:
    """log(sigmoid(x)) = -log(1 + exp(-x)), which does not overflow far below zero."""
    return op.Neg(op.Softplus(op.Neg(x)))


@function("SoftPlus")
def softplus(op: GraphBuilder, x: Tensor, *, beta: float) -> Tensor:
    """log(1 + exp(beta x)) / beta."""
    return op.Softplus(x) if beta == 1 else op.Div(op.Softplus(op.Mul(x, beta)), beta)


@function("SoftSign")
def softsign(op: GraphBuilder, x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return op.Softsign(x)


@function("TanhShrink")
def tanh_shrink(op: GraphBuilder, x: Tensor) -> Tensor:
    """x - tanh(x)."""
    return op.Sub(x, op.Tanh(x))


@function("Sinc")
def sinc(op: GraphBuilder, x: Tensor) -> Tensor:
    """sin(x) / x, 1 at zero; zero is never the divisor, so that the derivative there is a number too."""
    at_zero, one = op.Equal(x, 0.0), op.constant(1.0, x.dtype)
    return op.Where(at_zero, one, op.Div(op.Sin(x), op.Where(at_zero, one, x)))
