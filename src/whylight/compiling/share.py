"""How much of the class scores passes through some layers, and how much goes around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from whylight.graph.walks import read_names, rename_captured, subgraphs

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer

_IMAGES = 8
_GRID = 5
"""Random images are this many colors each way, with soft transitions: noise looks the same to a network everywhere."""

_Values = Mapping[str, NDArray[Any]]


def share_around(classifier: Classifier, layers: Sequence[Layer]) -> float:
    """The share of the scores' variance over images that is left when the layers' outputs are held fixed, 0 to 1.

    It is 0 where every way from the image to the scores leads through one of the layers, which needs no run of the
    network. Otherwise it is measured: sum_k Var(S_k given the layers' outputs of one image) / sum_k Var(S_k), over the
    class scores S_k of eight random images. A layer's part is what an intervention on it takes away, not what a
    derivative says.
    """
    if classifier.sees_all(layers):
        return 0.0
    names = [layer.tensor for layer in layers]
    images = _random_images(classifier)
    whole = _run(classifier, [classifier.logits, *names], classifier.model, images, {})
    held = _run(
        classifier,
        [classifier.logits],
        _held(classifier.model, classifier, names),
        images,
        {_held_name(name): whole[name][:1].repeat(len(images), 0) for name in names},
    )
    total = _variance(whole[classifier.logits])
    return min(_variance(held[classifier.logits]) / total, 1.0) if total else 0.0


def _variance(scores: NDArray[Any]) -> float:
    return float(scores.reshape(len(scores), -1).astype(np.float64).var(0).sum())


def _random_images(classifier: Classifier) -> NDArray[np.float32]:
    """Images as the model's input takes them, in its layout."""
    from whylight.images.pictures import normalize

    facts = classifier.input
    shape = (_IMAGES, facts.channels, *facts.size)
    images = np.random.default_rng(0).random((*shape[:2], *[min(_GRID, extent) for extent in facts.size]))
    for axis, extent in enumerate(facts.size, 2):
        places = np.linspace(0, images.shape[axis] - 1, extent)
        below = np.minimum(places.astype(int), max(images.shape[axis] - 2, 0))
        above = np.minimum(below + 1, images.shape[axis] - 1)
        weight = (places - below).reshape(-1, *[1] * (images.ndim - axis - 1))
        images = images.take(below, axis) * (1 - weight) + images.take(above, axis) * weight
    values = (images * facts.maximum).astype(np.float32)
    normalize(values, facts.mean, facts.std, facts.channel_order)
    match facts.layout.find("C"):
        case -1:
            return values[:, 0]
        case place:
            return np.ascontiguousarray(np.moveaxis(values, 1, place + 1))


def _held_name(name: str) -> str:
    return f"{name}/held"


def _held(model: onnx.ModelProto, classifier: Classifier, names: Sequence[str]) -> onnx.ModelProto:
    """The model with inputs in place of some of its tensors."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    replaced = {name: _held_name(name) for name in names}
    for node in copy.graph.node:
        if not replaced.keys() & read_names(node):
            continue
        node.input[:] = [replaced.get(name, name) for name in node.input]
        for graph in subgraphs(node):
            rename_captured(graph, replaced)
    for name in names:
        tensor = classifier.tensors[name]
        kind = helper.np_dtype_to_tensor_dtype(tensor.dtype)
        copy.graph.input.append(helper.make_tensor_value_info(replaced[name], kind, tensor.shape))
    return copy


def _run(
    classifier: Classifier, outputs: Sequence[str], model: onnx.ModelProto, images: NDArray[Any], held: _Values
) -> dict[str, NDArray[Any]]:
    """Tensors of the model for some images, by name."""
    from whylight.graph.trial import Deadline, Trial

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {info.name for info in copy.graph.output}
    for name in outputs:
        if name not in present:
            tensor = classifier.tensors[name]
            kind = helper.np_dtype_to_tensor_dtype(tensor.dtype)
            copy.graph.output.append(helper.make_tensor_value_info(name, kind, tensor.shape))
    session = Trial(copy.SerializeToString(), Deadline(copy.ByteSize()), copy.ByteSize())
    fixed = classifier.tensors[classifier.input.name].shape[0]
    size = fixed if isinstance(fixed, int) else 1
    parts = []
    for start in range(0, len(images), size):
        rows = np.arange(start, start + size).clip(max=len(images) - 1)
        feeds = {classifier.input.name: images[rows], **{name: value[rows] for name, value in held.items()}}
        parts.append(session.run(list(outputs), feeds))
    return {name: np.concatenate([part[i] for part in parts])[: len(images)] for i, name in enumerate(outputs)}
