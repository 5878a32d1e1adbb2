"""Building ONNX graphs: operators are called like functions, shapes are known at every step.

Every part of whylight that writes ONNX (the nnabla functions, the derivative rules, the methods) writes it
through one `GraphBuilder`::

    op = GraphBuilder()
    x = op.input("x", ("N", 3, 8, 8))
    y = op.Relu(op.Mul(x, 2.0))

An operator is called by its ONNX name. Its inputs may be tensors, numpy arrays, Python numbers (they take the
type of the tensors that the operator binds them to, else of the first one) or lists of integers (axes, shapes:
int64); its attributes are keywords. The result is a `Tensor` that knows its name, its shape and its type, from the
operator's own inference in the ``onnx`` package.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, helper, numpy_helper
from onnx.checker import ValidationError
from onnx.defs import SchemaError, get_schema
from onnx.shape_inference import InferenceError, infer_node_outputs, infer_shapes

from whylight.errors import WhylightError

OPSET = 20
"""The ONNX operator set of every graph whylight writes: the newest one that all current runtimes have."""
IR_VERSION = 9
"""The ONNX file version that belongs to `OPSET`."""

BATCH = "N"
"""The name of the dynamic batch axis."""

Extent = int | str | None
"""One axis of a shape: its size, the name of a symbolic size, or None where nothing is known."""
Shape = tuple[Extent, ...]


@dataclass(frozen=True)
class Tensor:
    """A value of the graph: its name, shape and element type, and its content where that is a constant."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    value: np.ndarray[Any, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def size(self, axis: int) -> int:
        """The static size of one axis.

        Raises:
            WhylightError: the size is symbolic or unknown.
        """
        extent = self.shape[axis]
        if not isinstance(extent, int):
            raise WhylightError(
                f"'{self.name}': axis {axis} of shape {self.shape} has no fixed size, and one is needed"
            )
        return extent


Operand = Tensor | np.ndarray[Any, Any] | np.generic | float | Sequence[int] | None


