"""ONNX's operators as functions of PyTorch, of which autograd knows the derivatives. Written after ONNX's documents."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from onnx import helper
from torch.nn import functional

Tensor = torch.Tensor


def to_tensor(value: np.ndarray) -> Tensor:
    """Numbers in double precision, and whole numbers as they are."""
    tensor = torch.from_numpy(np.array(value))
    return tensor.double() if tensor.is_floating_point() else tensor


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


def reshape(x: Tensor, shape: Tensor, allowzero: int = 0, **_: Any) -> Tensor:
    """Zeros in the shape keep the size."""
    return x.reshape([x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(shape.tolist())])


def pad(x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None, **at: Any) -> Tensor:
    """By indices of the input's elements, and with a constant where there are none."""
    count = len(pads) // 2
    for place, axis in enumerate(range(x.ndim) if axes is None else axes.tolist()):
        before, after, size = int(pads[place]), int(pads[place + count]), x.shape[axis]
        index = np.arange(-before, size + after)
        match at.get("mode", "constant"):
            case "constant":
                inside = torch.tensor((index >= 0) & (index < size)).reshape([-1] + [1] * (x.ndim - 1 - axis % x.ndim))
                chosen = x.index_select(axis, torch.tensor(index.clip(0, size - 1)))
                x = torch.where(inside, chosen, torch.zeros((), dtype=x.dtype) if value is None else value.reshape(()))
                continue
            case "reflect":
                index = np.abs(index)
                index = np.where(index >= size, 2 * (size - 1) - index, index)
            case "edge":
                index = index.clip(0, size - 1)
            case "wrap":
                index = index % size
        x = x.index_select(axis, torch.tensor(index))
    return x


def clip(x: Tensor, low: Tensor | None = None, high: Tensor | None = None, **_: Any) -> Tensor:
    """As ReLU6 has it: at the bounds themselves, where dead channels lie, the derivative is zero."""
    return functional.hardtanh(x, -torch.inf if low is None else float(low), torch.inf if high is None else float(high))


def reduction(function: Callable[[Tensor, list[int]], Tensor]) -> Callable[..., Tensor]:
    """Over all axes where none are given, but where that is said to mean that nothing is to be done."""

    def reduce(
        x: Tensor, axes: Tensor | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0, **_: Any
    ) -> Tensor:
        if noop_with_empty_axes and (axes is None or not len(axes)):
            return x
        chosen = list(range(x.ndim)) if axes is None or not len(axes) else [axis % x.ndim for axis in axes.tolist()]
        result = function(x, chosen)
        return result if keepdims else result.reshape([n for i, n in enumerate(x.shape) if i not in chosen])

    return reduce


