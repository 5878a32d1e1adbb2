"""Methods: a target in -> a map; each is one short definition of its formula in ONNX operators.

    @method("gradcam", "the paper's Grad-CAM", paper="Selvaraju et al. 2017, ICCV")
    def gradcam(op: GraphBuilder, target: Target) -> Tensor: ...

A formula takes the graph and what it may ask for (`Target`: the layer's activation, the gradient of the class score,
the image and its gradient) and returns the map (N, h, w), not normalized. A method that needs more than
one pass of the network has a `Driver` too: what it does with the graph's results, and which further passes it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from whylight.registry import Registry, origin_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from whylight.classifier.classifier import Classifier
    from whylight.classifier.layer import Layer
    from whylight.graph.builder import GraphBuilder
    from whylight.graph.tensor import Tensor
    from whylight.target.class_score import ClassScore
    from whylight.target.passes import Passes
    from whylight.target.target import Target

    Formula = Callable[[GraphBuilder, Target], Tensor]
    Seed = Callable[[GraphBuilder, ClassScore], Tensor]
    Layers = Callable[[Classifier], Sequence[Layer]]
    Fusion = Callable[[GraphBuilder, Sequence[Tensor], list[int]], Tensor]
    Driver = Callable[[Passes, NDArray[Any]], NDArray[Any]]

_FAMILIES = (
    "class_activation",
    "head",
    "refinement",
    "principal",
    "attention",
    "input_gradient",
    "full_gradient",
    "perturbation",
    "masked_images",
    "averaged_gradients",
    "control",
)


@dataclass(frozen=True)
class Method:
    """One way to explain.

    Attributes:
        name: as the user writes it.
        summary: one line for lists.
        paper: authors, year and place.
        formula: the graph's part of it: the map, or what the driver makes it of.
        passes: what one explanation costs, in forward passes of the network.
        driver: for a method of several passes: takes these and the formula's result for the images, returns the
            maps (N, h, w).
        seed: the weight (N, K) of each class's score in what is differentiated; by default 1 for the class, 0 for the
            others.
        layers: the layers to look at where none is named; by default `Classifier.default_layers`.
        fusion: how the maps of several layers become one; by default `whylight.methods.fusion.mean_of_maps`.
        sees_layer: whether it looks at a layer; otherwise its map has the size of the model's input.
        perturbs_layer: whether its driver changes the layer's activation and asks for the scores above it.
        is_signed: whether values below zero speak against the class; then they count as zero where the map is stretched
            to [0, 1].
        negates_class_zero: whether class 0 of a model with one output is explained by the negated score;
            otherwise both classes are explained by the output itself.
        turns_pictures: whether photographs are turned upright, as their EXIF orientation says; otherwise they are
            explained as they are stored, unless another method is explained with it.
    """

    name: str
    summary: str
    paper: str
    formula: Formula
    passes: str = "1"
    driver: Driver | None = None
    seed: Seed | None = None
    layers: Layers | None = None
    fusion: Fusion | None = None
    sees_layer: bool = True
    perturbs_layer: bool = False
    is_signed: bool = False
    negates_class_zero: bool = True
    turns_pictures: bool = True

    def to_dict(self) -> dict[str, Any]:
        """What can be said of it in JSON."""
        said = ("name", "summary", "paper", "passes", "sees_layer", "perturbs_layer", "is_signed", "negates_class_zero")
        return {name: getattr(self, name) for name in (*said, "turns_pictures")}


_METHODS = Registry[Method]("method", [f"{__name__}.{family}" for family in _FAMILIES], "whylight.methods")


def method(name: str, summary: str, paper: str, **attributes: Any) -> Callable[[Formula], Formula]:
    """Register a formula as the method ``name``, with further attributes of `Method`.

    Raises:
        WhylightError: there is another method of that name.
    """

    def register(formula: Formula) -> Formula:
        _METHODS.add(name, Method(name, summary, paper, formula, **attributes), origin_of(formula))
        return formula

    return register


def method_of_passes(
    name: str, summary: str, paper: str, formula: Formula, passes: str, **attributes: Any
) -> Callable[[Driver], Driver]:
    """Register a driver as the method ``name``, with further attributes of `Method`.

    Raises:
        WhylightError: there is another method of that name.
    """

    def register(driver: Driver) -> Driver:
        _METHODS.add(name, Method(name, summary, paper, formula, passes, driver, **attributes), origin_of(driver))
        return driver

    return register


def methods() -> Mapping[str, Method]:
    """All methods by name: family by family, then those of other packages and of the user's own program."""
    return _METHODS


def method_named(name: str) -> Method:
    """The method ``name``.

    Raises:
        WhylightError: there is none.
    """
    return _METHODS.named(name)
