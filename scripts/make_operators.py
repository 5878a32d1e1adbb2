"""Write the stub by which a type checker knows the operators that a graph builder may call.

python scripts/make_operators.py [--check]

It says for every operator of ONNX's own domain what inputs and attributes it has in the operator set that whylight
writes. Only these facts are in it, sorted by name: they are the same in every version of the ``onnx`` package.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from onnx.defs import OpSchema, SchemaError, get_all_schemas, get_schema

from whylight.graph.inference import OPSET

STUB = Path(__file__).parents[1] / "src" / "whylight" / "graph" / "operators.pyi"
LINE_LENGTH = 120

HEAD = f'''"""The operators of ONNX's operator set {OPSET}: made by `python scripts/make_operators.py`, not by hand."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import onnx

from whylight.graph.tensor import Operand, Tensor

class Operators(ABC):
    @abstractmethod
    def node(
        self, op_type: str, operands: Sequence[Operand], outputs: int, **attributes: Any
    ) -> tuple[Tensor, ...]: ...
'''

DEPRECATED = {"GroupNormalization"}
"""What newer versions of the ``onnx`` package have deprecated in this operator set, and older ones have not."""

TYPES = {
    OpSchema.AttrType.INT: "int",
    OpSchema.AttrType.FLOAT: "float",
    OpSchema.AttrType.STRING: "str",
    OpSchema.AttrType.TENSOR: "onnx.TensorProto",
    OpSchema.AttrType.SPARSE_TENSOR: "onnx.SparseTensorProto",
    OpSchema.AttrType.TYPE_PROTO: "onnx.TypeProto",
    OpSchema.AttrType.GRAPH: "onnx.GraphProto",
    OpSchema.AttrType.INTS: "Sequence[int]",
    OpSchema.AttrType.FLOATS: "Sequence[float]",
    OpSchema.AttrType.STRINGS: "Sequence[str]",
}


def operators() -> Iterator[OpSchema]:
    """Those of the operator set that may have one output, by name; deprecated ones are left out."""
    for name in sorted({schema.name for schema in get_all_schemas() if schema.domain == ""} - DEPRECATED):
        try:
            schema = get_schema(name, OPSET, "")
        except SchemaError:  # it came with a newer operator set
            continue
        if not schema.deprecated and schema.min_output <= 1:
            yield schema


def declaration(schema: OpSchema) -> str:
    """The method of one operator: inputs by position, attributes by name."""
    kinds = OpSchema.FormalParameterOption
    parameters = ["self"]
    for parameter in schema.inputs:
        if parameter.option == kinds.Variadic:
            parameters += ["/", f"*{parameter.name}: Operand"]
        else:
            parameters.append(f"{parameter.name}: Operand" + " = None" * (parameter.option == kinds.Optional))
    if not parameters[-1].startswith("*"):
        parameters += ["/", "*"] if schema.attributes else ["/"]
    for name, attribute in sorted(schema.attributes.items()):
        parameters.append(f"{name}: {TYPES[attribute.type]}" + " | None = None" * (not attribute.required))
    line = f"    def {schema.name}({', '.join(parameters)}) -> Tensor: ..."
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([f"    def {schema.name}(", *(f"        {each}," for each in parameters), "    ) -> Tensor: ..."])


def main() -> int:
    """Write the stub, or only compare it; the exit code is 1 where it differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    is_check = parser.parse_args().check
    text = HEAD + "".join(f"{declaration(schema)}\n" for schema in operators())
    if is_check and not (STUB.exists() and STUB.read_text(encoding="utf-8") == text):
        print(f"{STUB.relative_to(STUB.parents[3])} is not current: run `make operators`", file=sys.stderr)
        return 1
    if not is_check:
        STUB.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
