"""An explainer graph that takes pixels as they come from a file or a camera: preparation is part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx

from whylight.compiling.compiler import reserved_names
from whylight.contract import PIXELS, ExplainerFacts
from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import renamed_tensors
from whylight.methods import method_named

_WHITE = 255.0
_LUMA = (0.299, 0.587, 0.114)
"""Red, green and blue in gray, of ITU-R BT.601."""
_COLORS = 3


def taking_pixels(graph: onnx.ModelProto) -> onnx.ModelProto:
    """An explainer graph with the input ``pixels`` (N, H, W, 3) uint8, RGB of any size, in place of its image.

    They are made gray where the model is, resized as Pillow's antialiased bilinear filter does (to one of 255 steps),
    and normalized as the model wants it.

    Args:
        graph: what `whylight.compiling.compiler` made.

    Raises:
        WhylightError: it takes no pictures, or what it computes takes several passes, which other programs cannot make.
    """
    facts = ExplainerFacts.from_metadata({entry.key: entry.value for entry in graph.metadata_props})
    _check(facts)
    renamed = reserved_names(graph, [PIXELS])
    op = GraphBuilder.extending(renamed_tensors(graph, renamed))
    image = op.tensors[renamed.get(facts.input.name, facts.input.name)]
    nodes, op.nodes = op.nodes, []
    op.inputs = [each for each in op.inputs if each is not image]
    with op.scope("whylight"):
        pixels = op.input(PIXELS, (image.shape[0], "height", "width", _COLORS), np.uint8)
        prepared = _prepared(op, pixels, facts)
    del op.tensors[image.name]
    op.rename(prepared, image.name)
    op.nodes += nodes
    op.inputs.insert(0, op.inputs.pop())
    outputs = [op.tensors[renamed.get(info.name, info.name)] for info in graph.graph.output]
    seen = replace(
        facts.input, name=PIXELS, channels=_COLORS, layout="HWC", maximum=_WHITE, mean=(), std=(), channel_order="RGB"
    )
    facts = replace(facts, input=seen, output=renamed.get(facts.output, facts.output), baseline=())
    return op.model(outputs, "explainer", facts.to_metadata())


def _check(facts: ExplainerFacts) -> None:
    for one in facts.maps:
        if method_named(one.method).driver or facts.smooth:
            what = "a smoothed map" if facts.smooth else f"method '{one.method}'"
            raise WhylightError(f"{what} takes several passes: a file that takes pixels computes methods of one pass")
    if not facts.input.is_picture or facts.input.channels not in (1, _COLORS):
        found = f"{facts.input.kind}s" if not facts.input.is_picture else f"{facts.input.channels} channels"
        raise WhylightError(f"the model takes {found}: a file that takes pixels needs a model of gray or RGB pictures")


def _prepared(op: GraphBuilder, pixels: Tensor, facts: ExplainerFacts) -> Tensor:
    """The model's input of bytes (N, H, W, 3), by the steps of `whylight.images.inputs.prepared_inputs`."""
    image = facts.input
    planes = op.Transpose(pixels, perm=[0, 3, 1, 2])
    if image.channels == 1:
        weights = np.array(_LUMA, np.float32).reshape(1, -1, 1, 1)
        gray = op.ReduceSum(op.Mul(op.Cast(planes, to=onnx.TensorProto.FLOAT), weights), [1], keepdims=1)
        planes = op.Cast(op.Round(gray), to=onnx.TensorProto.UINT8)
    elif image.channel_order == "BGR":
        planes = op.Gather(planes, [2, 1, 0], axis=1)
    # weights of places outside of the image are left out, as Pillow does
    # and not all runtimes that move a Transpose know the attribute `axes`
    sizes = op.Concat(op.Shape(planes, start=0, end=2), list(image.size), axis=0)
    resized = op.Resize(planes, None, None, sizes, mode="linear", antialias=1, exclude_outside=1)
    resized = op.with_shape(resized, (*planes.shape[:2], *image.size))
    values = op.Cast(resized, to=onnx.TensorProto.FLOAT)
    if image.maximum != _WHITE:
        values = op.Div(values, np.float32(_WHITE / image.maximum))
    if image.mean:
        values = op.Sub(values, np.array(image.mean, np.float32).reshape(1, -1, 1, 1))
    if image.std:
        values = op.Div(values, np.array(image.std, np.float32).reshape(1, -1, 1, 1))
    match image.layout:
        case "HW":
            return op.Squeeze(values, [1])
        case "HWC":
            return op.Transpose(values, perm=[0, 2, 3, 1])
    return op.Identity(values)
