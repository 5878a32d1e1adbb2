"""The graph builder."""

import numpy as np
import onnx
import onnxruntime
import pytest

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.walks import dependent_nodes, needed_nodes, renamed_tensors


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(output) for output in session.run(None, feeds)]


def test_operators_are_called_like_functions() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3, 4))
    y = op.ReduceSum(op.Mul(x, 2.0), [1], keepdims=0)
    assert y.shape == ("N", 4)
    assert y.dtype == np.float32
    values = np.random.default_rng(0).random((5, 3, 4), np.float32)
    np.testing.assert_allclose(run(op.model([y], "g"), x=values)[0], 2 * values.sum(1), rtol=1e-6)


def test_unused_nodes_and_constants_are_left_out() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    op.Add(x, np.ones(100, np.float32)[:3])
    model = op.model([op.Relu(x)], "g")
    assert [node.op_type for node in model.graph.node] == ["Relu"]
    assert not model.graph.initializer


def test_shapes_that_contradict_each_other_are_refused_at_once() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    with pytest.raises(WhylightError, match=r"MatMul cannot take inputs of shape \('N', 3\), \(4, 5\)"):
        op.MatMul(x, np.zeros((4, 5), np.float32))


@pytest.mark.parametrize(("operator", "count"), [("Relu", 2), ("Conv", 1)])
def test_a_wrong_number_of_inputs_is_refused(operator: str, count: int) -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3, 4))
    with pytest.raises(WhylightError, match=f"{operator} cannot take inputs of shape .* has input size {count} not in"):
        op.node(operator, [x] * count, 1)


def test_an_attribute_or_operator_that_does_not_exist_is_refused() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    with pytest.raises(WhylightError, match="Unrecognized attribute: slope for operator Relu"):
        op.Relu(x, slope=1.0)  # type: ignore[call-arg]
    with pytest.raises(WhylightError, match="no operator Rectify"):
        op.Rectify(x)  # type: ignore[attr-defined]


def test_numbers_take_the_type_of_the_tensors_that_they_are_chosen_among() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    chosen = [op.Where(op.Greater(x, 0.0), x, -1.0), op.Where(np.array([True, False, True]), 5, x)]
    assert [y.dtype for y in chosen] == [np.float32] * 2
    first, second = run(op.model(chosen, "g"), x=np.array([[-3, 0, 2]], np.float32))
    assert first.tolist() == [[-1, -1, 2]]
    assert second.tolist() == [[5, 0, 5]]


def test_numbers_take_the_type_of_the_first_tensor_where_the_operator_leaves_it_open() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3), np.float64)
    assert op.Pow(x, 2).dtype == np.float64
    assert op.Clip(x, None, 1).dtype == np.float64


def test_extending_a_model_keeps_its_tensors() -> None:
    first = GraphBuilder()
    x = first.input("x", ("N", 3))
    model = first.model([first.rename(first.Relu(x), "y")], "g")
    op = GraphBuilder.extending(model)
    assert op.tensors["y"].shape == ("N", 3)
    values = np.array([[-1, 0, 2]], np.float32)
    assert run(op.model([op.tensors["y"], op.Neg(op.tensors["y"])], "g"), x=values)[1].tolist() == [[0, 0, -2]]


def test_extent_is_a_constant_where_it_can_be() -> None:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    assert op.extent(x, 1).value is not None
    assert run(op.model([op.extent(x, 0)], "g"), x=np.zeros((5, 3), np.float32))[0].tolist() == [5]


def test_a_name_is_given_once() -> None:
    op = GraphBuilder()
    op.input("x", (1,))
    with pytest.raises(WhylightError, match="two tensors named 'x'"):
        op.input("x", (1,))


def chain() -> onnx.ModelProto:
    op = GraphBuilder()
    x = op.input("x", ("N", 3))
    a = op.rename(op.Relu(x), "a")
    b = op.rename(op.Neg(a), "b")
    op.rename(op.Exp(a), "c")
    return op.model([b, op.tensors["c"]], "g")


def test_needed_and_dependent_nodes() -> None:
    nodes = chain().graph.node
    assert [node.op_type for node in needed_nodes(nodes, ["b"])] == ["Relu", "Neg"]
    assert [node.op_type for node in dependent_nodes(nodes, "a")] == ["Neg", "Exp"]


def test_renamed_tensors_changes_a_copy() -> None:
    model = chain()
    renamed = renamed_tensors(model, {"a": "inner", "b": "score"})
    assert [info.name for info in renamed.graph.output] == ["score", "c"]
    assert [info.name for info in model.graph.output] == ["b", "c"]
    onnx.checker.check_model(renamed, full_check=True)
    assert renamed_tensors(model, {"absent": "z"}) is model
