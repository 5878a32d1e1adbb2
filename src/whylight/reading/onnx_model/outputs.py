"""Which output of an ONNX model holds the classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from whylight.classifier.describe import FINAL_ACTIVATIONS
from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes


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


def class_output(path: Path, model: onnx.ModelProto, tensors: Mapping[str, Tensor], name: str | None) -> str | None:
    """The output with one score a class: the named one, else the one that is made of the others or ends in a Softmax.

    None where no output can be it.

    Raises:
        WhylightError: the model has no output of that name.
    """
    names = [info.name for info in model.graph.output]
    if name is not None:
        if name not in names:
            raise WhylightError(f"{path}: no output '{name}'; it has {', '.join(map(repr, names))}")
        return name
    scores = [each for each in names if each in tensors and _holds_scores(tensors[each])]
    if len(scores) < 2:
        return scores[0] if scores else None
    producers = {output: node for node in model.graph.node for output in node.output}
    final = [each for each in scores if producers[each].op_type in FINAL_ACTIVATIONS]
    if not final:
        made_of = {each: _made_of(model, each) for each in scores}
        final = [each for each in scores if not any(each != other and other in made_of[each] for other in scores)]
    chosen = (final or scores)[0]
    if len(final) != 1:
        warnings.warn(
            f"{path}: the outputs {', '.join(map(repr, final or scores))} may all hold classes; '{chosen}' is taken "
            "(another: the option 'output_variable')",
            WhylightWarning,
            stacklevel=2,
        )
    return chosen


def _holds_scores(tensor: Tensor) -> bool:
    rest = tensor.shape[2:]
    return tensor.dtype.kind == "f" and tensor.rank >= 2 and isinstance(tensor.shape[1], int) and set(rest) <= {1}


def _made_of(model: onnx.ModelProto, name: str) -> set[str]:
    return {output for node in dependent_nodes(model.graph.node, name) for output in node.output}
