"""The derivatives of an ONNX graph by PyTorch's autograd: a small interpreter of the operators of usual CNNs.

Runs in the peers' environment, for `gradients.py`: ``python onnx_in_torch.py FOLDER`` reads ``graph.onnx``,
``facts.json``, which names the class scores, ``found.npz``: an image, a class, and the values of tensors of the graph,
and ``points.npz``: values that replace those computed here. It writes ``expected.npz``: the scores, and the derivatives
of the class's with respect to the tensors. Everything is computed in double precision.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional

Tensor = torch.Tensor


def conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, **at: Any) -> Tensor:
    """Any number of spatial axes; uneven padding is added before."""
    count = x.ndim - 2
    padded = functional.pad(x, _padding(x, at, weight.shape[2:]))
    function = (functional.conv1d, functional.conv2d, functional.conv3d)[count - 1]
    strides, dilations = at.get("strides", [1] * count), at.get("dilations", [1] * count)
    return function(padded, weight, bias, strides, 0, dilations, at.get("group", 1))


def max_pool(x: Tensor, **at: Any) -> Tensor:
    """Padding is below all values; windows that begin inside the padded image count with ceil_mode."""
    padded = functional.pad(x, _padding(x, at, at["kernel_shape"]), value=-torch.inf)
    return functional.max_pool2d(
        padded, at["kernel_shape"], at.get("strides", 1), ceil_mode=bool(at.get("ceil_mode", 0))
    )


def average_pool(x: Tensor, **at: Any) -> Tensor:
    """The sum of each window by the number of its elements, with or without those of the padding."""
    pads, strides, kernel = _padding(x, at, at["kernel_shape"]), at.get("strides", 1), at["kernel_shape"]
    ceil = bool(at.get("ceil_mode", 0))
    ones = torch.ones_like(x)

    def sums(image: Tensor) -> Tensor:
        return functional.avg_pool2d(image, kernel, strides, ceil_mode=ceil, divisor_override=1)

    counts = sums(functional.pad(ones, pads, value=1.0 if at.get("count_include_pad", 0) else 0.0))
    return sums(functional.pad(x, pads)) / counts


def _padding(x: Tensor, at: Mapping[str, Any], kernel: Any) -> list[int]:
    """In PyTorch's order: the last axis first, before and after in turn."""
    count = x.ndim - 2
    pads = list(at.get("pads", [0] * 2 * count))
    kind = at.get("auto_pad", "NOTSET")
    if kind.startswith("SAME"):
        strides, dilations = at.get("strides", [1] * count), at.get("dilations", [1] * count)
        totals = [
            max((-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
            for size, stride, width, dilation in zip(x.shape[2:], strides, kernel, dilations, strict=True)
        ]
        begins = [total // 2 if kind == "SAME_UPPER" else total - total // 2 for total in totals]
        pads = begins + [total - begin for total, begin in zip(totals, begins, strict=True)]
    return [pads[axis + side * count] for axis in reversed(range(count)) for side in range(2)]


def batch_normalization(x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, **at: Any) -> Tensor:
    """By its formula, along axis 1."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    factor = scale / (variance + at.get("epsilon", 1e-5)).sqrt()
    return (x - mean.view(shape)) * factor.view(shape) + bias.view(shape)


def gemm(a: Tensor, b: Tensor, c: Tensor | None = None, **at: Any) -> Tensor:
    """alpha A B + beta C."""
    product = (a.T if at.get("transA") else a) @ (b.T if at.get("transB") else b) * at.get("alpha", 1.0)
    return product if c is None else product + c * at.get("beta", 1.0)


def lrn(x: Tensor, **at: Any) -> Tensor:
    """x / (bias + alpha / size times the sum of squares over neighboring channels)^beta."""
    size = at["size"]
    padded = functional.pad(x * x, (0, 0, 0, 0, (size - 1) // 2, size // 2))
    sums = torch.stack([padded[:, start : start + x.shape[1]] for start in range(size)]).sum(0)
    return x / (at.get("bias", 1.0) + at.get("alpha", 1e-4) / size * sums) ** at.get("beta", 0.75)


def reshape(x: Tensor, shape: Tensor, **_: Any) -> Tensor:
    """Zeros in the shape keep the size."""
    return x.reshape([x.shape[axis] if size == 0 else int(size) for axis, size in enumerate(shape)])


def pad(x: Tensor, pads: Tensor, value: Tensor | None = None, **at: Any) -> Tensor:
    """With a constant, along all axes."""
    if at.get("mode", "constant") != "constant":
        raise SystemExit(f"the interpreter does not know Pad in mode {at['mode']}")
    sides = [int(pads[axis + side * x.ndim]) for axis in reversed(range(x.ndim)) for side in range(2)]
    return functional.pad(x, sides, value=0.0 if value is None else float(value))


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None, **_: Any) -> Tensor:
    """As ReLU6 has it: at the bounds themselves, where dead channels lie, the derivative is zero."""
    return functional.hardtanh(x, -torch.inf if low is None else float(low), torch.inf if high is None else float(high))


def reduce_mean(x: Tensor, axes: Tensor | None = None, **at: Any) -> Tensor:
    """Over all axes where none are given."""
    chosen = list(range(x.ndim)) if axes is None else [int(axis) for axis in axes]
    return x.mean(chosen, keepdim=bool(at.get("keepdims", 1)))


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda a, b: a + b,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Clip": clip,
    "Concat": lambda *xs, axis: torch.cat(xs, axis),
    "Conv": conv,
    "Div": lambda a, b: a / b,
    "Dropout": lambda x, *_, **__: x,
    "Elu": lambda x, alpha=1.0: functional.elu(x, alpha),
    "Flatten": lambda x, axis=1: x.flatten(axis),
    "Gemm": gemm,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "Identity": lambda x: x,
    "LRN": lrn,
    "LeakyRelu": lambda x, alpha=0.01: functional.leaky_relu(x, alpha),
    "MatMul": lambda a, b: a @ b,
    "MaxPool": max_pool,
    "Mul": lambda a, b: a * b,
    "PRelu": lambda x, slope: torch.where(x > 0, x, x * slope),
    "Pad": pad,
    "Pow": lambda a, b: a**b,
    "ReduceMean": reduce_mean,
    "Relu": torch.relu,
    "Reshape": reshape,
    "Sigmoid": torch.sigmoid,
    "Softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "Sub": lambda a, b: a - b,
    "Sum": lambda *xs: torch.stack(xs).sum(0),
    "Tanh": torch.tanh,
    "Transpose": lambda x, perm: x.permute(perm),
    "Unsqueeze": lambda x, axes: x.reshape(np.expand_dims(np.empty(x.shape), tuple(axes.tolist())).shape),
}


def evaluate(
    graph: onnx.GraphProto, image: Tensor, points: Mapping[str, Tensor], leaf: str | None
) -> tuple[dict[str, Tensor], Tensor | None]:
    """All tensors of the graph, and the leaf from which a derivative graph of its own begins."""
    tensors: dict[str, Any] = {"": None}
    for initializer in graph.initializer:
        value = torch.from_numpy(numpy_helper.to_array(initializer).copy())
        tensors[initializer.name] = value.double() if value.is_floating_point() else value
    started = None

    def add(name: str, value: Tensor) -> None:
        nonlocal started
        if name in points:
            value = value + (points[name] - value).detach()
        if name == leaf:
            value = started = value.detach().clone().requires_grad_(True)
        tensors[name] = value

    add(graph.input[0].name, image)
    for node in graph.node:
        at = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        at = {name: value.decode() if isinstance(value, bytes) else value for name, value in at.items()}
        if node.op_type == "Constant":
            tensors[node.output[0]] = torch.from_numpy(numpy_helper.to_array(at["value"]).copy())
            continue
        if node.op_type not in OPERATORS:
            raise SystemExit(f"the interpreter does not know {node.op_type}")
        add(node.output[0], OPERATORS[node.op_type](*(tensors[name] for name in node.input), **at))
    return tensors, started


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    graph = onnx.load(folder / "graph.onnx").graph
    facts = json.loads((folder / "facts.json").read_text())
    found = np.load(folder / "found.npz")
    points = {name: torch.from_numpy(value).double() for name, value in np.load(folder / "points.npz").items()}
    image, index = torch.from_numpy(found["image"]).double(), int(found["class index"])
    expected = {}
    for name in set(found.files) - {"class index"}:
        tensors, leaf = evaluate(graph, image, points, graph.input[0].name if name == "image" else name)
        scores = tensors[facts["logits"]]
        assert leaf is not None
        expected["scores"] = scores.detach().numpy()
        expected[name] = torch.autograd.grad(scores.reshape(-1)[index], leaf)[0].numpy()
    np.savez(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
