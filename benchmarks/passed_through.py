"""Whether all of the score passes through a layer, and whether it is the last such layer: without whylight's own code.

The graph is run by ONNX Runtime for some random images. A tensor that is held has for every image the value that the
first one gives. What the scores still vary then has gone around it. A later tensor with more than one place that the
score passes through too would have been the layer to explain, but where no convolution and no product lies between the
two: those are the same features, normalized, rectified or pooled.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

_MIXING = {
    "Conv",
    "ConvTranspose",
    "MatMul",
    "Gemm",
    "Einsum",
    "Attention",
    "QLinearConv",
    "QLinearMatMul",
    "LSTM",
    "GRU",
}
"""Operators that make other features."""
_OF_SHAPE_ALONE = ("Shape", "Size")
_TOKENS_BEFORE = 6
"""There are at most so many tokens without a place."""
_ALL = 1 - 1e-9
_PLACES_TRIED = 12
_SAME = 1e-5
"""Scores that differ by a smaller part are the same but for rounding."""

Values = Mapping[str, np.ndarray]


def passed_through(folder: Path) -> dict[str, object]:
    """What is found of the layers in ``facts.json``.

    Returns:
        ``share``: how much of the score passes through them; ``later``: a later tensor that they should have been;
        ``is_blind``: whether the score reads no more than one of their places.
    """
    facts = json.loads((folder / "facts.json").read_text())
    network = _Network(onnx.load(folder / "graph.onnx"), facts["image"], facts["logits"], facts["maximum"])
    layers = [_Layer(layer["tensor"], layer["channels_last"], layer["grid"]) for layer in facts["layers"]]
    return {
        "share": network.share([layer.tensor for layer in layers]),
        "later": network.later(layers),
        "is_blind": network.is_blind(layers),
    }


@dataclass(frozen=True)
class _Layer:
    tensor: str
    channels_last: bool
    grid: Sequence[int] | None

    def places(self, shape: Sequence[int]) -> "_Places":
        """Along which axes of its tensor they lie."""
        first = 1 if self.channels_last else 2
        if self.grid:
            return _Places((first,), tuple(self.grid), shape[first] - prod(self.grid))
        axes = tuple(range(first, len(shape) - self.channels_last))
        return _Places(axes, tuple(shape[axis] for axis in axes), 0)


@dataclass(frozen=True)
class _Places:
    """Places along one axis, behind entries that are none, or along an axis for each dimension of the image."""

    axes: tuple[int, ...]
    grid: tuple[int, ...]
    before: int

    def tried(self) -> Iterator[tuple[int, ...]]:
        """The indices of some places, along the axes."""
        for place in np.random.default_rng(0).permutation(prod(self.grid))[:_PLACES_TRIED]:
            yield tuple(np.unravel_index(place, self.grid)) if len(self.axes) > 1 else (self.before + place,)


class _Network:
    """A graph, some images, and all that it computes of them."""

    def __init__(self, model: onnx.ModelProto, image: str, scores: str, maximum: float) -> None:
        self._model, self._image, self._scores = model, image, scores
        extents = next(info for info in model.graph.input if info.name == image).type.tensor_type.shape.dim
        shape = [extent.dim_value for extent in extents[1:]]
        random = np.random.default_rng(1)
        levels = [maximum * level for level in (0.5, 1, 2, 4)]
        self._images = [(random.standard_normal((1, *shape)) * level).astype(np.float32) for level in levels]

    def share(self, names: Sequence[str]) -> float:
        """1 - the variance of the scores with some tensors held / their variance, summed over the classes."""
        whole = [self._run(self._model, [self._scores, *names], {self._image: image}) for image in self._images]
        model = self._held({name: whole[0][name] for name in names})
        first = {name: whole[0][name] for name in names}
        held = [self._run(model, [self._scores], {self._image: image, **first}) for image in self._images]
        total = _variance([found[self._scores] for found in whole])
        if total <= (_SAME * np.abs(whole[0][self._scores]).max()) ** 2:
            raise ValueError("the scores are the same for all images")
        return 1 - _variance([found[self._scores] for found in held]) / total

    def later(self, layers: Sequence[_Layer]) -> str | None:
        """The last tensor behind the layers, of other features, that has more than one place and all of the score."""
        nodes, starts = self._model.graph.node, [layer.tensor for layer in layers]
        behind = _behind(nodes, starts) & _before(nodes, self._scores)
        names = [name for node in nodes for name in node.output if name in behind and name != self._scores]
        names = [name for name in names if any(_is_mixed(nodes, start, name) for start in starts)]
        values = self._run(self._model, [*names, *starts], {self._image: self._images[0]})
        grids = {grid for layer in layers for grid in _halved(layer.places(values[layer.tensor].shape).grid)}
        for name in reversed(names):
            places = next(_places(values[name].shape, grids), None)
            if not places or self._image in _before([node for node in nodes if name not in node.output], self._scores):
                continue  # some way leads around it
            if self.share([name]) >= _ALL and self._places_that_matter(name, places) > 1:
                return name
        return None

    def is_blind(self, layers: Sequence[_Layer]) -> bool:
        """Whether at most one place of the layers matters to the score."""
        found = self._run(self._model, [layer.tensor for layer in layers], {self._image: self._images[0]})
        counts = [self._places_that_matter(one.tensor, one.places(found[one.tensor].shape)) for one in layers]
        return sum(counts) <= 1

    def _places_that_matter(self, name: str, places: _Places) -> int:
        """Of some places of a tensor, how many change the scores when they alone are those of another image."""
        first, second = (self._run(self._model, [name], {self._image: image})[name] for image in self._images[1:3])
        model = self._held({name: first})
        feeds = {self._image: self._images[1]}
        plain = self._run(model, [self._scores], {**feeds, name: first})[self._scores]
        count = 0
        for index in places.tried():
            chosen = [slice(None)] * first.ndim
            for axis, number in zip(places.axes, index, strict=True):
                chosen[axis] = slice(int(number), int(number) + 1)
            changed = first.copy()
            changed[tuple(chosen)] = second[tuple(chosen)]
            scores = self._run(model, [self._scores], {**feeds, name: changed})[self._scores]
            count += bool(np.abs(scores - plain).max() > 1e-6 * np.abs(plain).max())
        return count

    def _held(self, values: Values) -> onnx.ModelProto:
        """The graph above some tensors, which are inputs."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for node in model.graph.node:
            node.output[:] = [f"{name} as computed" if name in values else name for name in node.output]
        for name, value in values.items():
            kind = helper.np_dtype_to_tensor_dtype(value.dtype)
            model.graph.input.append(helper.make_tensor_value_info(name, kind, [None] * value.ndim))
        return model

    def _run(self, model: onnx.ModelProto, outputs: Sequence[str], feeds: Values) -> dict[str, np.ndarray]:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        del copy.graph.output[:]
        names = list(dict.fromkeys(outputs))
        copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _variance(scores: Sequence[np.ndarray]) -> float:
    return float(np.concatenate(scores).reshape(len(scores), -1).astype(np.float64).var(0).sum())


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            yield from _reads(inner)


