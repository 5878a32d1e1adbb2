"""Small classifiers in ONNX for tests, written node by node."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]

CLASSES = 4
HEIGHT, WIDTH = 6, 9

HEAD = """<ir_version: 9, opset_import: ["" : 18, "own" : 1]>
sample (float[N,3,6,6] image) => (float[N,4] scores) {
    shape = Constant<value = int64[4] {4, 3, 3, 3}>()
    kernel = ConstantOfShape<value = float[1] {0.1}>(shape)
    maps = Conv<pads = [1, 1, 1, 1]>(image, kernel)
"""
TAIL = """
    pooled = GlobalAveragePool(rectified)
    scores = Flatten(pooled)
}
"""
"""The text of a network without weights, around what makes `rectified` of `maps`: for `onnx.parser`."""


def cnn_weights() -> dict[str, Array]:
    random = np.random.default_rng(1)
    shapes = {"kernel": (5, 3, 3, 3), "bias": (5,), "weight": (5, CLASSES), "offset": (CLASSES,)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def cnn(opset: int = 17, batch: int | str = "batch", layout: str = "NCHW", kind: int = TensorProto.FLOAT) -> Any:
    """Conv, Relu, mean over positions, Gemm, Softmax: logits are linear in the rectified feature map."""
    extents = [3, HEIGHT, WIDTH] if layout == "NCHW" else [HEIGHT, WIDTH, 3]
    first = [] if layout == "NCHW" else [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])]
    nodes = [
        *first,
        helper.make_node("Conv", [first[0].output[0] if first else "image", "kernel", "bias"], ["maps"], name="conv"),
        helper.make_node("Relu", ["maps"], ["rectified"], name="act"),
        helper.make_node("GlobalAveragePool", ["rectified"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "flat"], ["features"]),
        helper.make_node("Gemm", ["features", "weight", "offset"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    values = {name: value.astype(helper.tensor_dtype_to_np_dtype(kind)) for name, value in cnn_weights().items()}
    values["flat"] = np.array([-1 if isinstance(batch, str) else batch, 5], np.int64)
    return model(
        nodes,
        [helper.make_tensor_value_info("image", kind, [batch, *extents])],
        [helper.make_tensor_value_info("probabilities", kind, [batch, CLASSES])],
        values,
        opset,
    )


def model(nodes: Any, inputs: Any, outputs: Any, values: dict[str, Array], opset: int = 17) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "sample", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def expected_cam(image: Array, class_index: int) -> Array:
    """Grad-CAM at ``conv`` of an image (3, H, W) by its formula, normalized to [0, 1]."""
    weights = cnn_weights()
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, weights["kernel"]) + weights["bias"][:, None, None]
    slopes = weights["weight"][:, class_index, None, None] * (maps > 0) / maps[0].size
    cam = np.maximum((slopes.mean((1, 2))[:, None, None] * maps).sum(0), 0)
    return np.asarray((cam - cam.min()) / (cam.max() - cam.min()))


def vision_transformer(batch: int | str = "batch") -> onnx.ModelProto:
    """Patches of 2 x 2, a class token, one block of attention with one head, a head on the class token."""
    random = np.random.default_rng(2)
    channels, rows, columns = 4, HEIGHT // 3, WIDTH // 3
    tokens = rows * columns + 1
    shapes = {
        "patch": (channels, 3, 3, 3),
        "class_token": (1, 1, channels),
        "position": (1, tokens, channels),
        **dict.fromkeys(("query", "key", "value"), (channels, channels)),
        **dict.fromkeys(("gain", "shift"), (channels,)),
        "head": (channels, CLASSES),
    }
    values: dict[str, Array] = {name: random.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    values |= {
        "tokens_shape": np.array([0 if isinstance(batch, str) else batch, channels, rows * columns], np.int64),
        "first": np.array(0, np.int64),
        "repeats": np.array([1, 1, channels], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["image", "patch"], ["patches"], name="patch_embed", strides=[3, 3]),
        helper.make_node("Reshape", ["patches", "tokens_shape"], ["flat"]),
        helper.make_node("Transpose", ["flat"], ["places"], perm=[0, 2, 1]),
        *_class_tokens(batch),
        helper.make_node("Concat", ["class_tokens", "places"], ["tokens"], axis=1),
        helper.make_node("Add", ["tokens", "position"], ["embedded"], name="embed"),
        helper.make_node("LayerNormalization", ["embedded", "gain", "shift"], ["normed"], name="norm1"),
        *(helper.make_node("MatMul", ["normed", each], [f"{each}s"], name=each) for each in ("query", "key", "value")),
        helper.make_node("Transpose", ["keys"], ["keys_t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["querys", "keys_t"], ["similarity"]),
        helper.make_node("Softmax", ["similarity"], ["attention"], axis=-1),
        helper.make_node("MatMul", ["attention", "values"], ["attended"], name="attend"),
        helper.make_node("Add", ["embedded", "attended"], ["block"], name="residual"),
        helper.make_node("Relu", ["block"], ["rectified"], name="act"),
        helper.make_node("Gather", ["rectified", "first"], ["picked"], axis=1),
        helper.make_node("MatMul", ["picked", "head"], ["scores"]),
    ]
    return model(
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        values,
    )


def _class_tokens(batch: int | str) -> list[onnx.NodeProto]:
    if isinstance(batch, int):
        return [helper.make_node("Expand", ["class_token", "repeats"], ["class_tokens"])]
    return [
        helper.make_node("Shape", ["places"], ["places_shape"]),
        helper.make_node("Gather", ["places_shape", "first"], ["count"], axis=0),
        helper.make_node("Constant", [], ["axis"], value=numpy_helper.from_array(np.array([0], np.int64))),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
        helper.make_node("Constant", [], ["ones"], value=numpy_helper.from_array(np.array([1, 1], np.int64))),
        helper.make_node("Concat", ["counts", "ones"], ["class_shape"], axis=0),
        helper.make_node("Expand", ["class_token", "class_shape"], ["class_tokens"]),
    ]


def small_cnn(size: tuple[int, ...], channels: int = 2, order: str = "first", batch: int | str = "batch") -> Any:
    """Conv, Tanh, MaxPool, Conv, Relu, mean over places, Gemm; for signals, pictures and volumes.

    ``order``: channels come ``first`` or ``last`` at the input, or the input has ``none``.
    """
    random = np.random.default_rng(len(size))
    places = len(size)
    shapes = {
        "kernel": (4, channels, *[3] * places),
        "bias": (4,),
        "kernel2": (6, 4, *[3] * places),
        "bias2": (6,),
        "weight": (6, CLASSES),
        "offset": (CLASSES,),
    }
    values: dict[str, Array] = {name: 0.5 * random.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    pads = [1] * (2 * places)
    first, extents = "image", [channels, *size]
    nodes = []
    if order == "last":
        first, extents = "planes", [*size, channels]
        nodes = [helper.make_node("Transpose", ["image"], ["planes"], perm=[0, places + 1, *range(1, places + 1)])]
    if order == "none":
        first, extents, values["one"] = "planes", [*size], np.array([1], np.int64)
        nodes = [helper.make_node("Unsqueeze", ["image", "one"], ["planes"])]
    nodes += [
        helper.make_node("Conv", [first, "kernel", "bias"], ["early"], name="early", pads=pads),
        helper.make_node("Tanh", ["early"], ["bent"]),
        helper.make_node("MaxPool", ["bent"], ["smaller"], kernel_shape=[2] * places, strides=[2] * places),
        helper.make_node("Conv", ["smaller", "kernel2", "bias2"], ["maps"], name="conv", pads=pads),
        helper.make_node("Relu", ["maps"], ["rectified"], name="act"),
        helper.make_node("GlobalAveragePool", ["rectified"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "weight", "offset"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    return model(
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, *extents])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, CLASSES])],
        values,
    )
