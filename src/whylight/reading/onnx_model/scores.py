"""One list of scores an image, (N, classes), made of the output that holds them.

Files hold them in other shapes too, which a few nodes behind the output undo:

    (N, 1, C)    ──Flatten──────────> (N, C)
    (N, P, C)    ──one of P─────────> (N, C)    several lists an image, such as one for each digit
    (k N, C)     ──mean of k rows───> (N, C)    several images made of each one, such as crops
    (N,)         ──Unsqueeze────────> (N, 1)
    (C,)         ──Unsqueeze────────> (1, C)    of a network that takes one image

The final activation comes last: scores are picked and averaged before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from whylight.classifier.describe import SAME_VALUES, before_final_activation
from whylight.errors import WhylightError
from whylight.graph.tensor import BATCH, Shape, Tensor
from whylight.reading.onnx_model.verify import run_model

Array = np.ndarray[Any, Any]

_MOST_ROWS = 144
"""Images that a network may make of one: GoogLeNet's crops (Szegedy et al. 2015, section 7)."""


@dataclass(frozen=True)
class ScoreLists:
    """The lists of scores that an output holds.

    Attributes:
        count: lists an image.
        axis: the axis of the classes; None where there is one number an image, with no axis of its own.
        classes: their number.
    """

    count: int
    axis: int | None
    classes: int


@dataclass(frozen=True)
class Scores:
    """A model with one list of scores an image.

    Attributes:
        model: the model.
        output: the name of the output (N, classes).
        rows: how many images the network makes of each one: the scores of so many were averaged.
    """

    model: onnx.ModelProto
    output: str
    rows: int = 1


def score_lists(tensor: Tensor) -> ScoreLists | None:
    """What an output can hold, by its shape; None where these are no lists of scores.

    Of (N, P, C) the last axis is that of the classes.
    """
    extents = [extent for extent in tensor.shape[1:] if isinstance(extent, int)]
    if tensor.dtype.kind != "f" or not tensor.rank or len(extents) < tensor.rank - 1:
        return None
    match [axis for axis, extent in enumerate(extents, start=1) if extent != 1]:
        case []:
            return ScoreLists(1, 1 if extents else None, 1)
        case [axis]:
            return ScoreLists(1, axis, extents[axis - 1])
        case [place, axis] if tensor.rank == 3:
            return ScoreLists(extents[place - 1], axis, extents[axis - 1])
    return None


def one_list(
    path: Path, model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: str, output: str, index: int = 0
) -> Scores:
    """The model with scores (N, classes) in place of an output; itself where the output is (N, classes, 1, ...).

    Args:
        path: the file, for messages.
        model: with the type of each tensor, as `whylight.reading.onnx_model.simplify` gives them.
        tensors: of it, by name.
        image: the name of its input.
        output: one that `score_lists` knows.
        index: which of its lists.

    Raises:
        WhylightError: it does not hold a whole number of rows for each image, or mixes those of several.
    """
    tensor, lists = tensors[output], score_lists(tensors[output])
    assert lists is not None
    batch = tensors[image].shape[0]
    if tensor.rank == batch == 1 != tensor.shape[0]:
        return _of_one_image(model, tensors, output)
    rows = _rows(path, tensor, batch)
    if rows == lists.count == lists.axis == 1:
        return Scores(model, output)
    written = _Written(model, f"{output}/list")
    scores, activation = _unactivated(written, tensors, output, lists)
    if lists.count > 1:
        shape = (tensor.shape[0], lists.classes)
        scores = written.node("Gather", [scores, written.constant(index)], shape, axis=3 - (lists.axis or 2))
    elif lists.axis is None:
        scores = written.node("Unsqueeze", [scores, written.constant([1])], (tensor.shape[0], 1))
    elif tensor.rank > 2:
        scores = written.node("Flatten", [scores], (tensor.shape[0], lists.classes), axis=1)
    if rows > 1:
        apart = _is_apart(path, model, tensors[image], output, rows)
        grouped = (rows, batch, lists.classes) if apart else (batch, rows, lists.classes)
        target = written.constant([-1 if isinstance(extent, str) else extent for extent in grouped])
        scores = written.node("Reshape", [scores, target], grouped)
        axes = written.constant([0 if apart else 1])
        scores = written.node("ReduceMean", [scores, axes], (batch, lists.classes), keepdims=0)
    return _with_activation(written, output, scores, activation, (batch, lists.classes), rows)


def _of_one_image(model: onnx.ModelProto, tensors: Mapping[str, Tensor], output: str) -> Scores:
    """Scores (C,) with a batch axis."""
    classes = tensors[output].size(0)
    written = _Written(model, f"{output}/list")
    scores, activation = _unactivated(written, tensors, output, ScoreLists(1, 0, classes))
    scores = written.node("Unsqueeze", [scores, written.constant([0])], (1, classes))
    return _with_activation(written, output, scores, activation, (1, classes))


