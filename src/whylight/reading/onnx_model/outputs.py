"""Which output of an ONNX model holds the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from whylight.classifier.describe import FINAL_ACTIVATIONS
from whylight.errors import WhylightError, nearest
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes
from whylight.reading.onnx_model.kind import FEW, is_of_length_1, seems_to_be
from whylight.reading.onnx_model.scores import score_lists


@dataclass(frozen=True)
class ClassOutput:
    """Where the class scores are.

    Attributes:
        name: of the output.
        index: which of the lists that it holds for each image.
        notes: what was guessed.
    """

    name: str
    index: int = 0
    notes: tuple[str, ...] = ()


def tensor_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the tensor of probabilities as an output, where a ZipMap makes a table by class names of it."""
    tables = [node for node in model.graph.node if node.op_type == "ZipMap"]
    if not tables:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    sources = {node.output[0]: node.input[0] for node in tables}
    nodes = [node for node in copy.graph.node if node.op_type != "ZipMap"]
    outputs = [
        helper.make_tensor_value_info(sources[info.name], TensorProto.FLOAT, None) if info.name in sources else info
        for info in copy.graph.output
    ]
    del copy.graph.node[:], copy.graph.output[:]
    copy.graph.node.extend(nodes)
    copy.graph.output.extend(outputs)
    return copy


def class_output(
    path: Path, model: onnx.ModelProto, tensors: Mapping[str, Tensor], image: str, name: str | None, index: int | None
) -> ClassOutput:
    """The output with one score a class: the named one, else the one that is made of the others or ends in a Softmax.

    Args:
        path: the file, for messages.
        model: the model.
        tensors: of it, by name.
        image: the name of its input.
        name: of the output, if it is known.
        index: which of the lists of scores, if it is known: those of all outputs, or of the named one, in their order.

    Raises:
        WhylightError: there is none; the message says what the file seems to be. Or no output of that name, or no list
            of that number.
    """
    names = [info.name for info in model.graph.output]
    if name is not None and name not in names:
        raise WhylightError(f"{path}: no output '{name}'; the nearest are {nearest(name, names)}")
    moving = {each for node in dependent_nodes(model.graph.node, image) for each in node.output}
    asked = [each for each in names if each in moving] if name is None else [name]
    if name is None and not isinstance(tensors[image].shape[0], int):
        # the rows of others are no images, as those of the texts that CLIP compares an image with
        asked = [each for each in asked if each not in tensors or not isinstance((*tensors[each].shape, 1)[0], int)]
    producers = {output: node.op_type for node in model.graph.node for output in node.output}
    counts = {
        each: lists.count
        for each in asked
        if each in tensors and (lists := score_lists(tensors[each])) and (producers.get(each) != "TopK" or each == name)
    }
    if index is not None:
        return _numbered(path, counts, index)
    single = [each for each, count in counts.items() if count == 1]
    if single:
        return _with_doubts(path, model, single)
    found = ", ".join(f"'{each}' {_shape_text(tensors[each])}" for each in names if each in tensors)
    kind = seems_to_be(model, tensors, image)
    raise WhylightError(
        f"{path}: no output holds one score a class, of shape (N, classes); found {found}"
        f"{f': it seems to be {kind}' if kind else ''}{_one_of_several(model, counts)}"
    )


def _one_of_several(model: onnx.ModelProto, counts: Mapping[str, int]) -> str:
    """How to explain one of the lists of an output, where these are known to be lists of scores, or are few."""
    producers = {output: node.op_type for node in model.graph.node for output in node.output}
    for name, count in counts.items():
        if count <= FEW or producers.get(name) in FINAL_ACTIVATIONS:
            return (
                f"; '{name}' has {count} lists of scores for each image: one of them is explained by the options "
                f"'output_variable', {name}, and 'output_index', 0 to {count - 1}"
            )
    return ""


def _numbered(path: Path, counts: Mapping[str, int], index: int) -> ClassOutput:
    rest = index
    for name, count in counts.items():
        if rest < count:
            return ClassOutput(name, rest)
        rest -= count
    held = ", ".join(f"'{name}' {count}" for name, count in counts.items()) or "none"
    raise WhylightError(f"{path}: output index {index} is out of range: lists of scores in each output: {held}")


def _with_doubts(path: Path, model: onnx.ModelProto, scores: Sequence[str]) -> ClassOutput:
    """The output that a final activation makes, or that is made of the others, and what is doubtful about it."""
    likely = scores if len(scores) == 1 else _most_likely(model, scores)
    notes = []
    if len(likely) > 1:
        notes.append(
            f"{path}: the outputs {', '.join(map(repr, likely))} may all hold classes; '{likely[0]}' is taken "
            "(another: the option 'output_variable' or 'output_index')"
        )
    if is_of_length_1(model.graph.node, likely[0]):
        notes.append(
            f"{path}: output '{likely[0]}' is divided by its own length, as an embedding is: its numbers may be no "
            "scores of classes"
        )
    return ClassOutput(likely[0], notes=tuple(notes))


def _most_likely(model: onnx.ModelProto, scores: Sequence[str]) -> Sequence[str]:
    producers = {output: node for node in model.graph.node for output in node.output}
    final = [each for each in scores if producers[each].op_type in FINAL_ACTIVATIONS]
    if not final:
        made_of = {each: _made_of(model, each) for each in scores}
        final = [each for each in scores if not any(each != other and other in made_of[each] for other in scores)]
    return final or scores


def _shape_text(tensor: Tensor) -> str:
    return f"({', '.join(str(extent or '?') for extent in tensor.shape)})"


def _made_of(model: onnx.ModelProto, name: str) -> set[str]:
    return {output for node in dependent_nodes(model.graph.node, name) for output in node.output}
