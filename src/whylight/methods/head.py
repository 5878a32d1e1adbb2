"""Class activation maps by the weights of the network's own head."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from whylight.errors import WhylightError
from whylight.methods import method
from whylight.methods.axes import channel_sum, spatial_sum

if TYPE_CHECKING:
    import onnx

    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.target import Target

_SAME_VALUES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout", "Transpose")
_LINEAR = ("Gemm", "MatMul", "Conv")


def pooled_layers(classifier: Classifier) -> list[Layer]:
    """The layer whose spatial mean the network's one linear layer reads; the last one of those with its values.

    Raises:
        WhylightError: the network does not end with global average pooling and one linear layer.
    """
    names = _pooled(classifier)
    layers = [layer for layer in classifier.layers if layer.tensor in names]
    if not layers:
        raise WhylightError(f"{_refusal(classifier)}: '{names[0]}', which is pooled, is no layer that can be explained")
    return layers[-1:]


@method(
    "cam",
    "the channels' sum, weighted by the linear layer behind global average pooling",
    "Zhou et al. 2016, CVPR",
    layers=pooled_layers,
)
def cam(op: GraphBuilder, target: Target) -> Tensor:
    """CAM: sum_k w_k A_k, w_k the weight of channel k in the class's score.

    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, equation 2. The network has to end
    with global average pooling of the layer and one linear layer, where w_k is the spatial sum of dS/dA_k. There is no
    ReLU in the paper.

    Raises:
        WhylightError: the network does not end so, or another layer is asked for.
    """
    (expected,) = pooled_layers(target.classifier)
    if target.layer is None or target.layer.tensor not in _pooled(target.classifier):
        raise WhylightError(
            f"{_refusal(target.classifier)}: layer '{target.layer.name if target.layer else ''}' is not what it pools; "
            f"expected '{expected.name}'"
        )
    return channel_sum(op, op.Mul(spatial_sum(op, target.gradient), target.activation))


def _pooled(classifier: Classifier) -> list[str]:
    """The tensor that is pooled, and those before it with the same values."""
    producers = {name: node for node in classifier.path_nodes for name in node.output}
    name, is_linear_found = classifier.logits, False
    while name in producers:
        node = producers[name]
        computed = [name for name in node.input if name in producers]
        if is_linear_found and _is_global_pooling(classifier, node):
            return _with_same_values(node.input[0], producers)
        if node.op_type in _LINEAR and not is_linear_found and len(computed) == 1:
            is_linear_found = True
        elif node.op_type not in _SAME_VALUES and not (node.op_type == "Add" and len(computed) == 1):
            break
        name = computed[0]
    found = f"'{producers[name].name or name}' ({producers[name].op_type})" if name in producers else "nothing"
    raise WhylightError(f"{_refusal(classifier)}: before its class scores it has {found}; use gradcam")


def _is_global_pooling(classifier: Classifier, node: onnx.NodeProto) -> bool:
    before, after = classifier.tensors[node.input[0]].shape, classifier.tensors[node.output[0]].shape
    extents = [extent for extent in after[1:] if isinstance(extent, int)]
    match node.op_type:
        case "GlobalAveragePool":
            return True
        case "AveragePool":
            kernel = next(list(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape")
            return kernel == list(before[2:]) and extents[1:] == [1] * len(kernel)
        case "ReduceMean":
            return len(before) > 2 and len(extents) == len(after) - 1 and prod(extents) in (before[1], before[-1])
        case _:
            return False


def _with_same_values(name: str, producers: dict[str, onnx.NodeProto]) -> list[str]:
    names = [name]
    while name in producers and producers[name].op_type in ("Identity", "Dropout", "Transpose"):
        name = producers[name].input[0]
        names.append(name)
    return names


def _refusal(classifier: Classifier) -> str:
    return f"{classifier.path}: method 'cam' takes networks that end with global average pooling and one linear layer"
