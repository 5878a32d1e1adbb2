"""From a classifier to its explainer: one ONNX graph that computes the model's outputs, the score and the maps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx

from whylight.compiling.head import add_head
from whylight.compiling.share import share_around
from whylight.contract import (
    ALTERED,
    ALTERED_CLASS_INDEX,
    ALTERED_SCORE,
    BESIDE,
    CLASS_INDEX,
    MAP,
    SCORE,
    ExplainerFacts,
    InputFacts,
    MapFacts,
)
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.checks import reading
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import renamed_tensors, tensor_names
from whylight.methods import Method, method_named, methods
from whylight.methods.fusion import mean_of_maps
from whylight.options import Question
from whylight.target.class_score import ClassScore, Weighting
from whylight.target.target import Target

if TYPE_CHECKING:
    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer

_OWN = "whylight"
"""What the names of the explanation's own tensors begin with."""
_RESERVED = (CLASS_INDEX, SCORE, MAP, ALTERED, ALTERED_CLASS_INDEX, ALTERED_SCORE, BESIDE, _OWN)
_PLAIN = Question()

Layers = str | Sequence[str] | None
"""A layer's name, several whose maps are fused, or None for the default layer."""


def compile_explainer(classifier: Classifier, method: str = "gradcam", question: Question = _PLAIN) -> onnx.ModelProto:
    """Add an explanation to the classifier's graph.

    The result has the model's input and ``class_index`` (N,) int64, where -1 stands for the predicted class, as
    inputs. Its outputs are the model's own, ``score`` (N,) float32, and ``cam`` (N, h, w) float32 at the layer's
    resolution, not normalized; of signals it is (N, l), of volumes (N, d, h, w). A tensor of the model with one of
    these names becomes ``model/<name>``; the facts in the metadata say what its input and output are called.

    Args:
        classifier: the model.
        method: the name of a method.
        question: what is asked about the class, and at which layer.

    Raises:
        WhylightError: no such method, layer or class, or a part of the graph above the layer has no derivative.
    """
    return compile_maps(classifier, [(method, question.layer)], question)


def compile_maps(
    classifier: Classifier,
    wanted: Sequence[tuple[str, Layers]],
    question: Question = _PLAIN,
) -> onnx.ModelProto:
    """Add several explanations to the classifier's graph, which runs once for all of them.

    Args:
        classifier: the model.
        wanted: method and layers of each; the first one's map is the output ``cam``, the others' ``cam/1``, ``cam/2``.
        question: what is asked about the class; its layer is not looked at.

    Raises:
        WhylightError: as `compile_explainer`; or a method that takes several passes is one of several.
    """
    with reading(classifier.path, "a graph that can be explained"):
        return _compiled(classifier, wanted, question)


def _compiled(classifier: Classifier, wanted: Sequence[tuple[str, Layers]], question: Question) -> onnx.ModelProto:
    question = question.about(classifier.class_names, classifier.class_count)
    chosen = [(method_named(method), _layers(classifier, method_named(method), layers)) for method, layers in wanted]
    _refuse_drivers_in_company(chosen)
    reserved = reserved_names(classifier.model, _RESERVED)
    op = GraphBuilder.extending(renamed_tensors(classifier.model, reserved))

    def tensor(name: str) -> Tensor:
        return op.tensors[reserved.get(name, name)]

    outputs = [tensor(info.name) for info in classifier.model.graph.output]
    class_index = op.input(CLASS_INDEX, (tensor(classifier.input.name).shape[0],), np.int64)
    maps: list[tuple[MapFacts, Tensor]] = []
    own = set(op.tensors)
    with op.scope(_OWN):
        class_score = ClassScore(
            op,
            classifier,
            tensor(classifier.logits),
            tensor(classifier.output),
            class_index,
            question,
            layers=[tensor(layer.tensor) for _, layers in chosen for layer in layers],
            weighting=_weighting(chosen[0][0]),
        )
        for number, (method, layers) in enumerate(chosen):
            weighting = _weighting(method)
            targets = [
                Target(op, classifier, layer, class_score, weighting, reserved) for layer in _layer_or_none(layers)
            ]
            parts = [method.formula(op, target) for target in targets]
            fusion = method.fusion or (mean_of_maps if len(parts) > 1 else None)
            cam = fusion(op, parts, _seen(classifier, layers)) if fusion else parts[0]
            cam = op.Identity(cam) if cam.name in own else cam
            crop = classifier.crop(layers[0]) if layers else classifier.input.whole
            names = " + ".join(layer.name for layer in layers)
            maps.append((MapFacts(f"{MAP}/{number}" if number else MAP, method.name, names, crop), cam))
        below = len(op.nodes)
        above = add_head(op, targets[0]) if chosen[0][0].perturbs_layer else []
    facts = ExplainerFacts(
        maps=tuple(facts for facts, _ in maps),
        score=question.score,
        input=_input(classifier.input, [method for method, _ in chosen], reserved),
        output=reserved.get(classifier.output, classifier.output),
        final_activation=classifier.final_activation,
        class_count=classifier.class_count,
        is_two_class=classifier.is_two_class,
        activation_bytes=_activation_bytes(op, op.nodes[:below]),
        smooth=question.smooth,
        head_bytes=_activation_bytes(op, op.nodes[below:]),
        baseline=classifier.baseline,
        against=question.against,
        counterfactual=question.counterfactual,
        explains_tokens=any(layer.grid is not None for _, layers in chosen for layer in layers),
        notes=(*classifier.notes, *_notes(classifier, wanted, chosen)),
        class_names=classifier.class_names,
        model=classifier.path.name,
    )
    for note in facts.notes:
        warnings.warn(note, WhylightWarning, stacklevel=2)
    outputs += [op.rename(class_score.value, SCORE), *(op.rename(cam, facts.output) for facts, cam in maps), *above]
    return op.model(outputs, "explainer", facts.to_metadata())


