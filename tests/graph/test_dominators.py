"""Where all of a network leads through one tensor."""

from whylight.graph.builder import GraphBuilder
from whylight.graph.dominators import dominators
from whylight.graph.walks import dependent_nodes, needed_nodes


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
