"""The walk through a graph."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from onnx import TensorProto, helper

from gradient.differences import (
    Array,
    Case,
    Function,
    assert_derivative,
    assert_slope,
    batch,
    distinct,
    exact_function,
    free,
    run,
    session,
)
from whylight.errors import WhylightError
from whylight.gradient import gradient
from whylight.gradient.rule import ForwardNode
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import BATCH, Tensor

Stage = Callable[[GraphBuilder, Tensor], Tensor]


def weight(x: Tensor, *shape: int, low: float = -1, high: float = 1) -> Array:
    return distinct(shape, low, high).astype(x.dtype)


def convolved(op: GraphBuilder, x: Tensor, channels: int, stride: int = 1) -> Tensor:
    kernel = weight(x, channels, x.size(1), 3, 3)
    y = op.Conv(x, kernel, strides=[stride, stride], pads=[1, 1, 1, 1])
    positive = weight(x, channels, low=0.5, high=1.5)
    return op.BatchNormalization(y, positive, weight(x, channels), weight(x, channels), positive)


def stem(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.MaxPool(op.Relu(convolved(op, x, 4)), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


def block(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Relu(op.Add(convolved(op, op.Relu(convolved(op, x, 4)), 4), x))


def narrowing_block(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Relu(op.Add(convolved(op, x, 6, stride=2), op.Conv(x, weight(x, 6, 4, 1, 1), strides=[2, 2])))


def head(op: GraphBuilder, x: Tensor) -> Tensor:
    return op.Gemm(op.Flatten(op.GlobalAveragePool(x)), weight(x, 3, 6), weight(x, 3), transB=1)


STAGES: list[Stage] = [stem, block, narrowing_block, head]


def weighted(function: Function, weights: Array, x: Array) -> float:
    return float((function({"x": x}) * weights).sum())


def residual_network(dtype: type, first: int = 0) -> tuple[GraphBuilder, list[Tensor]]:
    """The stages from ``first`` on, and the tensors between them."""
    op = GraphBuilder()
    shape = [(2, 9, 8), (4, 5, 4), (4, 5, 4), (6, 3, 2)][first]
    tensors = [op.input("x", (BATCH, *shape), dtype)]
    for stage in STAGES[first:]:
        tensors.append(stage(op, tensors[-1]))
    return op, tensors


@pytest.mark.parametrize("batch_size", [1, 3])
def test_all_inner_tensors_of_a_residual_network(batch_size: int) -> None:
    op, (*inner, score) = residual_network(np.float32)
    grads = gradient(op, score, op.input("seed", score.shape), inner)
    seed = np.eye(3)[np.arange(batch_size)]
    results = run(
        session(op.model([*inner[1:], *grads], "gradient")), {"x": distinct((batch_size, 2, 9, 8), -2, 2), "seed": seed}
    )
    values = [distinct((batch_size, 2, 9, 8), -2, 2), *results[: len(inner) - 1]]
    for first, (value, grad) in enumerate(zip(values, results[len(inner) - 1 :], strict=True)):
        rest, (_, *_, rest_score) = residual_network(np.float64, first)
        function = exact_function(rest.model([rest_score], "rest"))
        assert_slope(partial(weighted, function, seed), value, grad)


def test_gradients_of_several_uses_add_up() -> None:
    def several_uses(op: GraphBuilder, x: Tensor, b: Tensor) -> Tensor:
        y = op.Mul(x, x)
        return op.Add(op.Concat(y, x, op.Mul(y, b), axis=1), op.ReduceSum(op.Exp(x), [1], keepdims=1))

    assert_derivative(Case("several uses", several_uses, several_uses, (batch(4), free(1))))


def test_a_tensor_differentiated_by_itself_is_the_seed() -> None:
    op = GraphBuilder()
    y = op.Exp(op.input("x", (2,)))
    seed = op.input("seed", (2,))
    assert gradient(op, y, seed, [y]) == [seed]


def test_a_tensor_and_one_computed_from_it_both_get_total_derivatives() -> None:
    op = GraphBuilder()
    x = op.input("x", (2,))
    y = op.Mul(x, 3.0)
    z = op.Mul(y, x)
    grads = gradient(op, z, op.constant([1.0, 1.0], np.float32), [x, y])
    of_x, of_y = run(session(op.model(grads, "gradient")), {"x": np.array([2.0, 5.0])})
    np.testing.assert_allclose(of_x, [12, 30])
    np.testing.assert_allclose(of_y, [2, 5])


def test_both_outputs_of_one_node() -> None:
    def halves_multiplied(op: GraphBuilder, x: Tensor) -> Tensor:
        first, second, _ = op.node("Split", [x], 3, axis=1, num_outputs=3)
        return op.Mul(first, op.Exp(second))

    assert_derivative(Case("halves", halves_multiplied, halves_multiplied, (batch(6),)))


def test_comparisons_signs_and_integers_have_no_gradient() -> None:
    op = GraphBuilder()
    x = op.input("x", (BATCH, 3))
    index = op.Cast(op.ArgMax(x, axis=1), to=TensorProto.FLOAT)
    step = op.Cast(op.Greater(x, 0.0), to=TensorProto.FLOAT)
    y = op.Add(op.Mul(op.Add(op.Sign(x), index), 2.0), op.Mul(x, step))
    grads = gradient(op, y, op.input("seed", y.shape), [x])
    values = run(session(op.model(grads, "gradient")), {"x": np.array([[1, -1, 2]]), "seed": np.ones((1, 3))})
    assert values[0].tolist() == [[1, 0, 1]]


def test_a_tensor_that_only_decides_an_index_has_a_gradient_of_zeros() -> None:
    op = GraphBuilder()
    x = op.input("x", (BATCH, 3))
    y = op.Cast(op.ArgMax(x, axis=1), to=TensorProto.FLOAT)
    grads = gradient(op, y, op.constant([[1]], np.float32), [x])
    assert run(session(op.model(grads, "gradient")), {"x": np.ones((2, 3))})[0].tolist() == [[0] * 3] * 2


def test_rules_replaced_for_one_call() -> None:
    """Guided backpropagation: what comes back is passed on where both it and the ReLU's input are positive."""

    def guided(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
        return op.Mul(op.Relu(grad), op.Cast(op.Greater(node.input, 0.0), to=TensorProto.FLOAT))

    op = GraphBuilder()
    x = op.input("x", (2, 3))
    y = op.Mul(op.Relu(x), np.array([2, 3, -4], np.float32))
    seed = op.constant(np.ones((2, 3), np.float32))
    slopes = gradient(op, y, seed, [x], rules={"Relu": guided}) + gradient(op, y, seed, [x])
    replaced, own = run(session(op.model(slopes, "gradient")), {"x": np.array([[1, -1, 1], [-1, 1, -1]])})
    assert replaced.tolist() == [[2, 0, 0], [0, 3, 0]]
    assert own.tolist() == [[2, 0, -4], [0, 3, 0]]


def test_a_rule_for_an_operator_that_has_none() -> None:
    op = GraphBuilder()
    x = op.input("x", (1, 2))
    y = op.QuantizeLinear(x, np.float32(0.5), np.array(0, np.int8))
    z = op.DequantizeLinear(y, np.float32(0.5), np.array(0, np.int8))
    step = gradient(op, op.Mod(z, 1.0, fmod=1), x, [z], rules={"Mod": lambda op, node, grad: op.Mul(grad, 3.0)})
    assert run(session(op.model(step, "gradient")), {"x": np.array([[1, 2]])})[0].tolist() == [[3, 6]]


def test_operators_that_no_gradient_reaches_need_no_rule() -> None:
    op = GraphBuilder()
    x = op.input("x", (2, 2))
    unruled = op.Cast(op.Det(x), to=TensorProto.INT64)
    y = op.Add(x, op.Cast(unruled, to=TensorProto.FLOAT))
    seed = op.input("seed", (2, 2))
    assert gradient(op, y, seed, [x]) == [seed]


def test_a_model_from_a_file_is_extended_and_its_own_outputs_stay() -> None:
    original, (x, *_, score) = residual_network(np.float32)
    model = original.model([score], "network")
    before = model.SerializeToString(deterministic=True)
    op = GraphBuilder.extending(model)
    score = op.tensors[score.name]
    grads = gradient(op, score, op.input("seed", score.shape), [op.tensors[x.name]])
    images = distinct((2, 2, 9, 8), -2, 2)
    extended = session(op.model([score, *grads], "gradient"))
    outputs = run(extended, {"x": images, "seed": np.ones((2, 3))})
    np.testing.assert_allclose(outputs[0], run(session(model), {"x": images})[0], rtol=1e-5, atol=1e-6)
    assert model.SerializeToString(deterministic=True) == before
    assert op.nodes[: len(model.graph.node)] == list(model.graph.node)


def test_a_tensor_that_does_not_matter_is_refused() -> None:
    op = GraphBuilder()
    x, other = op.input("x", (2,)), op.input("other", (2,))
    y = op.rename(op.Exp(x), "y")
    with pytest.raises(WhylightError, match=r"^'y' does not depend on 'other'$"):
        gradient(op, y, x, [other])


def test_all_operators_without_a_rule_are_named_with_their_nodes() -> None:
    op = GraphBuilder()
    x = op.input("x", (1, 2, 2))
    pooled = op.MaxRoiPool(op.Exp(op.Unsqueeze(x, [0])), np.zeros((1, 5), np.float32), pooled_shape=[2, 2])
    y = op.Add(op.Det(op.Squeeze(pooled, [0])), op.Det(x))
    with pytest.raises(
        WhylightError, match=r"no derivative rule: Det \('Det', 'Det_1'\); MaxRoiPool \('MaxRoiPool'\)$"
    ):
        gradient(op, y, y, [x])


def test_a_subgraph_that_reads_the_tensor_is_not_overlooked() -> None:
    op = GraphBuilder()
    x = op.input("x", (2,))
    branch = helper.make_graph(
        [helper.make_node("Exp", ["x"], ["z"])], "branch", [], [helper.make_tensor_value_info("z", 1, [2])]
    )
    op.nodes.append(
        helper.make_node("If", [op.constant(True).name], ["y"], name="choice", then_branch=branch, else_branch=branch)
    )
    op.tensors["y"] = Tensor("y", (2,), x.dtype)
    z = op.Add(op.tensors["y"], x)
    with pytest.raises(WhylightError, match=r"no derivative rule: If \('choice'\)$"):
        gradient(op, z, x, [x])


def test_an_operator_of_another_domain_is_not_taken_for_its_namesake() -> None:
    node = helper.make_node("Relu", ["x"], ["y"], domain="com.example", name="special")
    op = GraphBuilder()
    x = op.input("x", (2,))
    op.nodes.append(node)
    op.tensors["y"] = Tensor("y", (2,), x.dtype)
    with pytest.raises(WhylightError, match="Relu \\('special'\\)"):
        gradient(op, op.tensors["y"], x, [x])


def test_another_output_than_the_first_is_refused() -> None:
    op = GraphBuilder()
    x = op.input("x", (2, 3))
    _, mean, _ = op.node("LayerNormalization", [x, np.ones(3, np.float32)], 3)
    with pytest.raises(WhylightError, match="only the first output of LayerNormalization"):
        gradient(op, mean, mean, [x])


def test_an_argument_that_the_model_computes_is_refused() -> None:
    op = GraphBuilder()
    x = op.input("x", (2, 3))
    axes = op.input("axes", (1,), np.int64)
    y = op.Pad(x, op.Concat(axes, axes, axes, axes, axis=0))
    with pytest.raises(WhylightError, match="input 'pads' of Pad is computed by the model"):
        gradient(op, y, y, [x])