def reserved_names(model: onnx.ModelProto, reserved: Sequence[str]) -> dict[str, str]:
    """Other names for the tensors of a model whose names, or the first parts of them, are those of an explanation's."""
    taken = tensor_names(model.graph)
    others: dict[str, str] = {}
    for name in sorted(name for name in taken if name.partition("/")[0] in reserved):
        other = f"model/{name}"
        while other in taken:
            other = f"model/{other}"
        taken.add(other)
        others[name] = other
    return others


def _layers(classifier: Classifier, method: Method, names: Layers) -> list[Layer]:
    if not method.sees_layer:
        if names is not None:
            raise WhylightError(f"method '{method.name}' looks at no layer: leave the layer out")
        return []
    if names is None and method.layers:
        return list(method.layers(classifier))
    if names is None:
        try:
            return [classifier.default_layer] if method.driver else list(classifier.default_layers.layers)
        except WhylightError as error:
            others = ", ".join(one.name for one in methods().values() if not one.sees_layer)
            raise WhylightError(f"{error}; methods that need none: {others}") from None
    layers = [classifier.layer(name) for name in ([names] if isinstance(names, str) else names)]
    if method.driver and len(layers) > 1:
        raise WhylightError(f"method '{method.name}' takes one layer, {len(layers)} were given")
    return layers


def _notes(
    classifier: Classifier, wanted: Sequence[tuple[str, Layers]], chosen: Sequence[tuple[Method, list[Layer]]]
) -> list[str]:
    """What there is to say of the layers: that several are fused, or that some of the score goes around them."""
    notes = []
    for (_, names), (method, layers) in zip(wanted, chosen, strict=True):
        if not layers or (names is None and method.layers):
            continue
        text = " + ".join(f"'{layer.name}'" for layer in layers)
        if names is None and len(layers) > 1:
            notes.append(
                f"{classifier.path}: no layer sees all of the score; the maps of {len(layers)} towers are fused: {text}"
            )
        elif around := share_around(classifier, layers):
            notes.append(
                f"{classifier.path}: {around:.0%} of the score goes around layer {text}, and its map does not show "
                "that part; leave the layer out to see all of it"
            )
    return list(dict.fromkeys(notes))


def _seen(classifier: Classifier, layers: list[Layer]) -> list[int]:
    """The extents of the part of the image that the layers see."""
    facts = classifier.input
    box = classifier.crop(layers[0]) if layers else facts.whole
    starts, ends = box[: len(facts.size)], box[len(facts.size) :]
    return [round((end - start) * extent) for start, end, extent in zip(starts, ends, facts.size, strict=True)]


def _input(facts: InputFacts, methods: Sequence[Method], renamed: Mapping[str, str]) -> InputFacts:
    """The classifier's input, with photographs as stored where that is what all of the methods want."""
    turned = facts.exif_orientation and any(one.turns_pictures for one in methods)
    return replace(facts, name=renamed.get(facts.name, facts.name), exif_orientation=turned)


def _layer_or_none(layers: list[Layer]) -> Sequence[Layer | None]:
    return layers or [None]


def _weighting(method: Method) -> Weighting:
    return Weighting(method.seed, method.negates_class_zero)


def _refuse_drivers_in_company(chosen: Sequence[tuple[Method, list[Layer]]]) -> None:
    for method, _ in chosen:
        if method.driver and len(chosen) > 1:
            raise WhylightError(f"method '{method.name}' takes several passes: it cannot share a graph with others")


def _activation_bytes(op: GraphBuilder, nodes: Sequence[onnx.NodeProto]) -> int:
    computed = {name for node in nodes for name in node.output if name}
    sizes = ([extent for extent in op.tensors[name].shape if isinstance(extent, int)] for name in computed)
    return sum(4 * prod(size) for size in sizes)