def layer_normalization(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, axis: int = -1, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    """Over all axes from one on."""
    axes = list(range(axis % x.ndim, x.ndim))
    normal = (x - x.mean(axes, keepdim=True)) / (x.var(axes, correction=0, keepdim=True) + epsilon).sqrt() * scale
    return normal if bias is None else normal + bias


def group_normalization(x: Tensor, scale: Tensor, bias: Tensor, **at: Any) -> Tensor:
    """Of groups of channels; of one channel each it is instance normalization."""
    grouped = x.reshape(x.shape[0], at.get("num_groups", x.shape[1]), -1)
    variance = grouped.var(2, correction=0, keepdim=True)
    normal = (grouped - grouped.mean(2, keepdim=True)) / (variance + at.get("epsilon", 1e-5)).sqrt()
    shape = [1, -1] + [1] * (x.ndim - 2)
    return normal.reshape(x.shape) * scale.reshape(shape) + bias.reshape(shape)


def gather(x: Tensor, index: Tensor, axis: int = 0, **_: Any) -> Tensor:
    """Slices of an axis; negative indices count from its end."""
    axis %= x.ndim
    chosen = x.index_select(axis, (index.long() % x.shape[axis]).reshape(-1))
    return chosen.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


def slice_(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
    """As Python slices."""
    chosen = range(len(starts)) if axes is None else axes.tolist()
    widths = [1] * len(starts) if steps is None else steps.tolist()
    for axis, start, end, step in zip(chosen, starts.tolist(), ends.tolist(), widths, strict=True):
        end = None if step < 0 and end < -x.shape[axis] else end
        x = x.index_select(axis, torch.tensor(range(x.shape[axis])[start:end:step], dtype=torch.int64))
    return x


def split(x: Tensor, sizes: Tensor | None = None, axis: int = 0, num_outputs: int = 0, **at: Any) -> tuple[Tensor, ...]:
    """Into parts of given sizes, else into equal ones of which the last may be smaller."""
    if sizes is not None:
        return torch.split(x, sizes.tolist(), axis)
    return torch.split(x, -(-x.shape[axis] // (num_outputs or at["outputs"])), axis)


def squeeze(x: Tensor, axes: Tensor | None = None, **_: Any) -> Tensor:
    """Without axes of extent 1."""
    chosen = None if axes is None else {axis % x.ndim for axis in axes.tolist()}
    return x.reshape([n for i, n in enumerate(x.shape) if (n != 1 if chosen is None else i not in chosen)])


def unsqueeze(x: Tensor, axes: Tensor, **_: Any) -> Tensor:
    """With axes of extent 1 more."""
    return x.reshape(np.expand_dims(np.empty(x.shape), tuple(axes.tolist())).shape)


def expand(x: Tensor, shape: Tensor, **_: Any) -> Tensor:
    """Repeated to a shape, in which ones keep the size."""
    return x.broadcast_to(torch.broadcast_shapes(x.shape, torch.Size(shape.tolist())))


def scatter_nd(x: Tensor, index: Tensor, updates: Tensor, **at: Any) -> Tensor:
    """With slices replaced, or added to."""
    if at.get("reduction", "none") not in ("none", "add"):
        raise SystemExit(f"the interpreter does not know ScatterND with reduction {at['reduction']}")
    places = tuple(index.unbind(-1))
    return x.index_put(places, updates.to(x.dtype), accumulate=at.get("reduction") == "add")


def cast(x: Tensor, to: int, **_: Any) -> Tensor:
    """All numbers of a fraction are double."""
    kind = np.dtype(helper.tensor_dtype_to_np_dtype(to))
    return x.double() if kind.kind == "f" else x.to(torch.from_numpy(np.zeros(1, kind)).dtype)


def divide(a: Tensor, b: Tensor, **_: Any) -> Tensor:
    """Whole numbers stay whole."""
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


def softmax(x: Tensor, axis: int = -1, **_: Any) -> Tensor:
    """Along one axis."""
    return torch.softmax(x, axis)


def gelu(x: Tensor, approximate: str = "none", **_: Any) -> Tensor:
    """Exactly, or with tanh."""
    return functional.gelu(x, approximate=approximate)


def depth_to_space(x: Tensor, blocksize: int, mode: str = "DCR", **_: Any) -> Tensor:
    """Channels become places."""
    n, c, h, w = x.shape
    d = c // blocksize**2
    if mode == "DCR":
        parts = x.reshape(n, blocksize, blocksize, d, h, w).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, d, blocksize, blocksize, h, w).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, d, h * blocksize, w * blocksize)


def space_to_depth(x: Tensor, blocksize: int, **_: Any) -> Tensor:
    """Places become channels."""
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // blocksize, blocksize, w // blocksize, blocksize).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * blocksize**2, h // blocksize, w // blocksize)


def resize(
    x: Tensor, roi: Tensor | None = None, scales: Tensor | None = None, sizes: Tensor | None = None, **at: Any
) -> Tensor:
    """Each axis by a matrix of weights."""
    axes = at.get("axes", range(x.ndim))
    for place, axis in enumerate(axes):
        before = x.shape[axis]
        after = int(sizes[place]) if sizes is not None else int(np.floor(before * float(scales[place])))
        scale = float(scales[place]) if sizes is None else after / before
        if after != before or scale != 1:
            weights = torch.from_numpy(_resize_weights(before, after, scale, at))
            x = torch.tensordot(x, weights, ([axis], [1])).movedim(-1, axis)
    return x


def _resize_weights(before: int, after: int, scale: float, at: Mapping[str, Any]) -> np.ndarray:
    index = np.arange(after)
    match at.get("coordinate_transformation_mode", "half_pixel"):
        case "align_corners":
            place = index * (before - 1) / max(after - 1, 1)
        case "asymmetric":
            place = index / scale
        case "pytorch_half_pixel" if after == 1:
            place = np.zeros(1)
        case "half_pixel" | "pytorch_half_pixel":
            place = (index + 0.5) / scale - 0.5
        case mode:
            raise SystemExit(f"the interpreter does not know Resize in mode {mode}")
    weights = np.zeros((after, before))
    if at.get("mode", "nearest") == "nearest":
        match at.get("nearest_mode", "round_prefer_floor"):
            case "floor":
                chosen = np.floor(place)
            case "ceil":
                chosen = np.ceil(place)
            case "round_prefer_ceil":
                chosen = np.floor(place + 0.5)
            case _:
                chosen = np.ceil(place - 0.5)
        weights[index, chosen.clip(0, before - 1).astype(int)] = 1
        return weights
    start = np.floor(place).astype(int)
    fraction = place - start
    if at["mode"] == "linear":
        parts = {0: 1 - fraction, 1: fraction}
    else:
        a = at.get("cubic_coeff_a", -0.75)

        def near(t: np.ndarray) -> np.ndarray:
            return np.asarray((a + 2) * t**3 - (a + 3) * t**2 + 1)

        def far(t: np.ndarray) -> np.ndarray:
            return np.asarray(a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a)

        parts = {-1: far(1 + fraction), 0: near(fraction), 1: near(1 - fraction), 2: far(2 - fraction)}
    for offset, weight in parts.items():
        np.add.at(weights, (index, (start + offset).clip(0, before - 1)), weight)
    return weights


def one_hot(index: Tensor, depth: Tensor, values: Tensor, axis: int = -1, **_: Any) -> Tensor:
    """The second value at the index, the first elsewhere."""
    hot = functional.one_hot(index.long() % int(depth), int(depth)).movedim(-1, axis)
    return torch.where(hot.bool(), values[1], values[0])


def top_k(x: Tensor, k: Tensor, axis: int = -1, largest: int = 1, **_: Any) -> tuple[Tensor, Tensor]:
    """Values and their indices, in order."""
    found = torch.topk(x, int(k), axis, bool(largest))
    return found.values, found.indices


def conv_transpose(x: Tensor, weight: Tensor, bias: Tensor | None = None, **at: Any) -> Tensor:
    """Of images, with padding that is the same before and after."""
    pads = at.get("pads", [0, 0, 0, 0])
    return functional.conv_transpose2d(
        x,
        weight,
        bias,
        at.get("strides", 1),
        pads[:2],
        at.get("output_padding", 0),
        at.get("group", 1),
        at.get("dilations", 1),
    )


def trilu(x: Tensor, k: Tensor | None = None, upper: int = 1, **_: Any) -> Tensor:
    """A triangle of matrices."""
    return (torch.triu if upper else torch.tril)(x, 0 if k is None else int(k))


def shape(x: Tensor, start: int = 0, end: int | None = None, **_: Any) -> Tensor:
    """The extents."""
    return torch.tensor(list(x.shape)[start:end], dtype=torch.int64)


def constant_of_shape(extents: Tensor, value: Any = None, **_: Any) -> Tensor:
    """One number everywhere."""
    number = torch.zeros(1).double() if value is None else to_tensor(value)
    return number.reshape(()).broadcast_to(extents.tolist()).clone()


def index_of_largest(x: Tensor, axis: int = 0, keepdims: int = 1, **_: Any) -> Tensor:
    """The first of them."""
    return torch.argmax(x, axis, bool(keepdims))


OPERATORS: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "And": torch.logical_and,
    "ArgMax": index_of_largest,
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "Cast": cast,
    "CastLike": lambda x, like: x.to(like.dtype),
    "Ceil": torch.ceil,
    "Celu": lambda x, alpha=1.0: functional.celu(x, alpha),
    "Clip": clip,
    "Concat": lambda *xs, axis: torch.cat(xs, axis),
    "ConstantOfShape": constant_of_shape,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Cos": torch.cos,
    "CumSum": lambda x, axis: torch.cumsum(x, int(axis)),
    "DepthToSpace": depth_to_space,
    "Div": divide,
    "Dropout": lambda x, *_, **__: x,
    "Einsum": lambda *xs, equation: torch.einsum(equation, *xs),
    "Elu": lambda x, alpha=1.0: functional.elu(x, alpha),
    "Equal": torch.eq,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Expand": expand,
    "Flatten": lambda x, axis=1: x.reshape(int(np.prod(x.shape[:axis])), -1),
    "Floor": torch.floor,
    "Gather": gather,
    "GatherElements": lambda x, index, axis=0: torch.gather(x, axis, index % x.shape[axis]),
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True),
    "GlobalMaxPool": lambda x: x.amax(tuple(range(2, x.ndim)), keepdim=True),
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "GroupNormalization": group_normalization,
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: torch.clamp(x * alpha + beta, 0, 1),
    "HardSwish": lambda x: x * torch.clamp(x / 6 + 0.5, 0, 1),
    "Identity": lambda x: x,
    "InstanceNormalization": group_normalization,
    "IsNaN": torch.isnan,
    "LRN": lrn,
    "LayerNormalization": layer_normalization,
    "LeakyRelu": lambda x, alpha=0.01: functional.leaky_relu(x, alpha),
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Log": torch.log,
    "LogSoftmax": lambda x, axis=-1: torch.log_softmax(x, axis),
    "MatMul": torch.matmul,
    "Max": lambda *xs: functools.reduce(torch.maximum, xs),
    "MaxPool": max_pool,
    "Mean": lambda *xs: sum(xs) / len(xs),
    "Min": lambda *xs: functools.reduce(torch.minimum, xs),
    "Mish": functional.mish,
    "Mod": lambda a, b, fmod=0: (torch.fmod if fmod else torch.remainder)(a, b),
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "OneHot": one_hot,
    "Or": torch.logical_or,
    "PRelu": lambda x, slope: torch.where(x > 0, x, x * slope),
    "Pad": pad,
    "Pow": torch.pow,
    "RMSNormalization": lambda x, scale, axis=-1, epsilon=1e-5, **_: (
        x / ((x * x).mean(list(range(axis % x.ndim, x.ndim)), keepdim=True) + epsilon).sqrt() * scale
    ),
    "Range": lambda start, end, step: torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype),
    "Reciprocal": torch.reciprocal,
    "ReduceL2": reduction(lambda x, axes: (x * x).sum(axes, keepdim=True).sqrt()),
    "ReduceMax": reduction(lambda x, axes: x.amax(axes, keepdim=True)),
    "ReduceMean": reduction(lambda x, axes: x.mean(axes, keepdim=True)),
    "ReduceMin": reduction(lambda x, axes: x.amin(axes, keepdim=True)),
    "ReduceProd": reduction(lambda x, axes: functools.reduce(lambda y, axis: y.prod(axis, keepdim=True), axes, x)),
    "ReduceSum": reduction(lambda x, axes: x.sum(axes, keepdim=True)),
    "ReduceSumSquare": reduction(lambda x, axes: (x * x).sum(axes, keepdim=True)),
    "Relu": torch.relu,
    "Reshape": reshape,
    "Resize": resize,
    "Round": torch.round,
    "ScatterND": scatter_nd,
    "Selu": lambda x, **_: functional.selu(x),
    "Shape": shape,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Size": lambda x: torch.tensor(x.numel()),
    "Slice": slice_,
    "Softmax": softmax,
    "Softplus": lambda x: functional.softplus(x, threshold=50),
    "Softsign": functional.softsign,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Sqrt": torch.sqrt,
    "Squeeze": squeeze,
    "Sub": torch.sub,
    "Sum": lambda *xs: functools.reduce(torch.add, xs),
    "Swish": lambda x, alpha=1.0: x * torch.sigmoid(alpha * x),
    "Tanh": torch.tanh,
    "Tile": lambda x, repeats: x.repeat(repeats.tolist()),
    "TopK": top_k,
    "Transpose": lambda x, perm=None: x.permute(perm or list(range(x.ndim))[::-1]),
    "Trilu": trilu,
    "Unsqueeze": unsqueeze,
    "Where": torch.where,
    "Xor": torch.logical_xor,
}