class GraphBuilder:
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, Tensor] = {}
        self.inputs: list[Tensor] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._small_constants: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._scope = ""
        self._counters: dict[str, int] = {}

    @classmethod
    def extending(cls, model: onnx.ModelProto) -> "GraphBuilder":
        """A builder that goes on where ``model`` ends; all of its tensors are in ``tensors`` by name.

        Raises:
            WhylightError: the type or rank of a tensor cannot be inferred.
        """
        builder = cls()
        builder.nodes = list(model.graph.node)
        values = {
            node.output[0]: numpy_helper.to_array(node.attribute[0].t)
            for node in model.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        builder._initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        for initializer in model.graph.initializer:
            dtype = np.dtype(helper.tensor_dtype_to_np_dtype(initializer.data_type))
            value = numpy_helper.to_array(initializer) if initializer.data_type != TensorProto.UNDEFINED else None
            builder._add(Tensor(initializer.name, tuple(initializer.dims), dtype, value))
        for info in infer_types(model):
            if info.name not in builder.tensors:
                tensor = _tensor_of_type(info.name, info.type)
                builder._add(replace(tensor, value=values.get(info.name)))
        builder.inputs = [
            builder.tensors[info.name] for info in model.graph.input if info.name not in builder._initializers
        ]
        return builder

    def input(self, name: str, shape: Shape, dtype: Any = np.float32) -> Tensor:
        """Declare a graph input."""
        tensor = self._add(Tensor(name, shape, np.dtype(dtype)))
        self.inputs.append(tensor)
        return tensor

    def initializer(self, name: str, value: np.ndarray[Any, Any]) -> Tensor:
        """A named constant, such as a parameter of the model."""
        tensor = self._add(Tensor(name, value.shape, value.dtype, value))
        self._initializers[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return tensor

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """An unnamed constant; small equal ones are shared."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes() if array.size <= 64 else str(id(array)).encode())
        if array.size > 64 or key not in self._small_constants:
            self._small_constants[key] = self.initializer(self.unique("constant"), array)
        return self._small_constants[key]

    def __getattr__(self, op_type: str) -> Callable[..., Tensor]:
        """``op.Relu(x)``: append one ONNX node with one output."""
        if not op_type[:1].isupper():
            raise AttributeError(op_type)

        def call(*operands: Operand, **attributes: Any) -> Tensor:
            return self.node(op_type, operands, 1, **attributes)[0]

        return call

    def node(self, op_type: str, operands: Sequence[Operand], outputs: int, **attributes: Any) -> tuple[Tensor, ...]:
        """Append one ONNX node with any number of outputs.

        Raises:
            WhylightError: the operator cannot take inputs of these shapes.
        """
        inputs = [
            self._tensor(operand, dtype)
            for operand, dtype in zip(operands, _number_types(op_type, operands), strict=True)
        ]
        while inputs and inputs[-1] is None:
            inputs.pop()  # an absent input at the end is left out: runtimes fuse such nodes more readily
        names = [self.unique(op_type) for _ in range(outputs)]
        attributes = {name: value for name, value in attributes.items() if value is not None}
        node = helper.make_node(op_type, [x.name if x else "" for x in inputs], names, name=names[0], **attributes)
        types = _infer_node(node, [x for x in inputs if x])
        results = tuple(self._add(_tensor_of_type(name, types[name])) for name in names)
        self.nodes.append(node)
        return results

    def replayed(self, nodes: Iterable[onnx.NodeProto], replaced: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Append copies of nodes, which read other tensors in place of some.

        Args:
            nodes: of this graph, in topological order.
            replaced: what is read in place of the tensors of these names.

        Returns:
            The copies' outputs and ``replaced``, by the names of the originals.
        """
        known = dict(replaced)
        for node in list(nodes):
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.input[:] = [known[name].name if name in known else name for name in node.input]
            copy.output[:] = [name and self.unique(node.op_type) for name in node.output]
            copy.name = copy.output[0]
            for graph in _subgraphs(copy):
                _rename_captured(graph, {name: tensor.name for name, tensor in known.items()})
            types = _infer_node(copy, [self.tensors[name] for name in copy.input if name])
            for original, name in zip(node.output, copy.output, strict=True):
                if name:
                    known[original] = self._add(_tensor_of_type(name, types[name]))
            self.nodes.append(copy)
        return known

    def rename(self, tensor: Tensor, name: str) -> Tensor:
        """Rename an output of one of the newest nodes, there and where other nodes read it."""
        for node in reversed(self.nodes):
            for names in (node.input, node.output):
                for index, existing in enumerate(names):
                    if existing == tensor.name:
                        names[index] = name
            if name in node.output:
                break
        del self.tensors[tensor.name]
        return self._add(Tensor(name, tensor.shape, tensor.dtype))

    def with_shape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """``tensor`` with ``shape`` in place of what inference found (it loses the batch symbol in Reshape)."""
        self.tensors[tensor.name] = Tensor(tensor.name, shape, tensor.dtype, tensor.value)
        return self.tensors[tensor.name]

    def extent(self, tensor: Tensor, axis: int) -> Tensor:
        """The size of one axis as int64 of shape (1,): a constant where it is static, else found at run time."""
        extent = tensor.shape[axis]
        if isinstance(extent, int):
            return self.constant([extent], np.int64)
        axis %= tensor.rank
        return self.Shape(tensor, start=axis, end=axis + 1)

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Within it, the names of new nodes and constants begin with ``name``."""
        outer, self._scope = self._scope, name
        try:
            yield
        finally:
            self._scope = outer

    def unique(self, stem: str) -> str:
        """A name that nothing in the graph has."""
        stem = f"{self._scope}/{stem}" if self._scope else stem
        while True:
            count = self._counters[stem] = self._counters.get(stem, -1) + 1
            name = f"{stem}_{count}" if count else stem
            if name not in self.tensors:
                return name

    def model(self, outputs: Iterable[Tensor], name: str, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        """The finished model: nodes that no output needs are left out, as are unused constants.

        Raises:
            WhylightError: the model is not valid ONNX.
        """
        outputs = list(outputs)
        nodes = needed_nodes(self.nodes, [tensor.name for tensor in outputs])
        read = {name for node in nodes for name in node.input} | {tensor.name for tensor in outputs}
        graph = helper.make_graph(
            nodes,
            name,
            [_value_info(tensor) for tensor in self.inputs],
            [_value_info(tensor) for tensor in outputs],
            [tensor for name, tensor in self._initializers.items() if name in read],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="whylight")
        model.ir_version = IR_VERSION
        helper.set_model_props(model, dict(metadata or {}))
        return model

    def _add(self, tensor: Tensor) -> Tensor:
        if tensor.name in self.tensors:
            raise WhylightError(f"the graph has two tensors named '{tensor.name}'")
        self.tensors[tensor.name] = tensor
        return tensor

    def _tensor(self, operand: Operand, dtype: np.dtype[Any]) -> Tensor | None:
        if operand is None or isinstance(operand, Tensor):
            return operand
        if isinstance(operand, np.ndarray | np.generic):
            return self.constant(operand)
        if isinstance(operand, Sequence):
            return self.constant(operand, np.int64)
        return self.constant(operand, dtype)


def needed_nodes(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Those of ``nodes`` (in topological order) that one of ``outputs`` depends on, in their order."""
    wanted = set(outputs)
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(name for name in read_names(node) if name)
    return kept[::-1]


def part_of(model: onnx.ModelProto, outputs: Iterable[str]) -> onnx.ModelProto:
    """The part of ``model`` that leads to some of its outputs, with the inputs and constants that it reads."""
    part, wanted = onnx.ModelProto(), set(outputs)
    part.CopyFrom(model)
    graph = part.graph
    nodes = needed_nodes(model.graph.node, wanted)
    read = {name for node in nodes for name in _reads(node)} | wanted
    del graph.node[:], graph.input[:], graph.output[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.input.extend(info for info in model.graph.input if info.name in read)
    graph.output.extend(info for info in model.graph.output if info.name in wanted)
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    return part


def _reads(node: onnx.NodeProto) -> set[str]:
    """The names of the tensors that a node reads, in its subgraphs too."""
    return set(node.input).union(*(_reads(inner) for graph in _subgraphs(node) for inner in graph.node))


def dependent_nodes(nodes: Sequence[onnx.NodeProto], source: str) -> list[onnx.NodeProto]:
    """Those of ``nodes`` (in topological order) that depend on the tensor ``source``, in their order."""
    reached = {source}
    kept: list[onnx.NodeProto] = []
    for node in nodes:
        if reached.intersection(read_names(node)):
            kept.append(node)
            reached.update(node.output)
    return kept


def read_names(node: onnx.NodeProto) -> set[str]:
    """The names of the tensors that a node reads, in its subgraphs too."""
    graphs = _subgraphs(node)
    inner = {name for graph in graphs for each in graph.node for name in read_names(each)}
    return {*node.input, *inner, *(info.name for graph in graphs for info in graph.output)}


def renamed_tensors(model: onnx.ModelProto, names: Mapping[str, str]) -> onnx.ModelProto:
    """``model`` with some of its tensors called otherwise; the model itself where it has none of them."""
    graph = model.graph
    present = {name for node in graph.node for name in (*read_names(node), *node.output)}
    present.update(info.name for info in (*graph.input, *graph.output))
    if not present.intersection(names):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        for listed in (node.input, node.output):
            listed[:] = [names.get(name, name) for name in listed]
    for named in (copy.graph.input, copy.graph.output, copy.graph.value_info, copy.graph.initializer):
        for tensor in named:
            tensor.name = names.get(tensor.name, tensor.name)
    return copy


def infer_types(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Name and type of every tensor of the model; its weights are not copied to find them.

    Raises:
        WhylightError: shapes in the model contradict each other.
    """
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    light.graph.value_info.extend(model.graph.value_info)
    declared = {info.name for info in model.graph.input}
    for initializer in model.graph.initializer:
        if int(np.prod(initializer.dims)) <= 64:
            light.graph.initializer.append(initializer)
        elif initializer.name not in declared:
            light.graph.input.append(
                helper.make_tensor_value_info(initializer.name, initializer.data_type, initializer.dims)
            )
    try:
        graph = infer_shapes(light, check_type=True, strict_mode=True, data_prop=True).graph
    except InferenceError as error:
        raise WhylightError(f"the graph's shapes contradict each other: {str(error).splitlines()[-1]}") from error
    return [*graph.input, *graph.value_info, *graph.output]


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def _rename_captured(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename what a subgraph reads of the graph around it."""
    own = {name for node in graph.node for name in node.output} | {info.name for info in graph.input}
    for node in graph.node:
        node.input[:] = [name if name in own else names.get(name, name) for name in node.input]
        for inner in _subgraphs(node):
            _rename_captured(inner, {old: new for old, new in names.items() if old not in own})


def _number_types(op_type: str, operands: Sequence[Operand]) -> list[np.dtype[Any]]:
    """The type that each operand takes where it is a number: that of the first tensor which the operator binds it to.

    Of Where the operands have one type and the condition another; where no tensor is bound to it, it is that of the
    first tensor.
    """
    bound = _type_parameters(op_type, len(operands))
    tensors = [(kind, x.dtype) for kind, x in zip(bound, operands, strict=True) if isinstance(x, Tensor)]
    first = tensors[0][1] if tensors else np.dtype(np.float32)
    return [next((dtype for other, dtype in tensors if other == kind), first) for kind in bound]


@cache
def _type_parameters(op_type: str, count: int) -> list[str]:
    """The name of the type of each of ``count`` inputs; those that may be of any number have the last one's."""
    try:
        names = [parameter.type_str for parameter in get_schema(op_type, OPSET, "").inputs]
    except SchemaError as error:
        raise WhylightError(f"ONNX has no operator {op_type} in operator set {OPSET}") from error
    return (names + names[-1:] * count)[:count]


def _infer_node(node: onnx.NodeProto, inputs: Sequence[Tensor]) -> dict[str, TypeProto]:
    try:
        schema = get_schema(node.op_type, OPSET, "")
        return infer_node_outputs(
            schema,
            node,
            {x.name: _type_of_tensor(x) for x in inputs},
            {
                x.name: numpy_helper.from_array(x.value, x.name)
                for x in inputs
                if x.value is not None and x.value.size <= 64
            },
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
    except (InferenceError, ValidationError) as error:
        shapes = ", ".join(str(x.shape) for x in inputs)
        reason = str(error).strip().splitlines()[-1]
        raise WhylightError(f"'{node.name}': {node.op_type} cannot take inputs of shape {shapes}: {reason}") from error


def _type_of_tensor(tensor: Tensor) -> TypeProto:
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)


def _tensor_of_type(name: str, proto: TypeProto) -> Tensor:
    kind = proto.tensor_type
    if not proto.HasField("tensor_type") or not kind.HasField("shape"):
        raise WhylightError(f"'{name}': the number of its axes is not known before the model runs")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return Tensor(name, tuple(_extent(dimension) for dimension in kind.shape.dim), dtype)


def _extent(dimension: onnx.TensorShapeProto.Dimension) -> Extent:
    if dimension.HasField("dim_value"):
        return dimension.dim_value
    return dimension.dim_param or None


def _value_info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, helper.np_dtype_to_tensor_dtype(tensor.dtype), tensor.shape)
