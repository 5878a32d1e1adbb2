"""A trained image classifier: its ONNX graph and the facts that ONNX does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from whylight.classifier.baseline import baseline_pixel
from whylight.classifier.crop import crop_before
from whylight.classifier.default_layer import DefaultLayers, default_layers, last_convolution
from whylight.classifier.layer import Layer
from whylight.contract import Box, InputFacts
from whylight.errors import WhylightError, nearest
from whylight.graph.tensor import Tensor
from whylight.graph.ways import dominators, smallest_cut, ways


@dataclass(frozen=True, repr=False)
class Classifier:
    """A classifier that can be explained.

    Attributes:
        path: the file it was read from.
        model: the whole model in ONNX.
        input: name, size, channels, layout and value range of the image input.
        output: the graph output that holds the class scores or probabilities.
        logits: the tensor of scores before the final activation; equal to ``output`` where there is none.
        final_activation: the ONNX operator between the two, if any.
        class_count: number of classes; 2 for a model with one Sigmoid output.
        layers: the layers that can be explained, in the order in which they run.
        tensors: shape and type of every tensor of the graph, by name.
        notes: what a person should know of how it was read, such as a guess: sentences of one line.
        class_names: the classes' names, the first that of class 0; empty where they have none.
    """

    path: Path
    model: onnx.ModelProto
    input: InputFacts
    output: str
    logits: str
    final_activation: str | None
    class_count: int
    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.input.size))
        return (
            f"<{type(self).__name__} {str(self.path)!r}: {self.class_count} classes, input '{self.input.name}' "
            f"{self.input.channels} x {size}, {len(self.layers)} layers>"
        )

    @property
    def is_two_class(self) -> bool:
        """Whether one Sigmoid output stands for two classes: class 1 for it, class 0 against it."""
        return self.class_count == 2 and self.tensors[self.logits].shape[1:] in ((1,), (1, 1, 1))

    @cached_property
    def path_nodes(self) -> list[onnx.NodeProto]:
        """The nodes on the ways from the image to `logits`, in topological order."""
        return ways(self.model.graph.node, self.tensors, self.input.name, self.logits)

    @cached_property
    def default_layers(self) -> DefaultLayers:
        """The layers to explain where none is named, and why: see `whylight.classifier.default_layer`.

        Raises:
            WhylightError: the network has none that suits.
        """
        found = default_layers(self.model.graph.node, self.layers, self.tensors, self.input.name, self.logits)
        if found is None:
            names = ", ".join(layer.name for layer in self.layers)
            other = f"; name another layer to explain: {names}" if names else ""
            raise WhylightError(
                f"{self.path}: the network has no feature map to look at: no convolution or product with places, and "
                f"with one row for each image, is on the way to its class scores{other}"
            )
        return found

    @property
    def default_layer(self) -> Layer:
        """The last of `default_layers`: the one, but in a network of towers.

        Raises:
            WhylightError: the network has none that suits.
        """
        return self.default_layers.layers[-1]

    @property
    def last_convolution(self) -> Layer:
        """The last convolution in the file's order, or `default_layer` where there is none.

        Raises:
            WhylightError: as `default_layer`.
        """
        nodes, image = self.model.graph.node, self.input.name
        return last_convolution(nodes, self.layers, self.tensors, image, self.logits) or self.default_layer

    @property
    def through(self) -> set[str]:
        """The names of the tensors that all of the class scores passes through."""
        return set(dominators(self.path_nodes, self.input.name, self.logits))

    def sees_all(self, layers: Sequence[Layer]) -> bool:
        """Whether all of the class scores passes through one of some layers."""
        names = {layer.tensor for layer in layers}
        return bool(smallest_cut(self.path_nodes, self.input.name, self.logits, names, len(names)))

    def layer(self, name: str | None = None) -> Layer:
        """The layer of that name, or the default layer.

        The last part of a name is enough where no other layer has it, and so is the name of its tensor. The name of a
        module that holds several layers stands for the last of them.

        Raises:
            WhylightError: there is no such layer; the message has the nearest names.
        """
        if name is None:
            return self.default_layer
        for candidates in (
            [layer for layer in self.layers if layer.name == name],
            [layer for layer in self.layers if layer.name.rpartition("/")[2] == name],
            [layer for layer in self.layers if layer.tensor == name],
            [layer for layer in self.layers if layer.name.startswith((f"{name}.", f"{name}/"))][-1:],
            [layer for layer in self.layers if f"/{name}/" in layer.name][-1:],
        ):
            if len(candidates) == 1:
                return candidates[0]
        near = nearest(name, [layer.name for layer in self.layers])
        raise WhylightError(f"{self.path}: no layer '{name}' that can be explained; the nearest are {near}")

    @property
    def baseline(self) -> tuple[float, ...]:
        """For each channel the value at the model's input that its own preprocessing turns into zero."""
        return baseline_pixel(self.model, self.tensors, self.input, self.logits)

    def crop(self, layer: Layer) -> Box:
        """The part of the input image that the network looks at: what is left by crops before the first convolution."""
        return crop_before(self.model, self.tensors, self.input, layer)
