"""LeGrad, against torchcam; and which networks it takes."""

from pathlib import Path

import numpy as np
import pytest

import whylight
from describing import describe
from methods.peers import Array, assert_same_map, classifier, our_maps, peers
from samples import DATA
from whylight import Classifier
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor


def test_legrad_is_torchcams() -> None:
    assert_same_map(our_maps("transformer", "legrad"), peers("transformer")["torchcam/legrad"])


LAST_NORM = "node_layer_norm_4"
"""In front of the last attention, which pytorch-grad-cam looks at; the tokens themselves go around it."""


@pytest.mark.filterwarnings("ignore:.*goes around layer")
@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam"])
def test_maps_of_tokens_are_those_of_pytorch_grad_cam(method: str) -> None:
    """Of a transformer as PyTorch exports it, at the layer that it is told to look at; the class token has no place."""
    stored = peers("transformer")
    explainer = whylight.load(DATA / "peers" / "transformer.onnx", input_range="1").explainer(method, LAST_NORM)
    assert_same_map(explainer.run(stored["images"], stored["classes"])[2], np.maximum(stored[f"tokens/{method}"], 0))


def test_the_gradient_of_a_transformer_is_captums() -> None:
    assert_same_map(our_maps("transformer", "gradient"), np.abs(peers("transformer")["captum/gradient"]).max(1))


