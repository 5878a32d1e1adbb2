"""Derivatives of recurrent layers with respect to the sequence, unrolled over its steps.

Within, tensors of one direction are (steps, N, ...), in the order in which the direction takes the steps. The slope of
a step's gates before their activation, times W, is the slope of the step's input; times R, it is what the state of the
step before owes to this one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NoReturn

import numpy as np
import onnx

from whylight.errors import WhylightError
from whylight.gradient.rule import ForwardNode, Gradient, rule
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor

_ACTIVATIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
_UNRULED = ("clip", "input_forget", "layout")

Slopes = tuple[Tensor, Tensor, Tensor | None]
"""Of a step: of its gates, of the state before it, and of the cell before it (LSTM)."""
Step = Callable[[Tensor, Tensor | None, Sequence[Tensor]], Slopes]
"""From the slopes of the state and the cell after a step, and the step's part of the factors, to those before it."""


@dataclass(frozen=True)
class Run:
    """One direction's pass over the sequence.

    Attributes:
        of_input: the gates' parts that come from the input, before their activation.
        of_state: those that come from the state, with their bias.
        before: the states before every step.
        after: the states after every step.
        first_cell: the cell before the first step (1, N, hidden), where it is given (LSTM).
        recurrence: R.
    """

    of_input: list[Tensor]
    of_state: list[Tensor]
    before: Tensor
    after: Tensor
    first_cell: Tensor | None
    recurrence: Tensor


Cell = Callable[[GraphBuilder, ForwardNode, Run], tuple[list[Tensor], Step]]
"""The factors of all steps (steps, N, hidden), and what one step does with its own."""


@rule("LSTM")
def lstm(op: GraphBuilder, node: ForwardNode, *grads: Tensor | None) -> tuple[Gradient, ...]:
    """Of c_t = f c_(t-1) + i u and h_t = o tanh(c_t), with the gates i, o, f and u = tanh of the last one.

    The slope of c_t is g o (1 - tanh(c_t)^2), and f_(t+1) times that of c_(t+1).
    """
    return _through_time(op, node, grads, _lstm_cell)


@rule("GRU")
def gru(op: GraphBuilder, node: ForwardNode, *grads: Tensor | None) -> tuple[Gradient, ...]:
    """Of h_t = (1 - z) u + z h_(t-1), with u = tanh(a + r b), b the part of the gate that comes from the state."""
    return _through_time(op, node, grads, _gru_cell)


@rule("RNN")
def rnn(op: GraphBuilder, node: ForwardNode, *grads: Tensor | None) -> tuple[Gradient, ...]:
    """Of h_t = tanh(W x_t + R h_(t-1) + b): g (1 - h_t^2)."""
    return _through_time(op, node, grads, _rnn_cell)


def _lstm_cell(op: GraphBuilder, node: ForwardNode, run: Run) -> tuple[list[Tensor], Step]:
    sums = [op.Add(a, b) for a, b in zip(run.of_input, run.of_state, strict=True)]
    i, o, f = (op.Sigmoid(part) for part in sums[:3])
    u = op.Tanh(sums[3])
    before, after = _cells(op, i, f, u, run.first_cell)
    squashed = op.Tanh(after)
    factors = [
        op.Mul(o, _tanh_slope(op, squashed)),
        op.Mul(u, _sigmoid_slope(op, i)),
        op.Mul(squashed, _sigmoid_slope(op, o)),
        op.Mul(before, _sigmoid_slope(op, f)),
        op.Mul(i, _tanh_slope(op, u)),
        f,
    ]

    def step(state: Tensor, cell: Tensor | None, own: Sequence[Tensor]) -> Slopes:
        into_cell, of_i, of_o, of_f, of_u, forget = own
        slope = op.Mul(state, into_cell)
        slope = op.Add(slope, cell) if cell else slope
        parts = [op.Mul(slope, of_i), op.Mul(state, of_o), op.Mul(slope, of_f), op.Mul(slope, of_u)]
        gates = op.Concat(*parts, axis=-1)
        return gates, op.MatMul(gates, run.recurrence), op.Mul(slope, forget)

    return factors, step


