"""Derivatives of arithmetic, of elementary functions, and of choices between operands."""

from functools import reduce
from math import pi, sqrt

from onnx import helper

from whylight.gradient.broadcast import masked, nonzero
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


@rule("Identity", "Dropout")
def identity(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g."""
    return grad


@rule("Floor", "Ceil", "Round")
def rounding(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g, as nnabla has it: the true derivative, zero, would hide all that comes before a quantization."""
    return grad


@rule("Sign", "Hardmax", "EyeLike", "RandomNormalLike", "RandomUniformLike", "Bernoulli")
def constant(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> None:
    """Zero: small changes of x do not change y."""


@rule("Cast", "CastLike")
def cast(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g in the type of x."""
    return op.Cast(grad, to=helper.np_dtype_to_tensor_dtype(node.input.dtype))


@rule("Neg")
def neg(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """-g."""
    return op.Neg(grad)


@rule("Abs")
def absolute(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g sign(x)."""
    return op.Mul(grad, op.Sign(node.input))


@rule("Exp")
def exp(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g y."""
    return op.Mul(grad, node.output)


@rule("Log")
def logarithm(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / x."""
    return op.Div(grad, node.input)


@rule("Sqrt")
def square_root(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / (2 y); zero where y = 0, as behind a ReLU."""
    return op.Div(masked(op, op.Greater(node.output, 0.0), grad), op.Mul(nonzero(op, node.output), 2.0))


@rule("Reciprocal")
def reciprocal(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """-g y^2."""
    return op.Neg(op.Mul(grad, _square(op, node.output)))


@rule("Add")
def add(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g and g."""
    return grad, grad


@rule("Sub")
def sub(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g and -g."""
    return grad, lambda: op.Neg(grad)


@rule("Mul")
def mul(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g b and g a."""
    a, b = node.inputs
    return lambda: op.Mul(grad, b), lambda: op.Mul(grad, a)


@rule("Div")
def div(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g / b and -g y / b."""
    _, b = node.inputs
    return lambda: op.Div(grad, b), lambda: op.Neg(op.Mul(op.Div(grad, b), node.output))


@rule("Mod")
def mod(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g and -g trunc(a / b)."""
    a, b = node.inputs
    return grad, lambda: op.Mul(grad, op.Div(op.Sub(node.output, a), b))


@rule("Pow")
def power(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g b a^(b - 1), zero where that is infinite; g y log(a), zero where a <= 0."""
    a, b = node.inputs
    zero = op.constant(0, a.dtype)
    exponent = op.CastLike(b, a)

    def of_base() -> Tensor:
        if b.value is not None and b.value.size == 1 and b.value.item() == 2:
            return op.Mul(grad, op.Mul(a, 2.0))
        lowered = op.Sub(exponent, 1.0)
        infinite = op.And(op.Equal(a, zero), op.Less(lowered, zero))
        return op.Mul(grad, op.Mul(exponent, op.Where(infinite, zero, op.Pow(a, lowered))))

    def of_exponent() -> Tensor:
        return op.Mul(grad, op.Where(op.Greater(a, zero), op.Mul(node.output, op.Log(a)), zero))

    return of_base, of_exponent


@rule("Sum")
def sum_of_operands(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g for each."""
    return (grad,) * len(node.inputs)


@rule("Mean")
def mean_of_operands(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g / count for each."""
    return (lambda: op.Div(grad, float(len(node.inputs))),) * len(node.inputs)


@rule("Min", "Max")
def extreme_operand(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g for the first operand that is the extreme one."""
    gradients: list[Gradient] = []
    earlier: Tensor | None = None
    for operand in node.inputs:
        chosen = op.Equal(operand, node.output)
        first = op.And(chosen, op.Not(earlier)) if earlier else chosen
        earlier = op.Or(chosen, earlier) if earlier else chosen
        gradients.append(masked(op, first, grad))
    return tuple(gradients)


@rule("Clip")
def clip(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """g strictly between the bounds; for a bound, g where x is beyond it."""
    x, low, high = node.input, node.operand("min", 1), node.operand("max", 2)

    def of_x() -> Tensor:
        above = [] if low is None else [op.Greater(node.output, low)]
        below = [] if high is None else [op.Less(node.output, high)]
        return masked(op, reduce(op.And, above + below), grad) if above + below else grad

    return of_x, lambda: masked(op, op.Less(x, low), grad), lambda: masked(op, op.Greater(x, high), grad)


@rule("Where")
def where(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> tuple[Gradient, ...]:
    """None for the condition; g where each operand was chosen."""
    condition, _, _ = node.inputs
    return None, lambda: masked(op, condition, grad), lambda: masked(op, op.Not(condition), grad)


@rule("Sin")
def sin(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g cos(x)."""
    return op.Mul(grad, op.Cos(node.input))


@rule("Cos")
def cos(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """-g sin(x)."""
    return op.Neg(op.Mul(grad, op.Sin(node.input)))


@rule("Tan")
def tan(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g (y^2 + 1)."""
    return op.Mul(grad, op.Add(_square(op, node.output), 1.0))


@rule("Asin")
def asin(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / sqrt(1 - x^2)."""
    return op.Div(grad, op.Sqrt(op.Sub(1.0, _square(op, node.input))))


@rule("Acos")
def acos(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """-g / sqrt(1 - x^2)."""
    return op.Neg(op.Div(grad, op.Sqrt(op.Sub(1.0, _square(op, node.input)))))


@rule("Atan")
def atan(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / (x^2 + 1)."""
    return op.Div(grad, op.Add(_square(op, node.input), 1.0))


@rule("Sinh")
def sinh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g cosh(x)."""
    return op.Mul(grad, op.Cosh(node.input))


@rule("Cosh")
def cosh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g sinh(x)."""
    return op.Mul(grad, op.Sinh(node.input))


@rule("Asinh")
def asinh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / sqrt(x^2 + 1)."""
    return op.Div(grad, op.Sqrt(op.Add(_square(op, node.input), 1.0)))


@rule("Acosh")
def acosh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / sqrt(x^2 - 1)."""
    return op.Div(grad, op.Sqrt(op.Sub(_square(op, node.input), 1.0)))


@rule("Atanh")
def atanh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g / (1 - x^2)."""
    return op.Div(grad, op.Sub(1.0, _square(op, node.input)))


@rule("Erf")
def erf(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
    """g 2 / sqrt(pi) exp(-x^2)."""
    return op.Mul(grad, op.Mul(op.Exp(op.Neg(_square(op, node.input))), 2 / sqrt(pi)))


def _square(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Mul(x, x)
