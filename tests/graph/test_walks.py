"""What a node reads, in its subgraphs too."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from whylight.graph.walks import dependent_nodes, needed_nodes, part_of, read_names, renamed_tensors


def conditional(copies: bool) -> onnx.ModelProto:
    """An If whose one branch gives a tensor of the graph around it, or a copy, and whose other one is computed."""
    copied = [helper.make_node("Identity", ["kept"], ["copied"])] if copies else []
    given = helper.make_tensor_value_info("copied" if copies else "kept", TensorProto.FLOAT, [2])
    as_it_is = helper.make_graph(copied, "as_it_is", [], [given])
    doubled = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["twice"])],
        "doubled",
        [],
        [helper.make_tensor_value_info("twice", TensorProto.FLOAT, [2])],
    )
    nodes = [
        helper.make_node("Neg", ["x"], ["kept"]),
        helper.make_node("If", ["which"], ["y"], then_branch=as_it_is, else_branch=doubled),
        helper.make_node("Exp", ["x"], ["unused"]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]),
        helper.make_tensor_value_info("which", TensorProto.BOOL, []),
    ]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("y", "unused")]
    graph = helper.make_graph(nodes, "conditional", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_a_branch_that_gives_an_outer_tensor_reads_it() -> None:
    nodes = conditional(copies=False).graph.node
    assert {"which", "x", "kept"} <= read_names(nodes[1])
    assert [node.op_type for node in needed_nodes(nodes, ["y"])] == ["Neg", "If"]
    assert [node.op_type for node in dependent_nodes(nodes, "kept")] == ["If"]


def test_the_part_that_leads_to_an_output_runs() -> None:
    part = part_of(conditional(copies=True), ["y"])  # ONNX Runtime wants the copy
    assert [node.op_type for node in part.graph.node] == ["Neg", "If"]
    session = onnxruntime.InferenceSession(part.SerializeToString())
    for which, expected in ((True, [-1, -2]), (False, [2, 4])):
        assert session.run(None, {"x": np.array([1, 2], np.float32), "which": np.array(which)})[0].tolist() == expected


@pytest.mark.parametrize("name", ["x", "kept", "copied", "twice", "which"])
@pytest.mark.parametrize("is_taken", [True, False])
def test_tensors_are_renamed_in_graphs_inside_nodes_too(name: str, is_taken: bool) -> None:
    model = conditional(copies=True)
    renamed = renamed_tensors(model, {name: "score"})
    x, which = np.array([1, 2], np.float32), np.array(is_taken)
    feeds = {"score" if name == "x" else "x": x, "score" if name == "which" else "which": which}
    (found,) = onnxruntime.InferenceSession(renamed.SerializeToString()).run(["y"], feeds)
    np.testing.assert_array_equal(found, -x if is_taken else 2 * x)
    assert f'"{name}"' not in str(renamed)
