"""Reading classifiers in ONNX, of any producer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, checker, helper

from whylight.classifier.classifier import Classifier
from whylight.classifier.describe import describe
from whylight.classifier.naming import with_class_names
from whylight.contract import InputFacts, kind_of
from whylight.errors import WhylightError
from whylight.files.checks import reason
from whylight.files.named_values import named_values
from whylight.graph.builder import GraphBuilder
from whylight.graph.trial import Deadline
from whylight.graph.walks import dependent_nodes, needed_nodes
from whylight.options import ModelOptions
from whylight.reading.inspection import Inspection, with_explainable
from whylight.reading.onnx_model.axes import axis_roles
from whylight.reading.onnx_model.fixed_inputs import with_fixed_inputs
from whylight.reading.onnx_model.flat import with_places
from whylight.reading.onnx_model.float32 import in_float32
from whylight.reading.onnx_model.image import Shape, image_input, without_unread_inputs
from whylight.reading.onnx_model.kind import DETECTOR, picks_boxes
from whylight.reading.onnx_model.layers import layers
from whylight.reading.onnx_model.opset import in_our_opset
from whylight.reading.onnx_model.outputs import class_output, tensor_outputs
from whylight.reading.onnx_model.pixels import pixels
from whylight.reading.onnx_model.roles import BATCH_AXIS, CHANNELS, Positions, Role, Roles
from whylight.reading.onnx_model.scores import Scores, one_list
from whylight.reading.onnx_model.simplify import Simplified, simplified
from whylight.reading.onnx_model.verify import outputs_differ


def inspect(path: Path, form: str, model: onnx.ModelProto, options: ModelOptions) -> Inspection:
    """What a model that was read holds.

    Args:
        path: the file that it comes from.
        form: the file's format.
        model: as `whylight.reading.onnx_model.read.prepared` gives it.
        options: what is known about it.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    producer = f", by {model.producer_name}" if model.producer_name else ""
    held = Inspection(
        path=str(path),
        format=f"{form}, operator set {model.opset_import[0].version}{producer}",
        networks=(model.graph.name,) if model.graph.name else (),
        executor=None,
        network=model.graph.name,
        inputs=tuple(_variable(info) for info in model.graph.input if info.name not in constants),
        outputs=tuple(_variable(info) for info in model.graph.output),
        functions=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
    )
    return with_explainable(held, lambda: to_classifier(path, model, options), _preparation)


