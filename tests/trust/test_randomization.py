"""Which weights a network has, and what becomes of them."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from describing import describe
from samples import BUNDLED
from whylight import load
from whylight.classifier.classifier import Classifier
from whylight.classifier.layer import Layer
from whylight.graph.builder import GraphBuilder
from whylight.trust.randomization import WeightedLayer, grouped, randomized, weighted_layers, with_spelled_out_weights


def values_of(classifier: Classifier) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in classifier.model.graph.initializer}


def small_classifier() -> Classifier:
    """Mean and scale, a convolution with a bias that is added, a matrix that is transposed first, and one not used."""
    generator = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape).astype(np.float32)

    op = GraphBuilder()
    x = op.input("x", ("N", 3, 8, 8))
    mean = op.initializer("mean", normal(1, 3, 1, 1))
    kernel = op.initializer("kernel", normal(5, 3, 3, 3))
    bias = op.initializer("bias", normal(1, 5, 1, 1))
    matrix = op.initializer("matrix", normal(4, 5))
    aside = op.initializer("aside", normal(5, 7))
    features = op.rename(op.Add(op.Conv(op.Sub(x, mean), kernel), bias), "features")
    pooled = op.ReduceMean(op.Relu(features), [2, 3], keepdims=0)
    scores = op.rename(op.MatMul(pooled, op.Transpose(matrix, perm=[1, 0])), "scores")
    other = op.rename(op.MatMul(pooled, aside), "other")
    model = op.model([scores, other], "small")
    return describe(Path("small.onnx"), model, [Layer("first", "Convolution", "features")], "x", 1.0, "scores")


def test_layers_are_those_with_weights_on_the_way_to_the_scores() -> None:
    layers = weighted_layers(small_classifier())
    assert [layer.parameters for layer in layers] == [("kernel", "bias"), ("matrix",)]


def test_weights_in_constant_nodes_count_too() -> None:
    classifier = small_classifier()
    graph = classifier.model.graph
    kernel = next(tensor for tensor in graph.initializer if tensor.name == "kernel")
    graph.initializer.remove(kernel)
    graph.node.insert(0, onnx.helper.make_node("Constant", [], ["kernel"], value=kernel))
    (first, _) = weighted_layers(classifier)
    assert "kernel" in first.parameters
    changed = randomized(classifier, [first], 0).model.graph.node[0].attribute[0].t
    assert not np.array_equal(numpy_helper.to_array(changed), numpy_helper.to_array(kernel))


def test_weights_that_are_one_number_are_spelled_out_and_drawn() -> None:
    classifier = small_classifier()
    graph = classifier.model.graph
    kernel = next(tensor for tensor in graph.initializer if tensor.name == "kernel")
    graph.initializer.remove(kernel)
    graph.initializer.append(numpy_helper.from_array(np.array(kernel.dims, np.int64), "shape"))
    value = numpy_helper.from_array(np.array([0.25], np.float32))
    graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["shape"], ["kernel"], value=value))
    plain = with_spelled_out_weights(classifier)
    np.testing.assert_array_equal(values_of(plain)["kernel"], np.full((5, 3, 3, 3), 0.25))
    drawn = values_of(randomized(plain, weighted_layers(plain), 0))["kernel"]
    assert drawn.std() == pytest.approx(np.sqrt(2 / 27), rel=0.2)


def test_only_the_chosen_layers_change_and_the_model_itself_does_not() -> None:
    classifier = small_classifier()
    before = values_of(classifier)
    after = values_of(randomized(classifier, weighted_layers(classifier)[1:], 0))
    assert {name for name in before if not np.array_equal(before[name], after[name])} == {"matrix"}
    for name, value in values_of(classifier).items():
        np.testing.assert_array_equal(value, before[name])


def test_kernels_keep_their_deviation_and_vectors_their_values() -> None:
    classifier = load(BUNDLED / "cluttered_digits" / "results.nnp")
    before = values_of(classifier)
    after = values_of(randomized(classifier, weighted_layers(classifier), 0))
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    kernels = [name for name in changed if before[name].ndim > 1 and before[name].size > 2000]
    assert len(kernels) >= 3
    for name in kernels:
        assert abs(after[name].std() / before[name].std() - 1) < 0.1
        assert abs(np.corrcoef(before[name].ravel(), after[name].ravel())[0, 1]) < 0.1
        # cut at two deviations of the distribution that it was drawn from
        assert np.abs(after[name]).max() < 2.3 * before[name].std()
    vectors = [name for name in changed if before[name].ndim == 1]
    assert len(vectors) >= 5
    for name in vectors:
        np.testing.assert_array_equal(np.sort(before[name]), np.sort(after[name]))


def test_a_seed_gives_the_same_network_however_many_layers_are_drawn() -> None:
    classifier = small_classifier()
    layers = weighted_layers(classifier)
    some, all_of_them = (values_of(randomized(classifier, chosen, 3)) for chosen in (layers[1:], layers))
    np.testing.assert_array_equal(some["matrix"], all_of_them["matrix"])
    other = values_of(randomized(classifier, layers, 4))
    assert not np.array_equal(other["matrix"], all_of_them["matrix"])


def test_the_network_still_runs_and_says_something_else() -> None:
    classifier = small_classifier()
    images = np.random.default_rng(1).random((2, 3, 8, 8), np.float32)
    changed = randomized(classifier, weighted_layers(classifier), 0)
    scores = [
        onnxruntime.InferenceSession(one.model.SerializeToString()).run(["scores"], {"x": images})[0]
        for one in (classifier, changed)
    ]
    assert np.isfinite(scores[1]).all()
    assert np.abs(scores[0] - scores[1]).max() > 0.1


def test_neighbors_are_joined_to_at_most_so_many_groups() -> None:
    layers = [WeightedLayer(str(i), (f"w{i}",)) for i in range(54)]
    groups = grouped(layers, 16)
    assert len(groups) <= 16
    assert groups[0].name == "0 ... 3"
    assert [name for group in groups for name in group.parameters] == [f"w{i}" for i in range(54)]
    assert grouped(layers[:16], 16) == layers[:16]
