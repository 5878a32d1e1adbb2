"""Derivatives of arithmetic, elementary functions and choices."""

import numpy as np
import pytest

from gradient.differences import Case, assert_derivative, batch, case, fixed, free, run, session
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder

CASES = [
    case("Identity", batch(3)),
    case("Dropout", batch(3)),
    case("Neg", batch(3)),
    case("Abs", batch(3)),
    case("Exp", batch(3)),
    case("Log", batch(3, low=0.2)),
    case("Sqrt", batch(3, low=0.2)),
    case("Reciprocal", batch(3, low=0.2)),
    case("Add", batch(3, 4), batch(3, 4)),
    case("Add", batch(3, 4), free(4)),
    case("Sub", batch(3, 4), free(3, 1)),
    case("Sub", free(), batch(3)),
    case("Mul", batch(3, 4), batch(1, 4)),
    case("Mul", free(1, 3, 1), batch(3, 4)),
    case("Div", batch(3, 4), free(3, 1, low=0.5)),
    case("Div", free(1), batch(3, low=0.5)),
    case("Mod", batch(3, 4, low=3, high=9), free(4, low=1.1, high=1.9), fmod=1),
    case("Pow", batch(3, low=0.2), free(3)),
    case("Pow", batch(3), fixed(low=2, high=2)),
    case("Pow", batch(3), fixed(low=3, high=3)),
    case("Pow", batch(3), np.array([0, 1, 2])),
    case("Sum", batch(3), free(3), free(1)),
    case("Mean", batch(3), free(3), free(1)),
    case("Min", batch(5), free(5), free(1, low=0, high=1)),
    case("Max", batch(5), free(5), free(1, low=0, high=1)),
    case("Clip", batch(5), fixed(low=-1, high=-1), fixed(low=0.5, high=0.5)),
    case("Clip", batch(5), None, fixed(low=0.5, high=0.5)),
    case("Clip", batch(5), free(low=-1, high=-1), free(low=0.5, high=0.5)),
    case("Where", np.array([[True], [False], [True]]), batch(3, 4), free(4)),
    case("Sin", batch(3)),
    case("Cos", batch(3)),
    case("Tan", batch(3, low=-1, high=1)),
    case("Asin", batch(3, low=-0.8, high=0.8)),
    case("Acos", batch(3, low=-0.8, high=0.8)),
    case("Atan", batch(3)),
    case("Sinh", batch(3)),
    case("Cosh", batch(3)),
    case("Asinh", batch(3)),
    case("Acosh", batch(3, low=1.5, high=3)),
    case("Atanh", batch(3, low=-0.8, high=0.8)),
    case("Erf", batch(3)),
    case("Floor", batch(3), exact=lambda op, x: op.Identity(x)),
    case("Ceil", batch(3), exact=lambda op, x: op.Identity(x)),
    case("Round", batch(3), exact=lambda op, x: op.Identity(x)),
    case("Sign", batch(3)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)


@pytest.mark.parametrize("operator", ["Min", "Max"])
def test_equal_operands_leave_the_gradient_to_the_first(operator: str) -> None:
    op = GraphBuilder()
    operands = [op.input(name, (1,)) for name in "abc"]
    grads = gradient(op, op.node(operator, operands, 1)[0], op.constant([5.0], np.float32), operands)
    values = run(session(op.model(grads, "gradient")), {name: np.ones(1) for name in "abc"})
    assert [float(value[0]) for value in values] == [5, 0, 0]


def test_power_at_zero() -> None:
    op = GraphBuilder()
    a, b = op.input("a", (3,)), op.input("b", (3,))
    grads = gradient(op, op.Pow(a, b), op.constant([1, 1, 1], np.float32), [a, b])
    of_a, of_b = run(session(op.model(grads, "gradient")), {"a": np.zeros(3), "b": np.array([0, 1, 2])})
    assert of_a.tolist() == [0, 1, 0]
    assert of_b.tolist() == [0, 0, 0]


def test_a_root_behind_a_relu_stays_finite() -> None:
    op = GraphBuilder()
    x = op.input("x", (2,))
    for root in (op.Sqrt(op.Relu(x)), op.Pow(op.Relu(x), 0.5)):
        (grad,) = gradient(op, root, op.constant([1, 1], np.float32), [x])
        values = run(session(op.model([grad], "gradient")), {"x": np.array([-1, 4])})[0]
        np.testing.assert_allclose(values, [0, 0.25])
