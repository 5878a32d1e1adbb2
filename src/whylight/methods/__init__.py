"""The explanation methods: each one short definition of its formula in ONNX operators.

    @method("gradcam", "the paper's Grad-CAM")
    def gradcam(op: GraphBuilder, activation: Tensor, gradient: Tensor) -> Tensor: ...

A formula takes the target layer's activation and the gradient of the class score with respect to it, both
(N, C, h, w), and returns the map (N, h, w), not normalized.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from whylight.errors import WhylightError, nearest
from whylight.graph import GraphBuilder, Tensor

Formula = Callable[[GraphBuilder, Tensor, Tensor], Tensor]

_FAMILIES = ("class_activation",)
_METHODS: dict[str, "Method"] = {}


@dataclass(frozen=True)
class Method:
    """One way to explain.

    Attributes:
        name: as the user writes it.
        summary: one line for lists.
        formula: activation, gradient -> map.
        negates_class_zero: whether class 0 of a model with one output is explained by the negated score;
            otherwise both classes are explained by the output itself.
    """

    name: str
    summary: str
    formula: Formula
    negates_class_zero: bool = True


def method(name: str, summary: str, negates_class_zero: bool = True) -> Callable[[Formula], Formula]:
    """Register a formula as the method ``name``."""

    def register(formula: Formula) -> Formula:
        _METHODS[name] = Method(name, summary, formula, negates_class_zero)
        return formula

    return register


def methods() -> dict[str, Method]:
    """All methods by name."""
    for family in _FAMILIES:
        import_module(f"{__name__}.{family}")
    return _METHODS


def method_named(name: str) -> Method:
    """The method ``name``.

    Raises:
        WhylightError: there is none.
    """
    if name not in methods():
        raise WhylightError(f"no method '{name}'; the nearest are {nearest(name, methods())}")
    return methods()[name]
