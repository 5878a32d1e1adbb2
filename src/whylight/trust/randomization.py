"""Classifiers whose weights are drawn anew, layer by layer, in the ONNX graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from whylight.errors import WhylightError
from whylight.graph.walks import dependent_nodes, needed_nodes

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier

_WEIGHING = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "QLinearConv", "QLinearMatMul", "LSTM", "GRU", "RNN")
_BESIDE = (
    *("Add", "Sub", "Mul", "Div", "PRelu"),
    *("BatchNormalization", "LayerNormalization", "InstanceNormalization", "GroupNormalization"),
)
_ROUNDING = 1e-5
_TRUNCATION = 2.0
_TRUNCATED_DEVIATION = 0.8796256610342398
"""The standard deviation of a normal distribution that is cut at two of its deviations."""


@dataclass(frozen=True)
class WeightedLayer:
    """A layer with weights: a convolution or a matrix, and what is added, scaled or normalized until the next one.

    Attributes:
        name: the layer's name as the classifier has it, else the node's.
        parameters: the names of its constants in the graph.
    """

    name: str
    parameters: tuple[str, ...]


def with_spelled_out_weights(classifier: Classifier) -> Classifier:
    """The classifier with constants in place of ConstantOfShape nodes: weights that are one number everywhere."""
    constants = _constants(classifier.model)
    found = {
        node.output[0]: node
        for node in classifier.model.graph.node
        if node.op_type == "ConstantOfShape" and node.input[0] in constants
    }
    if not found:
        return classifier
    model = onnx.ModelProto()
    model.CopyFrom(classifier.model)
    kept = [node for node in model.graph.node if node.output[0] not in found]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    for name, node in found.items():
        value = next((numpy_helper.to_array(attribute.t) for attribute in node.attribute), np.zeros(1, np.float32))
        shape = numpy_helper.to_array(constants[node.input[0]])
        model.graph.initializer.append(numpy_helper.from_array(np.full(shape, value.item(), value.dtype), name))
    return replace(classifier, model=model)


def weighted_layers(classifier: Classifier) -> list[WeightedLayer]:
    """The layers that have weights, on the way from the image to the class scores, in the order in which they run.

    What comes before the first of them (mean, scale) is preprocessing and belongs to none.

    Raises:
        WhylightError: there is none.
    """
    model = classifier.model
    needed = needed_nodes(model.graph.node, [classifier.logits])
    producers = {name: node for node in needed for name in node.output}
    dependent = dependent_nodes(needed, classifier.input.name)
    computed = {name for node in dependent for name in node.output}
    constants = _constants(model)
    names = {layer.tensor: layer.name for layer in classifier.layers}
    layers: list[WeightedLayer] = []
    seen: set[str] = set()
    for node in dependent:
        weighs = node.op_type in _WEIGHING
        if not weighs and not (layers and node.op_type in _BESIDE):
            continue
        found = [
            name
            for operand in node.input
            if operand not in computed
            for name in _sources(operand, producers, constants)
            if name not in seen and _is_parameter(constants[name])
        ]
        seen.update(found)
        if weighs and found:
            layers.append(WeightedLayer(_layer_name(node, names), tuple(dict.fromkeys(found))))
        elif found:
            layers[-1] = replace(layers[-1], parameters=tuple(dict.fromkeys((*layers[-1].parameters, *found))))
    if not layers:
        raise WhylightError(f"{classifier.path}: no layer has weights that could be randomized")
    return layers


def randomized(classifier: Classifier, layers: Iterable[WeightedLayer], seed: int) -> Classifier:
    """The classifier with other weights in some layers.

    Weights (matrices, kernels) are drawn from a normal distribution with mean 0, cut at two deviations, as networks are
    initialized (Adebayo et al. 2018, section 3), with the standard deviation that the tensor had: so signals keep
    their size on the way. Vectors (biases, the statistics and scales of normalizations) and integers are shuffled:
    variances stay positive. A tensor's draw depends on the seed and its place in the graph alone.
    """
    names = {name for layer in layers for name in layer.parameters}
    model = onnx.ModelProto()
    model.CopyFrom(classifier.model)
    for place, (name, tensor) in enumerate(_constants(model).items()):
        if name in names:
            values = _redrawn(numpy_helper.to_array(tensor), np.random.default_rng([seed, place]))
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return replace(classifier, model=model)


def _redrawn(values: NDArray[Any], generator: np.random.Generator) -> NDArray[Any]:
    if values.ndim < 2 or values.dtype.kind not in "fV":
        return generator.permutation(values.reshape(-1)).reshape(values.shape)
    normal = generator.standard_normal(values.shape, np.float32)
    while (outside := np.abs(normal) > _TRUNCATION).any():
        normal[outside] = generator.standard_normal(int(outside.sum()), np.float32)
    deviation = float(values.astype(np.float64).std())
    if deviation <= _ROUNDING * float(np.abs(values).max()):
        # it was never trained: sqrt(2 / fan-in), as He et al. 2015 initialize
        deviation = float(np.sqrt(2 * values.shape[0] / values.size))
    return (normal * (deviation / _TRUNCATED_DEVIATION)).astype(values.dtype)


def _constants(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers and the tensors of Constant nodes, by name."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants.update((node.output[0], attribute.t) for attribute in node.attribute if attribute.name == "value")
    return constants


def _sources(name: str, producers: dict[str, onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> list[str]:
    """The constants that a tensor is computed of."""
    if name in constants:
        return [name]
    node = producers.get(name)
    return [source for operand in node.input for source in _sources(operand, producers, constants)] if node else []


def _is_parameter(tensor: onnx.TensorProto) -> bool:
    types = onnx.TensorProto
    numbers = (types.FLOAT, types.FLOAT16, types.DOUBLE, types.BFLOAT16, types.INT8, types.UINT8)
    return tensor.data_type in numbers and int(np.prod(tensor.dims)) > 1


def _layer_name(node: onnx.NodeProto, names: dict[str, str]) -> str:
    return next((names[output] for output in node.output if output in names), node.name or node.output[0])


def grouped(layers: Sequence[WeightedLayer], most: int) -> list[WeightedLayer]:
    """At most so many steps: neighbors of a deep network joined, named by the first and the last."""
    size = -(-len(layers) // most)
    groups = [layers[start : start + size] for start in range(0, len(layers), size)]
    return [
        WeightedLayer(
            group[0].name if len(group) == 1 else f"{group[0].name} ... {group[-1].name}",
            tuple(name for layer in group for name in layer.parameters),
        )
        for group in groups
    ]
