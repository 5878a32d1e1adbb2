"""The reference for derivatives: central differences in double precision.

The differences are those of the forward graph as the onnx package's own NumPy implementation evaluates it; the
gradient graph is run by ONNX Runtime. A gradient is compared through its products with random directions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from whylight.gradient import gradient
from whylight.graph import BATCH, GraphBuilder, Tensor

Array = np.ndarray[Any, Any]
Build = Callable[..., Tensor]
"""Writes a graph: the builder and one tensor for each operand in, the tensor to differentiate out."""

STEP = 1e-5
DIRECTIONS = 3
TOLERANCE = 2e-5
BATCH_SIZES = (2, 3)


@dataclass(frozen=True)
class Free:
    """An operand to differentiate by, filled with distinct numbers in random order, none of them 0."""

    shape: tuple[int | str, ...]
    low: float
    high: float

    def value(self, batch_size: int) -> Array:
        """Its numbers; the dynamic axis has size ``batch_size``."""
        return distinct([batch_size if size == BATCH else int(size) for size in self.shape], self.low, self.high)


Operand = Free | Array | None


def batch(*shape: int, low: float = -2, high: float = 2) -> Free:
    """An operand to differentiate by, with a dynamic axis before those of ``shape``."""
    return Free((BATCH, *shape), low, high)


def free(*shape: int, low: float = -2, high: float = 2) -> Free:
    """An operand to differentiate by, of fixed shape."""
    return Free(shape, low, high)


def fixed(*shape: int, low: float = -2, high: float = 2) -> Array:
    """A constant operand."""
    return distinct(shape, low, high)


def distinct(shape: Sequence[int], low: float, high: float) -> Array:
    """Numbers in random order, evenly spaced between ``low`` and ``high``."""
    count = prod(shape)
    values = low + (high - low) * (np.arange(count) + 0.37) / count
    return np.random.default_rng(count).permutation(values).reshape(shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A graph and its operands; ``exact`` is the same function in operators that NumPy has in double precision."""

    name: str
    build: Build
    exact: Build
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        return self.name


def case(
    operator: str, *operands: Operand, outputs: int = 1, of: int = 0, exact: Build | None = None, **attributes: Any
) -> Case:
    """One operator; of its ``outputs``, the one with index ``of`` is differentiated."""

    def build(op: GraphBuilder, *tensors: Tensor | None) -> Tensor:
        return op.node(operator, tensors, outputs, **attributes)[of]

    shapes = "x".join(str(len(operand.shape)) if operand is not None else "-" for operand in operands)
    arguments = "".join(f" {name}={value}" for name, value in attributes.items())
    return Case(f"{operator} {shapes}{arguments}".replace(", ", ","), build, exact or build, operands)


def assert_derivative(case: Case) -> None:
    """The gradients for all free operands agree with central differences at each batch size."""
    op, inputs, y = _graph(case.build, case.operands, np.float32)
    exact, _, exact_y = _graph(case.exact, case.operands, np.float64)
    seed = op.input("seed", y.shape)
    gradients = gradient(op, y, seed, inputs)
    assert [grad.shape for grad in gradients] == [x.shape for x in inputs]
    model = op.model(gradients, "gradient")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    evaluator = ReferenceEvaluator(exact.model([exact_y], "forward"))
    for size in BATCH_SIZES if any(BATCH in x.shape for x in inputs) else BATCH_SIZES[:1]:
        frees = [operand for operand in case.operands if isinstance(operand, Free)]
        values = {x.name: operand.value(size) for x, operand in zip(inputs, frees, strict=True)}
        _assert_at(session, evaluator, values)


def _graph(
    build: Build, operands: Sequence[Operand], dtype: Any
) -> tuple[GraphBuilder, list[Tensor], Tensor]:
    """A case in one precision: the builder, the free operands and the result."""
    op = GraphBuilder()
    inputs: list[Tensor] = []
    tensors: list[Tensor | None] = []
    for operand in operands:
        if isinstance(operand, Free):
            inputs.append(op.input(f"x{len(inputs)}", operand.shape, dtype))
            tensors.append(inputs[-1])
        elif operand is None:
            tensors.append(None)
        else:
            tensors.append(op.constant(operand, dtype if operand.dtype == np.float32 else operand.dtype))
    return op, inputs, build(op, *tensors)


def _assert_at(session: Any, evaluator: ReferenceEvaluator, values: dict[str, Array]) -> None:
    random = np.random.default_rng(0)
    exact = {name: value.astype(np.float64) for name, value in values.items()}
    seed = random.standard_normal(evaluator.run(None, exact)[0].shape).astype(np.float32)
    fed = {name: array for name, array in {**values, "seed": seed}.items() if name in _input_names(session)}
    gradients: list[Array] = session.run(None, fed)
    for (name, value), grad in zip(exact.items(), gradients, strict=True):
        assert grad.shape == value.shape
        for _ in range(DIRECTIONS):
            direction = random.standard_normal(value.shape)
            ahead, behind = (
                np.asarray(evaluator.run(None, {**exact, name: value + sign * STEP * direction})[0]) for sign in (1, -1)
            )
            difference = ((ahead - behind) * seed).sum() / (2 * STEP)
            scale = np.linalg.norm(grad) * np.linalg.norm(direction) + 1
            assert abs((grad * direction).sum() - difference) < TOLERANCE * scale, f"the gradient for {name} is wrong"


def _input_names(session: Any) -> list[str]:
    return [info.name for info in session.get_inputs()]