def _cells(op: GraphBuilder, i: Tensor, f: Tensor, u: Tensor, first: Tensor | None) -> tuple[Tensor, Tensor]:
    """The LSTM's cells before and after every step."""
    kept, added = _split(op, f), _split(op, op.Mul(i, u))
    cells = [op.Add(op.Mul(kept[0], first), added[0]) if first else added[0]]
    for share, part in zip(kept[1:], added[1:], strict=True):
        cells.append(op.Add(op.Mul(share, cells[-1]), part))
    after = op.Concat(*cells, axis=0)
    return _delayed(op, after, first), after


def _gru_cell(op: GraphBuilder, node: ForwardNode, run: Run) -> tuple[list[Tensor], Step]:
    given, fed_back, before, recurrence = run.of_input, run.of_state, run.before, run.recurrence
    hidden = recurrence.size(1)
    z, r = (op.Sigmoid(op.Add(a, b)) for a, b in zip(given[:2], fed_back[:2], strict=True))
    own_recurrence = op.Slice(recurrence, [2 * hidden], [3 * hidden], [0])
    reset_after = bool(node.attributes["linear_before_reset"])
    if reset_after:
        u = op.Tanh(op.Add(given[2], op.Mul(r, fed_back[2])))
    else:  # the bias is in what is fed back
        bias = op.Sub(fed_back[2], op.MatMul(before, op.Transpose(own_recurrence, perm=[1, 0])))
        product = op.MatMul(op.Mul(r, before), op.Transpose(own_recurrence, perm=[1, 0]))
        u = op.Tanh(op.Add(given[2], op.Add(product, bias)))
    factors = [
        z,
        r,
        op.Mul(op.Sub(before, u), _sigmoid_slope(op, z)),
        op.Mul(op.Sub(1.0, z), _tanh_slope(op, u)),
        op.Mul(fed_back[2] if reset_after else before, _sigmoid_slope(op, r)),
    ]

    def step(state: Tensor, _: Tensor | None, own: Sequence[Tensor]) -> Slopes:
        update, reset, of_z, into_u, of_r = own
        slope_z, slope_u = op.Mul(state, of_z), op.Mul(state, into_u)
        reached = slope_u if reset_after else op.MatMul(slope_u, own_recurrence)
        slope_r = op.Mul(reached, of_r)
        last = op.Mul(reached, reset) if reset_after else op.Mul(slope_u, 0.0)
        back = op.Add(op.Mul(state, update), op.MatMul(op.Concat(slope_z, slope_r, last, axis=-1), recurrence))
        if not reset_after:
            back = op.Add(back, op.Mul(reached, reset))
        return op.Concat(slope_z, slope_r, slope_u, axis=-1), back, None

    return factors, step


def _rnn_cell(op: GraphBuilder, node: ForwardNode, run: Run) -> tuple[list[Tensor], Step]:
    def step(state: Tensor, _: Tensor | None, own: Sequence[Tensor]) -> Slopes:
        gates = op.Mul(state, own[0])
        return gates, op.MatMul(gates, run.recurrence), None

    return [_tanh_slope(op, run.after)], step


def _through_time(
    op: GraphBuilder, node: ForwardNode, grads: Sequence[Tensor | None], cell: Cell
) -> tuple[Gradient, ...]:
    _refuse_variants(node)

    def of_parameter() -> NoReturn:
        raise WhylightError(f"'{node.name}': {node.operator} has a derivative rule for its sequence alone")

    def of_sequence() -> Tensor:
        states = node.outputs[0] or _states(op, node)
        backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
        slopes = [
            _of_direction(op, node, grads, cell, states, index, backward)
            for index, backward in enumerate(backwards[node.attributes["direction"]])
        ]
        return reduce(op.Add, slopes)

    return (of_sequence, *[of_parameter] * (len(node.inputs) - 1))


def _states(op: GraphBuilder, node: ForwardNode) -> Tensor:
    """The states after every step, where the network reads the last ones alone: an output more of the same node.

    Not one of a second node: ONNX Runtime would make one of the two, and stop at the output that one of them lacks.
    """
    known = next(tensor for tensor in node.outputs if tensor)
    place = next(place for place, each in enumerate(op.nodes) if known.name in each.output)
    forward = onnx.NodeProto()
    forward.CopyFrom(op.nodes[place])
    forward.output[0] = op.unique(node.operator)
    op.nodes[place] = forward
    steps, batch, _ = node.inputs[0].shape
    shape = (steps, node.inputs[1].shape[0], batch, node.inputs[2].shape[-1])
    return op.with_shape(Tensor(forward.output[0], shape, known.dtype), shape)