def convert(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that was read, in float32 and in our operator set, as a file of its own.

    Raises:
        WhylightError: it cannot be converted, or it is not a valid model.
    """
    converted = in_our_opset(path, in_float32(tensor_outputs(model)))
    try:
        checker.check_model(converted)
    except (checker.ValidationError, ValueError) as error:
        raise WhylightError(f"{path}: not a valid ONNX model: {reason(error)}") from error
    return converted


def to_classifier(path: Path, original: onnx.ModelProto, options: ModelOptions) -> Classifier:
    """The classifier in a model that was read, in float32 and in our operator set.

    The result computes what the file computes: it is run beside it, on random pixels, before it is given back.

    Raises:
        WhylightError: it is not a classifier of one image, or it cannot be converted.
    """
    fixed = named_values(options.fix or ())
    names = [each.name for each in fixed]
    original = without_unread_inputs(original)
    original = with_places(path, original, options.model_input, options.layout, options.input_size, names)
    model = in_our_opset(path, in_float32(tensor_outputs(original)))
    found = image_input(path, model, options.model_input, options.layout, options.input_size, names)
    if fixed:
        original = with_fixed_inputs(path, original, fixed, found.name)
        model = in_our_opset(path, in_float32(tensor_outputs(original)))
    image, shape, layout = found.name, found.shape, found.layout
    kind = kind_of(len(layout.replace("C", "")))
    channels = shape[layout.index("C") + 1] if "C" in layout else 1
    prepared = pixels(path, model, image, channels or 1, kind, options.input_range, options.mean, options.std)
    try:
        plain = _equivalent(path, original, _in_float_pixels(model, image), image, shape)
    except WhylightError as error:
        if picks_boxes(model.graph.node):
            raise WhylightError(f"{path}: no output holds one score a class: it seems to be {DETECTOR}") from error
        if found.is_open:
            size = " x ".join(str(extent) for extent in shape[1:])
            raise WhylightError(
                f"{error}; the file says no size for its images, and {size} may be a wrong one: say another by the "
                "option 'input_size'"
            ) from error
        raise
    graph = GraphBuilder.extending(plain.model)
    classes = class_output(path, plain.model, graph.tensors, image, options.output_variable, options.output_index)
    scores = one_list(path, plain.model, graph.tensors, image, classes.name, classes.index)
    classifier = describe(
        path,
        scores.model,
        layers(
            dependent_nodes(needed_nodes(plain.model.graph.node, graph.tensors), image),
            axis_roles(plain.model.graph.node, graph.tensors, image, _image_roles(shape, layout)),
        ),
        image=image,
        maximum=prepared.maximum or 1.0,
        output=scores.output,
        layout=layout,
        mean=prepared.mean,
        std=prepared.std,
        channel_order=prepared.channel_order,
        exif_orientation=options.exif_orientation,
        notes=(*found.notes, *prepared.notes, *classes.notes, *_notes(path, scores, shape[0], plain)),
    )
    metadata = {entry.key: entry.value for entry in original.metadata_props}
    return with_class_names(classifier, options.labels, metadata)


def _notes(path: Path, scores: Scores, batch: int | None, plain: Simplified) -> Iterator[str]:
    """What a person should know of how scores are made."""
    if batch is None and not plain.is_dynamic:
        yield (
            f"{path}: the network mixes the images of a batch, or computes for one image alone: each is explained by "
            "itself"
        )
    if scores.rows > 1:
        yield (
            f"{path}: the network makes {scores.rows} images of each one, such as crops: their scores are averaged; "
            "its layers see them apart, so that methods that need no layer explain it"
        )


def _variable(info: onnx.ValueInfoProto) -> dict[str, Any]:
    extents = info.type.tensor_type.shape.dim
    shape = [extent.dim_value if extent.HasField("dim_value") else extent.dim_param or "?" for extent in extents]
    return {"name": info.name, "data_name": info.name, "shape": shape, "range": None}


def _preparation(image: InputFacts) -> dict[str, Any]:
    white = image.maximum if image.is_picture else None
    return {"mean": list(image.mean), "std": list(image.std), "range": white}


def _image_roles(shape: Shape, layout: str) -> Roles:
    roles: list[Role] = [BATCH_AXIS]
    for letter, extent in zip(layout, shape[1:], strict=True):
        number = sum(isinstance(role, Positions) for role in roles)
        roles.append(CHANNELS if letter == "C" else Positions((number,), (extent or 0,)))
    return tuple(roles)


def _equivalent(path: Path, original: onnx.ModelProto, model: onnx.ModelProto, image: str, shape: Shape) -> Simplified:
    """The simplified model, with a dynamic batch axis if it then computes the same, else with the file's own, or 1."""
    one_by_one = (shape[0] or 1, *shape[1:])
    attempts = [(shape, True), (one_by_one, False)]
    if any(node.op_type == "DynamicQuantizeLinear" for node in model.graph.node):
        del attempts[0]  # it rounds the images of a batch by the largest number among all of them
    loose = in_float32(original) is not original
    faults: list[str] = []
    deadline = Deadline(original.ByteSize())
    for extents, dynamic in attempts:
        try:
            plain = simplified(model, {image: extents}, dynamic)
            difference = outputs_differ(path, original, plain.model, extents, image, loose, deadline)
        except WhylightError as error:
            faults.append(f"{path}: {error}")
            continue
        if not difference:
            return plain
        faults.append(f"{path}: the converted model does not compute what the file does: {difference} differs")
    raise WhylightError(faults[-1 if shape[0] else 0])


def _in_float_pixels(model: onnx.ModelProto, image: str) -> onnx.ModelProto:
    """The model with a float32 image input, where the file's takes bytes."""
    info = next(info for info in model.graph.input if info.name == image)
    if info.type.tensor_type.elem_type == TensorProto.FLOAT:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kind = info.type.tensor_type.elem_type
    next(info for info in copy.graph.input if info.name == image).type.tensor_type.elem_type = TensorProto.FLOAT
    readers = [node for node in copy.graph.node if image in node.input]
    if all(node.op_type == "Cast" for node in readers):
        return copy
    for node in readers:
        node.input[:] = [f"{name}/bytes" if name == image else name for name in node.input]
    cast = helper.make_node("Cast", [image], [f"{image}/bytes"], name=f"{image}/bytes", to=kind)
    nodes = [cast, *copy.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy
