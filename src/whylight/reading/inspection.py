"""What a model file holds: for people, and in plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from whylight.errors import WhylightError, escaped

if TYPE_CHECKING:
    from pathlib import Path

    from whylight.classifier.classifier import Classifier
    from whylight.contract import ExplainerFacts, InputFacts

_NAMES = 5
"""Classes that are named on a page of text, besides the last."""

Description = Mapping[str, Any]
"""Of a variable or a layer: its ``name``, its ``shape``, and what else there is to say, ready for JSON."""


@dataclass(frozen=True)
class Inspection:
    """What a model file holds, also one that cannot be explained.

    Attributes:
        path: the file.
        format: its container and parts, or its operator set.
        networks: the names of all that it holds.
        executor: what says which network is run, where the format has that.
        network: the name of the one that is run.
        inputs: ``name``, ``data_name`` (its name in datasets), ``shape``, ``range`` (the value of white; None where it
            takes no pictures, or nothing is known), and, where the format says it, ``mean`` and ``std``.
        outputs: ``name``, ``data_name`` and ``shape``.
        classes: their number.
        class_names: their names, where they have some.
        final_activation: the operator that turns scores into the model's output.
        batch: whether its size is fixed.
        default_layers: the layers that are explained where none is named; their maps are fused where they are several.
        why: why these.
        layers: ``name``, ``type`` and ``shape`` of those that can be explained, and ``sees_all``: whether all of the
            score passes through it.
        functions: how often each type of function, or operator, is used.
        unsupported: the types of functions that cannot be converted.
        maps: of a file that ``whylight compile`` wrote, for each output with a map: ``name``, ``method``, ``layer`` and
            ``score``, what was differentiated.
        notes: what a person should know of how it is read, such as a guess.
        problem: why it cannot be explained, or None.
    """

    path: str
    format: str
    networks: Sequence[str]
    executor: str | None
    network: str
    inputs: Sequence[Description]
    outputs: Sequence[Description]
    classes: int | None = None
    class_names: Sequence[str] = ()
    final_activation: str | None = None
    batch: str | None = None
    default_layers: Sequence[str] = ()
    why: str | None = None
    layers: Sequence[Description] = ()
    functions: Mapping[str, int] = field(default_factory=dict)
    unsupported: Sequence[str] = ()
    maps: Sequence[Description] = ()
    notes: Sequence[str] = ()
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def _mark(self, layer: Description) -> str:
        return "*" if layer["name"] in self.default_layers else "+" if layer["sees_all"] else " "

    def to_text(self) -> str:
        """All of it as a page of text; names take one line each, whatever they hold."""
        lines = [
            ("model", self.path),
            ("format", self.format),
            ("networks", ", ".join(self.networks)),
            ("executor", self.executor and f"{self.executor} runs {self.network}"),
            *(("input", _named(x) + _prepared(x)) for x in self.inputs),
            *(("output", _named(y)) for y in self.outputs),
            ("classes", self.classes and f"{self.classes}{_listed(self.class_names)}"),
            ("activation", self.final_activation),
            ("batch", self.batch),
            ("layer", self.why),
            ("functions", ", ".join(f"{name} ({count})" for name, count in self.functions.items())),
            ("unsupported", ", ".join(self.unsupported)),
            *(("map", _explained(one)) for one in self.maps),
            *(("note", note) for note in self.notes),
            ("problem", self.problem),
        ]
        text = [f"{label:<12} {value}" for label, value in lines if value]
        if self.layers:
            width = max(len(layer["name"]) for layer in self.layers)
            kind = max(len(layer["type"]) for layer in self.layers)
            text += ["", "layers that can be explained (* is the default, + sees all of the score too):"]
            text += [
                f"{self._mark(layer)} {layer['name']:<{width}}  {layer['type']:<{kind}}  {_shape(layer['shape'])}"
                for layer in self.layers
            ]
        return "\n".join(map(escaped, text))


def inspect_explainer(path: Path, facts: ExplainerFacts) -> Inspection:
    """What a file holds that ``whylight compile`` wrote: what it takes, and what it explains."""
    image = facts.input
    extents = dict(zip(image.layout.replace("C", ""), image.size, strict=True)) | {"C": image.channels}
    of_image = {"name": image.name, "data_name": image.name, "shape": ["N", *(extents[axis] for axis in image.layout)]}
    white = image.maximum if image.is_picture else None
    scores = 1 if facts.is_two_class else facts.class_count
    return Inspection(
        path=str(path),
        format="an explainer that 'whylight compile' wrote",
        networks=(),
        executor=None,
        network="",
        inputs=({**of_image, "mean": list(image.mean), "std": list(image.std), "range": white},),
        outputs=({"name": facts.output, "data_name": facts.output, "shape": ["N", scores]},),
        classes=facts.class_count,
        class_names=facts.class_names,
        final_activation=facts.final_activation,
        maps=tuple(
            {"name": one.output, "method": one.method, "layer": one.layer, "score": facts.score} for one in facts.maps
        ),
        notes=facts.notes,
    )


def _listed(names: Sequence[str]) -> str:
    """The first of the classes' names, and the last."""
    firsts = [name.partition(",")[0] for name in names]
    shown = [*firsts[:_NAMES], "...", firsts[-1]] if len(names) > _NAMES + 1 else names
    return f": {'; '.join(shown)}" if shown else ""


def _explained(one: Description) -> str:
    layer = f" at layer {one['layer']}" if one["layer"] else ""
    return f"{one['name']}: {one['method']}{layer}, of the {one['score']}"


def with_explainable(
    held: Inspection, classify: Callable[[], Classifier], of_input: Callable[[InputFacts], Description]
) -> Inspection:
    """A description with what can be explained in the model, or with the reason why nothing can.

    Args:
        held: what the file holds.
        classify: makes the classifier of it, or raises.
        of_input: what else is known then of the input.
    """
    try:
        classifier = classify()
        through = classifier.through
        batch = classifier.tensors[classifier.input.name].shape[0]
        more = of_input(classifier.input)
        held = replace(
            held,
            inputs=tuple({**variable, **more} for variable in held.inputs),
            classes=classifier.class_count,
            class_names=classifier.class_names,
            final_activation=classifier.final_activation,
            notes=classifier.notes,
            batch=f"fixed at {batch}" if isinstance(batch, int) else "any",
            layers=tuple(
                {
                    "name": layer.name,
                    "type": layer.type,
                    "shape": list(classifier.tensors[layer.tensor].shape),
                    "sees_all": layer.tensor in through,
                }
                for layer in classifier.layers
            ),
        )
        default = classifier.default_layers
        return replace(held, default_layers=tuple(layer.name for layer in default.layers), why=default.reason)
    except WhylightError as error:
        return replace(held, problem=str(error))


def _named(variable: Description) -> str:
    dataset = "" if variable["data_name"] == variable["name"] else f" ({variable['data_name']} in datasets)"
    return f"{variable['name']}{dataset} {_shape(variable['shape'])}"


def _prepared(variable: Description) -> str:
    """How pixels become the input's values."""
    steps = (
        f", {name} {', '.join(f'{x:g}' for x in variable[name])}" for name in ("mean", "std") if variable.get(name)
    )
    white = "" if variable["range"] is None else f", range 0 to {variable['range']:g}"
    return f"{white}{''.join(steps)}"


def _shape(shape: Sequence[int | str]) -> str:
    return " x ".join(str(extent) for extent in shape)