def _of_direction(
    op: GraphBuilder,
    node: ForwardNode,
    grads: Sequence[Tensor | None],
    cell: Cell,
    states: Tensor,
    index: int,
    backward: bool,
) -> Tensor:
    def ordered(tensor: Tensor) -> Tensor:
        return op.Slice(tensor, [-1], [-(2**62)], [0], [-1]) if backward else tensor

    def own(parameter: Tensor, axis: int = 0) -> Tensor:
        return op.Gather(parameter, np.array(index), axis=axis)

    x, weight, recurrence = ordered(node.inputs[0]), own(node.inputs[1]), own(node.inputs[2])
    after = ordered(own(states, 1))
    given = op.MatMul(x, op.Transpose(weight, perm=[1, 0]))
    first, first_cell = (op.Unsqueeze(own(start), [0]) if start else None for start in (*node.inputs[5:7], None)[:2])
    before = _delayed(op, after, first)
    fed_back = op.MatMul(before, op.Transpose(recurrence, perm=[1, 0]))
    if node.inputs[3]:
        biases = op.node("Split", [own(node.inputs[3])], 2, axis=0, num_outputs=2)
        given, fed_back = op.Add(given, biases[0]), op.Add(fed_back, biases[1])
    gates = weight.size(0) // recurrence.size(1)
    of_input, of_state = (list(op.node("Split", [x], gates, axis=2, num_outputs=gates)) for x in (given, fed_back))
    factors, step = cell(op, node, Run(of_input, of_state, before, after, first_cell, recurrence))
    rows = list(zip(*(_split(op, factor) for factor in factors), strict=True))
    arriving = _split(op, ordered(own(grads[0], 1))) if grads[0] else [None] * len(rows)
    state, carried = (op.Unsqueeze(own(g), [0]) if g else None for g in (*grads[1:], None, None)[:2])
    slopes: list[Tensor] = []
    for slope, row in zip(arriving[::-1], rows[::-1], strict=True):
        reached = [tensor for tensor in (slope, state) if tensor]
        if not reached:  # the cell alone
            reached = [op.Mul(row[0], 0.0)]
        of_gates, state, carried = step(reduce(op.Add, reached), carried, row)
        slopes.append(of_gates)
    return ordered(op.MatMul(op.Concat(*slopes[::-1], axis=0), weight))


def _refuse_variants(node: ForwardNode) -> None:
    directions = 2 if node.attributes["direction"] == "bidirectional" else 1
    expected = _ACTIVATIONS[node.operator] * directions
    given = [
        name.decode() if isinstance(name, bytes) else name for name in node.attributes.get("activations", expected)
    ]
    found = [name for name in _UNRULED if node.attributes.get(name)]
    if given[: len(expected)] != expected:
        found.append("activations")
    names = {4: "sequence_lens", 7: "P"}
    found += [name for place, name in names.items() if place < len(node.inputs) and _matters(node.inputs[place])]
    if found:
        raise WhylightError(f"'{node.name}': {node.operator} with {', '.join(found)} has no derivative rule")


def _matters(x: Tensor | None) -> bool:
    """Whether an input is there and not known to be zeros."""
    return x is not None and (x.value is None or bool(x.value.any()))


def _delayed(op: GraphBuilder, states: Tensor, first: Tensor | None) -> Tensor:
    """The state before every step: before the first the given one, or zeros."""
    rest = op.Slice(states, [0], [states.size(0) - 1], [0])
    return op.Concat(first, rest, axis=0) if first else op.Pad(rest, [1, 0, 0, 0, 0, 0])


def _split(op: GraphBuilder, tensor: Tensor) -> list[Tensor]:
    """The steps, each (1, N, ...)."""
    steps = tensor.size(0)
    return list(op.node("Split", [tensor], steps, axis=0, num_outputs=steps)) if steps > 1 else [tensor]


def _sigmoid_slope(op: GraphBuilder, y: Tensor) -> Tensor:
    return op.Mul(y, op.Sub(1.0, y))


def _tanh_slope(op: GraphBuilder, y: Tensor) -> Tensor:
    return op.Sub(1.0, op.Mul(y, y))