def _with_activation(
    written: _Written, output: str, scores: str, activation: str | None, shape: Shape, rows: int = 1
) -> Scores:
    if activation is not None:
        attributes = {} if activation == "Sigmoid" else {"axis": 1}
        written.node(activation, [scores], shape, **attributes)
    return Scores(written.model(output), written.name, rows)


def _rows(path: Path, tensor: Tensor, batch: object) -> int:
    """How many rows the output has for each image.

    Raises:
        WhylightError: not as many for each.
    """
    extent = tensor.shape[0]
    rows: int | None = None
    if extent == batch:
        rows = 1
    elif isinstance(extent, int) and isinstance(batch, int) and extent % batch == 0:
        rows = extent // batch
    elif isinstance(extent, str) and batch == BATCH and extent.removesuffix(BATCH).isdecimal():
        rows = int(extent.removesuffix(BATCH))
    if rows is None or rows > _MOST_ROWS or (rows > 1 and tensor.rank < 2):
        raise WhylightError(
            f"{path}: output '{tensor.name}' has {extent or '?'} rows for {batch} images, expected one for each, or as "
            "many for each where the network makes several images of one, such as crops"
        )
    return rows


def _unactivated(
    written: _Written, tensors: Mapping[str, Tensor], output: str, lists: ScoreLists
) -> tuple[str, str | None]:
    """The output's numbers before the final activation, in the output's shape, and that activation."""
    producers = {name: node for node in written.nodes for name in node.output}
    moves = []
    name = output
    while name in producers and producers[name].op_type in SAME_VALUES:
        moves.append(producers[name])
        name = producers[name].input[0]
    logits, activation = before_final_activation(written.nodes, output)
    if activation is None or not _is_over_classes(producers[name], tensors, lists):
        return output, None
    scores = logits
    for node in reversed(moves):
        scores = written.copy(node, scores, tensors[node.output[0]].shape)
    return scores, activation


def _is_over_classes(node: onnx.NodeProto, tensors: Mapping[str, Tensor], lists: ScoreLists) -> bool:
    """Whether an activation takes each class by itself, or the classes of a list together."""
    if node.op_type not in ("Softmax", "LogSoftmax"):
        return True
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), -1)
    return tensors[node.output[0]].shape[axis] == lists.classes


def _is_apart(path: Path, model: onnx.ModelProto, image: Tensor, output: str, rows: int) -> bool:
    """Whether the rows of an image lie apart, first ones of all images first; else they lie together.

    It is found by changing the first image.

    Raises:
        WhylightError: neither is so.
    """
    count = image.shape[0] if isinstance(image.shape[0], int) else 2
    random = np.random.default_rng(0)
    images = random.random((count, *(int(extent or 1) for extent in image.shape[1:])), np.float32)
    before = run_model(model, image.name, images)[output]
    images[0] = random.random(images[0].shape, np.float32)
    changed = (run_model(model, image.name, images)[output] != before).reshape(rows * count, -1).any(1)
    together = np.arange(rows * count) < rows
    if (changed <= together).all():
        return False
    if (changed <= (np.arange(rows * count) % count == 0)).all():
        return True
    raise WhylightError(
        f"{path}: output '{output}' has {rows} rows for each image, mixed with those of other images: export the "
        "network with the mean of its rows, one for each image"
    )


class _Written:
    """A copy of a model to which nodes are appended, each with the shape of its output.

    Attributes:
        name: of the output of the last node, with which the names of the others begin.
    """

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self.name = name
        self._count = 0

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        return self._model.graph.node

    def constant(self, value: Any) -> str:
        name = self._name("constant")
        self._model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], shape: Shape, **attributes: Any) -> str:
        name = self._name(operator)
        self._append(helper.make_node(operator, inputs, [name], name=name, **attributes), shape)
        return name

    def copy(self, node: onnx.NodeProto, source: str, shape: Shape) -> str:
        """A copy of a node with another first input."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[0] = source
        copy.name = copy.output[0] = self._name(node.op_type)
        del copy.output[1:]
        self._append(copy, shape)
        return copy.output[0]

    def model(self, output: str) -> onnx.ModelProto:
        """The model with what was appended last as an output in place of ``output``."""
        graph = self._model.graph
        last, info = graph.node[-1], graph.value_info[-1]
        last.output[0] = last.name = info.name = self.name
        next(each for each in graph.output if each.name == output).CopyFrom(info)
        return self._model

    def _append(self, node: onnx.NodeProto, shape: Shape) -> None:
        self._model.graph.node.append(node)
        info = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, shape)
        self._model.graph.value_info.append(info)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self.name}/{kind}_{self._count}"
