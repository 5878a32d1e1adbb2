"""The message types of the .nnp format, built from its published schema (`schema.json`)."""

import json
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _FIELD.TYPE_DOUBLE,
    "float": _FIELD.TYPE_FLOAT,
    "int64": _FIELD.TYPE_INT64,
    "uint32": _FIELD.TYPE_UINT32,
    "bool": _FIELD.TYPE_BOOL,
    "string": _FIELD.TYPE_STRING,
    "message": _FIELD.TYPE_MESSAGE,
}


@cache
def message_class(name: str) -> type[Message]:
    """The class of one message of the schema, such as ``NNablaProtoBuf``.

    Raises:
        KeyError: the schema has no such message.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@cache
def surface_class() -> type[Message]:
    """The class of an NNablaProtoBuf whose parameters are left as bytes, and all else unread: for a look at sizes."""
    parameter = message_class("NNablaProtoBuf").DESCRIPTOR.fields_by_name["parameter"]
    file = descriptor_pb2.FileDescriptorProto(name="surface.proto", syntax="proto3")
    described = file.message_type.add(name="Surface")
    described.field.add(
        name=parameter.name, number=parameter.number, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Surface"))


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    """A pool of its own, so that an installed nnabla with the same message names does not get in the way."""
    schema = json.loads(resources.files(__package__).joinpath("schema.json").read_text("utf-8"))
    file = descriptor_pb2.FileDescriptorProto(name="nnabla.proto", syntax=schema["syntax"])
    for name, definition in schema["messages"].items():
        _describe(file.message_type.add(name=name), definition)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _describe(message: descriptor_pb2.DescriptorProto, definition: dict[str, Any]) -> None:
    oneofs: dict[str, int] = {}
    for field in definition["fields"]:
        described = message.field.add(
            name=field["name"],
            number=field["number"],
            type=_TYPES[field["type"]],
            label=_FIELD.LABEL_REPEATED if field.get("repeated") else _FIELD.LABEL_OPTIONAL,
        )
        if "message" in field:
            described.type_name = f".{field['message']}"
        if "oneof" in field:
            if field["oneof"] not in oneofs:
                oneofs[field["oneof"]] = len(message.oneof_decl)
                message.oneof_decl.add(name=field["oneof"])
            described.oneof_index = oneofs[field["oneof"]]
    for name, nested in definition.get("nested", {}).items():
        _describe(message.nested_type.add(name=name), nested)
