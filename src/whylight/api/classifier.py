"""A classifier as the front desk hands it out: one that can be asked for its explainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from whylight.classifier.classifier import Classifier as Described
from whylight.compiling.compiler import compile_explainer
from whylight.options import Chosen, Execution, Options, Question, parsed, text
from whylight.running.explainer import Explainer


class Classifier(Described):
    """A trained image classifier."""

    @classmethod
    def of(cls, described: Described) -> Classifier:
        """The same classifier."""
        return cls(**{each.name: getattr(described, each.name) for each in fields(described)})

    def explainer(
        self, method: str = "gradcam", layer: str | Sequence[str] | None = None, *options: Options, **values: Any
    ) -> Explainer:
        """Compile an explainer for this classifier.

        Args:
            method: the name of a method, such as ``"gradcam"`` or ``"score-cam"``.
            layer: the name of the target layer, by default `default_layer`; of several, the maps are fused.
            *options: `Question`, `Execution`.
            **values: fields of these.

        Raises:
            WhylightError: no such method, layer or class, or the layer cannot be differentiated through.
        """
        parsed("method", method, text)
        asked = values if layer is None else {"layer": layer, **values}
        chosen = Chosen(options, asked, Question, Execution)
        return Explainer(compile_explainer(self, method, chosen[Question]).SerializeToString(), chosen[Execution])
