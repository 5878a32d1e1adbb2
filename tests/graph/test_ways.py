"""Where all of a network leads through one tensor."""

import time

import numpy as np
from onnx import TensorProto, helper

from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes
from whylight.graph.ways import dominators, smallest_cut, ways


def test_what_lies_beside_another_way_is_no_passage() -> None:
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 4, 4))
    stem = op.Relu(image)
    branch = op.Exp(stem)
    joined = op.Add(branch, stem)
    left, right = op.Abs(joined), op.Neg(joined)
    op.Tanh(left)  # leads nowhere
    mixed = op.Mul(left, right)
    end = op.Sqrt(mixed)
    nodes = dependent_nodes(needed_nodes(op.nodes, [end.name]), image.name)
    assert dominators(nodes, image.name, end.name) == [stem.name, joined.name, mixed.name]


def test_a_shortcut_from_the_source_leaves_no_passage_before_it_ends() -> None:
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 4, 4))
    first = op.Relu(image)
    second = op.Exp(first)
    joined = op.Add(second, image)
    end = op.Sqrt(joined)
    assert dominators(op.nodes, image.name, end.name) == [joined.name]


def test_shapes_comparisons_and_places_of_maxima_carry_no_values() -> None:
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 4, 4))
    kept = op.Relu(image)
    shaped = op.Reshape(kept, op.Concat(op.Slice(op.Shape(image), [0], [1], [0]), [-1], axis=0))
    where = op.Where(op.Greater(kept, 0.5), np.float32(1), np.float32(2))
    rounded = op.Cast(op.Cast(kept, to=TensorProto.UINT8), to=TensorProto.FLOAT)
    end = op.Mul(op.Mul(op.ReduceSum(shaped), op.ReduceSum(where)), op.ReduceSum(rounded))
    found = [node.op_type for node in ways(op.nodes, op.tensors, image.name, end.name)]
    assert found == ["Relu", "Reshape", "Cast", "Cast", "ReduceSum", "ReduceSum", "Mul", "Mul"] or found == [
        "Relu", "Reshape", "Cast", "Cast", "ReduceSum", "Mul", "ReduceSum", "Mul"
    ]  # fmt: skip


def test_the_smallest_cut_is_the_one_nearest_to_the_end() -> None:
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 4, 4))
    stem = op.Relu(image)
    left, right = op.Exp(op.Abs(stem)), op.Tanh(op.Neg(stem))
    joined = op.Add(left, right)
    end = op.Sqrt(joined)
    nodes = dependent_nodes(op.nodes, image.name)

    def cut(*candidates: Tensor, most: int = 2) -> list[str]:
        return smallest_cut(nodes, image.name, end.name, {tensor.name for tensor in candidates}, most)

    assert cut(stem, left, right, joined) == [joined.name], "one is fewer than two"
    assert cut(stem, left, right) == [stem.name], "one is fewer than two, though they are nearer to the end"
    assert cut(left, right) == [left.name, right.name]
    assert cut(left, right, most=1) == [], "more than there may be"
    assert cut(left) == [], "a way leads around it"


def test_the_cut_of_a_long_chain_is_found_in_proportion_to_its_length() -> None:
    """A set of all names that is made for each node would take a minute."""
    nodes = [helper.make_node("Relu", [f"t{number}"], [f"t{number + 1}"]) for number in range(30_000)]
    started = time.process_time()
    assert smallest_cut(nodes, "t0", "t30000", ["t5", "t7"], 1) == ["t7"]
    assert time.process_time() - started < 10
