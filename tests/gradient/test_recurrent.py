"""Derivatives of recurrent layers: the layers themselves are written step by step in other operators."""

from collections.abc import Callable

import numpy as np
import pytest

from gradient.differences import Array, Case, assert_derivative, batch, distinct, run, session
from whylight.errors import WhylightError
from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import BATCH, Tensor

STEPS, INPUTS, HIDDEN = 3, 4, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def weights(operator: str, directions: int) -> list[Array]:
    rows = GATES[operator] * HIDDEN
    return [distinct((directions, rows, count), -1, 1) for count in (INPUTS, HIDDEN)] + [
        distinct((directions, 2 * rows), -0.6, 0.5)
    ]


def layer(operator: str, direction: str, of: int, after: int) -> Callable[[GraphBuilder, Tensor], Tensor]:
    def build(op: GraphBuilder, x: Tensor) -> Tensor:
        attributes = {"linear_before_reset": after} if operator == "GRU" else {}
        parameters = weights(operator, 2 if direction == "bidirectional" else 1)
        sequence = op.Transpose(x, perm=[1, 0, 2])
        outputs = op.node(
            operator,
            [sequence, *parameters],
            3 if operator == "LSTM" else 2,
            hidden_size=HIDDEN,
            direction=direction,
            **attributes,
        )
        return op.Transpose(outputs[of], perm=[1, 0, 2]) if of else op.Transpose(outputs[0], perm=[2, 0, 1, 3])

    return build


def by_steps(operator: str, direction: str, of: int, after: int) -> Callable[[GraphBuilder, Tensor], Tensor]:
    """The specification's equations; gates in the order i o f c, or z r h."""

    def one_direction(op: GraphBuilder, x: Tensor, index: int, steps: range) -> list[Tensor]:
        count = 2 if direction == "bidirectional" else 1
        w, r, b = (values[index].astype(np.float64) for values in weights(operator, count))
        given, back = b[: len(w)], b[len(w) :]
        zeros = op.Mul(op.Slice(op.Squeeze(op.Slice(x, [0], [1], [1]), [1]), [0], [HIDDEN], [1]), 0.0)
        state, cell = zeros, zeros
        states: dict[int, Tensor] = {}
        for step in steps:
            now = op.Squeeze(op.Slice(x, [step], [step + 1], [1]), [1])

            def gate(place: int, previous: Tensor, part: str = "both", now: Tensor = now) -> Tensor:
                rows = slice(place * HIDDEN, (place + 1) * HIDDEN)
                fed = op.Add(op.MatMul(now, w[rows].T), given[rows])
                fed_back = op.Add(op.MatMul(previous, r[rows].T), back[rows])
                return {"both": op.Add(fed, fed_back), "input": fed, "state": fed_back}[part]

            if operator == "LSTM":
                i, o, f = (op.Sigmoid(gate(place, state)) for place in range(3))
                cell = op.Add(op.Mul(f, cell), op.Mul(i, op.Tanh(gate(3, state))))
                state = op.Mul(o, op.Tanh(cell))
            elif operator == "GRU":
                z, reset = op.Sigmoid(gate(0, state)), op.Sigmoid(gate(1, state))
                fed_back = op.Mul(reset, gate(2, state, "state")) if after else gate(2, op.Mul(reset, state), "state")
                new = op.Tanh(op.Add(gate(2, state, "input"), fed_back))
                state = op.Add(op.Mul(op.Sub(1.0, z), new), op.Mul(z, state))
            else:
                state = op.Tanh(gate(0, state))
            states[step] = state
        ordered = [op.Unsqueeze(states[step], [1]) for step in range(STEPS)]
        return [
            op.Unsqueeze(op.Concat(*ordered, axis=1), [2]),
            op.Unsqueeze(state, [1]),
            op.Unsqueeze(cell, [1]),
        ]

    def build(op: GraphBuilder, x: Tensor) -> Tensor:
        ways = {"forward": [range(STEPS)], "reverse": [range(STEPS)[::-1]]}
        ways["bidirectional"] = ways["forward"] + ways["reverse"]
        results = [one_direction(op, x, index, steps)[of] for index, steps in enumerate(ways[direction])]
        return op.Concat(*results, axis=1 if of else 2) if len(results) > 1 else results[0]

    return build


CASES = [
    Case(
        f"{operator} {direction} output {of} reset after {after}",
        layer(operator, direction, of, after),
        by_steps(operator, direction, of, after),
        (batch(STEPS, INPUTS),),
    )
    for operator, outputs in (("LSTM", 3), ("GRU", 2), ("RNN", 2))
    for direction in ("forward", "reverse", "bidirectional")
    for of in range(outputs)
    for after in ((0, 1) if operator == "GRU" else (0,))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_derivative(case: Case) -> None:
    assert_derivative(case)


def test_a_layer_that_goes_on_where_another_ended() -> None:
    """In two parts, the second begins with the first one's state and cell."""

    def whole(op: GraphBuilder, x: Tensor) -> Tensor:
        return op.node("LSTM", [op.Transpose(x, perm=[1, 0, 2]), *weights("LSTM", 1)], 1, hidden_size=HIDDEN)[0]

    def in_parts(op: GraphBuilder, x: Tensor) -> Tensor:
        first, second = op.node("Split", [op.Transpose(x, perm=[1, 0, 2]), [1, STEPS - 1]], 2, axis=0)
        parameters = weights("LSTM", 1)
        y, h, c = op.node("LSTM", [first, *parameters], 3, hidden_size=HIDDEN)
        rest = op.node("LSTM", [second, *parameters, None, op.Identity(h), c], 1, hidden_size=HIDDEN)[0]
        return op.Concat(y, rest, axis=0)

    op = GraphBuilder()
    x = op.input("x", (BATCH, STEPS, INPUTS))
    y = whole(op, x)
    parts = in_parts(op, x)
    seed = op.constant(distinct((STEPS, 1, 2, HIDDEN), -1, 1))
    kept = op.Slice(seed, [1], [STEPS], [0])
    expected = gradient(op, y, op.Pad(kept, [1, 0, 0, 0, 0, 0, 0, 0]), [x])[0]
    with pytest.raises(WhylightError, match="LSTM has a derivative rule for its sequence alone"):
        gradient(op, parts, seed, [x])
    second = op.nodes[[node.output[0] for node in op.nodes].index(parts.name) - 1]
    actual = gradient(op, op.tensors[second.output[0]], kept, [op.tensors[second.input[0]]])[0]
    whole_slope, slope = run(
        session(op.model([expected, actual], "gradient")), {"x": distinct((2, STEPS, INPUTS), -1, 1)}
    )
    np.testing.assert_allclose(slope, whole_slope.transpose(1, 0, 2)[1:], rtol=1e-4, atol=1e-6)


def test_variants_are_refused() -> None:
    op = GraphBuilder()
    x = op.input("x", (STEPS, BATCH, INPUTS))
    y, _ = op.node("RNN", [x, *weights("RNN", 1)], 2, hidden_size=HIDDEN, activations=["Relu"], clip=1.0)
    with pytest.raises(WhylightError, match="RNN with clip, activations has no derivative rule"):
        gradient(op, y, y, [x])
