"""The reference for derivatives: central differences in double precision.

The differences are those of the forward graph as the onnx package's own NumPy implementation evaluates it; the
gradient graph is run by ONNX Runtime. A gradient is compared through its products with random directions.

Some of those implementations are wrong or compute in single precision. There the forward graph is written in other
operators, or, of a linear operator, evaluated by ONNX Runtime: its differences are exact at any step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import erf, prod
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from whylight.gradient import gradient
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import BATCH, Tensor

Array = np.ndarray[Any, Any]
Build = Callable[..., Tensor]
"""Writes a graph: the builder and one tensor for each operand in, the tensor to differentiate out."""

Function = Callable[[Mapping[str, Array]], Array]
"""From the values of the operands to the result."""

STEP = 1e-5
DIRECTIONS = 3
TOLERANCE = 2e-5
BATCH_SIZES = (2, 3)


@dataclass(frozen=True)
class Numbers:
    """An operand of distinct numbers in random order, none of them 0; one to differentiate by where ``free``."""

    shape: tuple[int | str, ...]
    low: float
    high: float
    free: bool

    def value(self, batch_size: int) -> Array:
        """The numbers; the dynamic axis has size ``batch_size``."""
        return distinct([batch_size if size == BATCH else int(size) for size in self.shape], self.low, self.high)


Operand = Numbers | Array | None
"""An operand: its numbers, an array that keeps its type (indices, sizes), or absent."""


def batch(*shape: int, low: float = -2, high: float = 2) -> Numbers:
    """An operand to differentiate by, with a dynamic axis before those of ``shape``."""
    return Numbers((BATCH, *shape), low, high, free=True)


def free(*shape: int, low: float = -2, high: float = 2) -> Numbers:
    """An operand to differentiate by, of fixed shape."""
    return Numbers(shape, low, high, free=True)


def fixed(*shape: int, low: float = -2, high: float = 2) -> Numbers:
    """A constant operand."""
    return Numbers(shape, low, high, free=False)


def distinct(shape: Sequence[int], low: float, high: float) -> Array:
    """Numbers in random order, evenly spaced between ``low`` and ``high``."""
    count = prod(shape)
    values = low + (high - low) * (np.arange(count) + 0.37) / count
    return np.random.default_rng(count).permutation(values).reshape(shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A graph and its operands; ``exact`` is the same function in other operators."""

    name: str
    build: Build
    exact: Build
    operands: tuple[Operand, ...]
    linear: bool = False

    def __str__(self) -> str:
        return self.name


class Erf(OpRun):
    """The error function in double precision."""

    def _run(self, x: Array) -> tuple[Array]:
        return (np.vectorize(erf, otypes=[x.dtype])(x),)


def case(
    operator: str,
    *operands: Operand,
    outputs: int = 1,
    of: int = 0,
    exact: Build | None = None,
    linear: bool = False,
    **attributes: Any,
) -> Case:
    """One operator; of its ``outputs``, the one with index ``of`` is differentiated."""

    def build(op: GraphBuilder, *tensors: Tensor | None) -> Tensor:
        return op.node(operator, tensors, outputs, **attributes)[of]

    shapes = "x".join(str(len(operand.shape)) if operand is not None else "-" for operand in operands)
    arguments = "".join(f" {name}={value}" for name, value in attributes.items())
    return Case(f"{operator} {shapes}{arguments}".replace(", ", ","), build, exact or build, operands, linear)


def assert_derivative(case: Case) -> None:
    """The gradients for all free operands agree with central differences at each batch size."""
    op, inputs, y = _graph(case.build, case.operands, np.float32)
    seed = op.input("seed", y.shape)
    gradients = gradient(op, y, seed, inputs)
    assert [grad.shape for grad in gradients] == [x.shape for x in inputs]
    derivative = session(op.model(gradients, "gradient"))
    forward, step = _forward(case)
    frees = [operand for operand in case.operands if isinstance(operand, Numbers) and operand.free]
    for size in BATCH_SIZES if any(BATCH in operand.shape for operand in frees) else BATCH_SIZES[:1]:
        values = {x.name: operand.value(size) for x, operand in zip(inputs, frees, strict=True)}
        weights = np.asarray(np.random.default_rng(0).standard_normal(forward(values).shape))
        for name, grad in zip(values, run(derivative, {**values, "seed": weights}), strict=True):
            assert_slope(partial(_weighted, forward, values, weights, name), values[name], grad, step)


def _weighted(forward: Function, values: Mapping[str, Array], weights: Array, name: str, value: Array) -> float:
    """The weighted sum of the result with one of the values replaced."""
    return float((forward({**values, name: value}) * weights).sum())


def assert_slope(function: Callable[[Array], float], at: Array, grad: Array, step: float = STEP) -> None:
    """``grad`` is the gradient of ``function`` at a point."""
    assert grad.shape == at.shape
    for direction in np.random.default_rng(1).standard_normal((DIRECTIONS, *at.shape)):
        difference = (function(at + step * direction) - function(at - step * direction)) / (2 * step)
        scale = np.linalg.norm(grad) * np.linalg.norm(direction) + 1
        assert abs((grad * direction).sum() - difference) < TOLERANCE * scale


def gradient_at(operator: str, x: Array, seed: Array, **attributes: Any) -> Array:
    """The gradient of one operator with one operand."""
    op = GraphBuilder()
    operand = op.input("x", x.shape)
    y = op.node(operator, [operand], 1, **attributes)[0]
    grads = gradient(op, y, op.input("seed", y.shape), [operand])
    return run(session(op.model(grads, "gradient")), {"x": x, "seed": seed})[0]


def _forward(case: Case) -> tuple[Function, float]:
    """The function of the case, and the step for its differences."""
    op, _, y = _graph(case.exact, case.operands, np.float32 if case.linear else np.float64)
    model = op.model([y], "forward")
    if case.linear:
        runtime = session(model)
        return lambda values: run(runtime, values)[0].astype(np.float64), 1.0
    return exact_function(model), STEP


def exact_function(model: onnx.ModelProto) -> Function:
    """A model of double precision as a function from its inputs to its first output."""
    evaluator = ReferenceEvaluator(model, new_ops=[Erf])

    def function(values: Mapping[str, Array]) -> Array:
        outputs: Any = evaluator.run(None, {name: value.astype(np.float64) for name, value in values.items()})
        return np.asarray(outputs[0])

    return function


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The model in ONNX Runtime."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(runtime: onnxruntime.InferenceSession, values: Mapping[str, Array]) -> list[Array]:
    """The model's outputs for those of ``values`` that it takes."""
    names = [info.name for info in runtime.get_inputs()]
    outputs: list[Array] = runtime.run(None, {name: values[name].astype(np.float32) for name in names})
    return outputs


def _graph(build: Build, operands: Sequence[Operand], dtype: Any) -> tuple[GraphBuilder, list[Tensor], Tensor]:
    """A case in one precision: the builder, the free operands and the result."""
    op = GraphBuilder()
    inputs: list[Tensor] = []
    tensors: list[Tensor | None] = []
    for operand in operands:
        if isinstance(operand, Numbers) and operand.free:
            inputs.append(op.input(f"x{len(inputs)}", operand.shape, dtype))
            tensors.append(inputs[-1])
        elif isinstance(operand, Numbers):
            tensors.append(op.constant(operand.value(0), dtype))
        else:
            tensors.append(None if operand is None else op.constant(operand))
    return op, inputs, build(op, *tensors)