def _behind(nodes: Sequence[onnx.NodeProto], names: Collection[str]) -> set[str]:
    found = set(names)
    for node in nodes:
        if node.op_type not in _OF_SHAPE_ALONE and not found.isdisjoint(_reads(node)):
            found.update(filter(None, node.output))
    return found - set(names)


def _before(nodes: Sequence[onnx.NodeProto], name: str) -> set[str]:
    found = {name}
    for node in reversed(nodes):
        if node.op_type not in _OF_SHAPE_ALONE and not found.isdisjoint(node.output):
            found.update(_reads(node))
    return found


def _is_mixed(nodes: Sequence[onnx.NodeProto], start: str, end: str) -> bool:
    """Whether a convolution or a product lies on the way."""
    behind, before = _behind(nodes, [start]), _before(nodes, end)
    between = [node for node in nodes if node.output[0] in behind & before]
    return any(node.op_type in _MIXING for node in between)


def _halved(grid: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """A grid, and what is left of it when it is halved, as long as it has more than one place."""
    while prod(grid) > 1:
        yield grid
        grid = tuple(-(-extent // 2) for extent in grid)


def _places(shape: Sequence[int], grids: Collection[tuple[int, ...]]) -> Iterator[_Places]:
    """Where there may be places in a tensor."""
    for grid in grids:
        for axis in range(1, len(shape) - len(grid) + 1):
            if tuple(shape[axis : axis + len(grid)]) == grid and prod(shape) > prod(grid):
                yield _Places(tuple(range(axis, axis + len(grid))), grid, 0)
        for axis in range(1, len(shape)):
            if prod(shape) > shape[axis] and 0 <= shape[axis] - prod(grid) < _TOKENS_BEFORE:
                yield _Places((axis,), grid, shape[axis] - prod(grid))