def one_block(height: int = 8, width: int = 12, registers: int = 2) -> tuple[Classifier, dict[str, Array]]:
    """A transformer of one block with one head and no norms, of patches of 4 x 4 pixels, and its parameters."""
    rng = np.random.default_rng(5)
    weight = {
        name: rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(shape[0]))
        for name, shape in {"patch": (48, 6), "query": (6, 6), "key": (6, 6), "value": (6, 6), "head": (6, 5)}.items()
    }
    weight["registers"] = rng.normal(size=(1, registers, 6)).astype(np.float32)
    op = GraphBuilder()

    def product(tensor: Tensor, name: str) -> Tensor:
        return op.MatMul(tensor, weight[name])

    image = op.input("image", ("N", 3, height, width))
    kernel = weight["patch"].reshape(3, 4, 4, 6).transpose(3, 0, 1, 2)
    patches = op.Reshape(op.Conv(image, np.ascontiguousarray(kernel), strides=[4, 4]), [0, 6, -1])
    patches = op.Transpose(op.with_shape(patches, ("N", 6, height * width // 16)), perm=[0, 2, 1])
    repeated = op.Expand(weight["registers"], op.Concat(op.Shape(image, start=0, end=1), [registers, 6], axis=0))
    tokens = op.Concat(op.with_shape(repeated, ("N", registers, 6)), patches, axis=1)
    keys = op.Transpose(product(tokens, "key"), perm=[0, 2, 1])
    attention = op.Softmax(op.MatMul(product(tokens, "query"), keys))
    tokens = op.Add(tokens, op.MatMul(attention, product(tokens, "value")))
    scores = op.MatMul(op.Squeeze(op.Slice(tokens, [0], [1], [1]), [1]), weight["head"])
    return describe(Path("block"), op.model([scores], "block"), [], "image", 1), weight


def test_legrad_of_one_block_is_the_papers_formula() -> None:
    """S = C (mean_i z_i + sum_j A_ij v_j): dS/dA_ij = C v_j / T, for each query i; two registers have no place."""
    model, weight = one_block()
    images = np.random.default_rng(6).normal(size=(3, 3, 8, 12)).astype(np.float32)
    classes = np.array([0, 4, 2])
    patches = images.reshape(3, 3, 2, 4, 3, 4).transpose(0, 2, 4, 1, 3, 5).reshape(3, 6, 48) @ weight["patch"]
    owed = np.einsum("ntd,dn->nt", patches @ weight["value"], weight["head"][:, classes]) / 8
    expected = np.maximum(owed, 0).reshape(3, 2, 3)
    assert_same_map(model.explainer("legrad").run(images, classes)[2], expected)
    assert_same_map(
        model.explainer("legrad", counterfactual=True).run(images, classes)[2], np.maximum(-owed, 0).reshape(3, 2, 3)
    )


def packed_blocks() -> tuple[Classifier, dict[str, Array]]:
    """Two blocks of one head on patches of 4 x 4 pixels, each with one product for query, key and value, and a bias."""
    rng = np.random.default_rng(7)
    shapes = {"patch": (48, 6), "packed 0": (6, 18), "packed 1": (6, 18), "bias 0": (18,), "bias 1": (18,)}
    weight = {
        name: rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(shape[0]))
        for name, shape in {**shapes, "head": (6, 5)}.items()
    }
    op = GraphBuilder()
    image = op.input("image", ("N", 3, 8, 12))
    kernel = weight["patch"].reshape(3, 4, 4, 6).transpose(3, 0, 1, 2)
    patches = op.Reshape(op.Conv(image, np.ascontiguousarray(kernel), strides=[4, 4]), [0, 6, -1])
    tokens = op.Transpose(op.with_shape(patches, ("N", 6, 6)), perm=[0, 2, 1])
    for block in range(2):
        packed = op.Add(op.MatMul(tokens, weight[f"packed {block}"]), weight[f"bias {block}"])
        parts = op.Transpose(op.with_shape(op.Reshape(packed, [0, 6, 3, 6]), ("N", 6, 3, 6)), perm=[2, 0, 1, 3])
        query, key, value = (op.Gather(parts, np.int64(part), axis=0) for part in range(3))
        attention = op.Softmax(op.MatMul(query, op.Transpose(key, perm=[0, 2, 1])))
        tokens = op.Add(tokens, op.MatMul(attention, value))
    scores = op.MatMul(op.ReduceMean(tokens, [1], keepdims=0), weight["head"])
    return describe(Path("packed"), op.model([scores], "packed"), [], "image", 1), weight


def test_query_key_and_value_may_be_one_product() -> None:
    """As timm has them. The product's bias is added to all tokens too, but ends no block.

    S_l = C mean_i (z_i + sum_j A_ij v_j), of the tokens z before block l: dS_l/dA_ij = C v_j / T.
    """
    model, weight = packed_blocks()
    images = np.random.default_rng(8).normal(size=(2, 3, 8, 12)).astype(np.float32)
    classes = np.array([1, 3])
    tokens = images.reshape(2, 3, 2, 4, 3, 4).transpose(0, 2, 4, 1, 3, 5).reshape(2, 6, 48) @ weight["patch"]
    parts = []
    for block in range(2):
        query, key, value = np.split(tokens @ weight[f"packed {block}"] + weight[f"bias {block}"], 3, axis=-1)
        power = np.exp(query @ key.transpose(0, 2, 1))
        tokens = tokens + power / power.sum(-1, keepdims=True) @ value
        parts.append(np.maximum(np.einsum("ntd,dn->nt", value, weight["head"][:, classes]) / 6, 0))
    assert_same_map(model.explainer("legrad").run(images, classes)[2], np.mean(parts, 0).reshape(2, 2, 3))


def test_attention_within_windows_is_refused() -> None:
    """Two windows of three places, then one of all six: of the first block LeGrad's formula says nothing."""
    op = GraphBuilder()
    rng = np.random.default_rng(9)
    image = op.input("image", ("N", 3, 8, 12))
    patches = op.Reshape(op.Conv(image, rng.normal(size=(6, 3, 4, 4)).astype(np.float32), strides=[4, 4]), [0, 6, -1])
    tokens = op.Transpose(op.with_shape(patches, ("N", 6, 6)), perm=[0, 2, 1])
    for window in (3, 6):
        windows = op.with_shape(op.Reshape(tokens, [-1, window, 6]), ("M", window, 6))
        attended = op.MatMul(op.Softmax(op.MatMul(windows, op.Transpose(windows, perm=[0, 2, 1]))), windows)
        projected = op.Add(op.MatMul(attended, rng.normal(size=(6, 6)).astype(np.float32)), np.ones(6, np.float32))
        tokens = op.Add(tokens, op.with_shape(op.Reshape(projected, [-1, 6, 6]), ("N", 6, 6)))
    scores = op.MatMul(op.ReduceMean(tokens, [1], keepdims=0), rng.normal(size=(6, 5)).astype(np.float32))
    model = describe(Path("windows"), op.model([scores], "windows"), [], "image", 1)
    with pytest.raises(WhylightError, match="'legrad' takes vision transformers whose tokens attend to all tokens"):
        model.explainer("legrad")


def test_a_network_without_attention_is_refused() -> None:
    with pytest.raises(WhylightError, match="'legrad' takes vision transformers"):
        classifier("pooled").explainer("legrad")
