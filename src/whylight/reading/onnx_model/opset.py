"""Every model in one operator set: older ones converted up, newer ones down where the operators allow it."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper, version_converter
from onnx.defs import OpSchema, SchemaError, get_schema, onnx_opset_version

from whylight.errors import WhylightError
from whylight.graph.inference import IR_VERSION, OPSET
from whylight.reading.onnx_model.structure import all_nodes

_NEW_FUNCTIONS = {"Attention", "RMSNormalization", "RotaryEmbedding", "Swish"}
"""Operators after `OPSET` that the standard defines by older ones."""


def in_our_opset(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in operator set `OPSET`, with names and metadata of its nodes kept.

    Raises:
        WhylightError: an operator cannot be converted.
    """
    version = _opset(model)
    if unknown := sorted(name for name in _used(model) if not _has_schema(name, version)):
        raise WhylightError(
            f"{path}: operators that ONNX does not have in operator set {version}: {', '.join(unknown)}; the exporter "
            "left them as it found them: export the network with another one, or without them"
        )
    if version > OPSET:
        model = _written_out(path, model)
    if version == OPSET or not (changed := _changed_operators(model, version)):
        return _renumbered(model)
    if version > OPSET:
        raise WhylightError(
            f"{path}: in operator set {version} these operators differ from operator set {OPSET}, which is the newest "
            f"that can be read: {', '.join(changed)}; export the network with operator set {OPSET} or older"
        )
    try:
        converted = version_converter.convert_version(_without_training(model), OPSET)
    except Exception as error:  # the converter's errors share no base class
        raise WhylightError(
            f"{path}: cannot be converted from operator set {version} to {OPSET}: {_last_line(error)}; "
            f"export the network with operator set {OPSET}"
        ) from error
    return _renumbered(_named_as(model, converted))


def _opset(model: onnx.ModelProto) -> int:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)


def _renumbered(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    others = [entry for entry in copy.opset_import if entry.domain not in ("", "ai.onnx")]
    del copy.opset_import[:]
    copy.opset_import.extend([helper.make_opsetid("", OPSET), *others])
    copy.ir_version = IR_VERSION
    return copy


def _changed_operators(model: onnx.ModelProto, version: int) -> list[str]:
    """The operators of the model that are not the same in both operator sets."""
    return sorted(name for name in _used(model) if not _is_unchanged(name, version))


def _used(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in all_nodes(model.graph.node) if node.domain in ("", "ai.onnx")}


def _has_schema(operator: str, version: int) -> bool:
    """Whether ONNX has it; of operator sets that are newer than the installed package nothing is known."""
    try:
        get_schema(operator, version, "")
    except SchemaError:
        return version > onnx_opset_version()
    return True


def _is_unchanged(operator: str, version: int) -> bool:
    try:
        schemas = [get_schema(operator, number, "") for number in (version, OPSET)]
    except SchemaError:
        return False
    if schemas[0].since_version == schemas[1].since_version:
        return True
    # a newer version that only takes more types of elements; before 13 the same signature hides other meanings
    later = min(schema.since_version for schema in schemas) >= 13 or min(version, OPSET) >= 13
    return later and operator != "GroupNormalization" and _signature(schemas[0]) == _signature(schemas[1])


def _signature(schema: OpSchema) -> tuple[object, ...]:
    attributes = sorted(
        (name, str(attribute.type), attribute.required, str(attribute.default_value))
        for name, attribute in schema.attributes.items()
        if name not in ("saturate", "allowzero", "round_mode")
    )
    operands = [[(x.name, str(x.option)) for x in group] for group in (schema.inputs, schema.outputs)]
    return (attributes, *map(str, operands))


def _written_out(path: Path, model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the newest operators written as the older ones that define them."""
    used = {node.op_type for node in model.graph.node} & _NEW_FUNCTIONS
    if not used:
        return model
    from onnx import inliner

    try:
        return inliner.inline_selected_functions(
            _with_types(model), [("", name) for name in sorted(used)], exclude=False, inline_schema_functions=True
        )
    except Exception as error:  # the inliner's errors share no base class
        raise WhylightError(
            f"{path}: {', '.join(sorted(used))} cannot be written as operators of set {OPSET}: {_last_line(error)}; "
            f"export the network with operator set {OPSET} or older"
        ) from error


def _with_types(model: onnx.ModelProto) -> onnx.ModelProto:
    """What the inliner needs and does not find itself: types of all tensors, and attributes that are left out."""
    typed = onnx.shape_inference.infer_shapes(model)
    known = {info.name for info in (*typed.graph.value_info, *typed.graph.input)}
    typed.graph.value_info.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in typed.graph.initializer
        if tensor.name not in known
    )
    for node in typed.graph.node:
        if node.op_type in _NEW_FUNCTIONS:
            given = {attribute.name for attribute in node.attribute}
            attributes = get_schema(node.op_type, _opset(model), "").attributes
            node.attribute.extend(
                attribute.default_value
                for name, attribute in attributes.items()
                if name not in given and attribute.default_value.type
            )
    return typed


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


def _without_training(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that the converter takes: with no Dropout, which does nothing when a network is used."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(copy.ir_version, 4)
    read = {name for node in copy.graph.node for name in node.input} | {info.name for info in copy.graph.output}
    for node in copy.graph.node:
        if node.op_type == "Dropout" and not read.intersection(node.output[1:]):
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1], name=node.name))
    return copy


def _named_as(original: onnx.ModelProto, converted: onnx.ModelProto) -> onnx.ModelProto:
    """``converted`` with the names, texts and metadata that the converter loses."""
    known = {node.output[0]: node for node in original.graph.node if node.output}
    for node in converted.graph.node:
        source = known.get(node.output[0])
        if source is not None:
            node.name = source.name
            if hasattr(node, "metadata_props"):
                del node.metadata_props[:]
                node.metadata_props.extend(source.metadata_props)
    del converted.metadata_props[:]
    converted.metadata_props.extend(original.metadata_props)
    return converted
