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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.graph.inference import (
    IR_VERSION,
    OPSET,
    infer_node,
    infer_types,
    number_types,
    tensor_of_type,
    value_info,
)
from whylight.graph.operators import Operators
from whylight.graph.tensor import MOST_AXES, Operand, Shape, Tensor
from whylight.graph.walks import needed_nodes, rename_captured, subgraphs

_ALWAYS_ALLOWED = 2**24
_COPIES = 2
"""Of a tensor when a graph is run: what is read, and what is computed of it."""


class GraphBuilder(Operators):
    """An ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, Tensor] = {}
        self.inputs: list[Tensor] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._small_constants: dict[tuple[str, tuple[int, ...], bytes], Tensor] = {}
        self._scope = ""
        self._counters: dict[str, int] = {}
        self._bytes_held = 0

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
            builder._bytes_held += 0 if value is None else value.nbytes
        for info in infer_types(model):
            if info.name not in builder.tensors:
                tensor = tensor_of_type(info.name, info.type)
                builder._add(replace(tensor, value=values.get(info.name)))
        builder.inputs = [
            builder.tensors[info.name] for info in model.graph.input if info.name not in builder._initializers
        ]
        return builder

    def input(self, name: str, shape: Shape, dtype: Any = np.float32) -> Tensor:
        """Declare a graph input.

        Raises:
            WhylightError: its shape is larger than the budget.
        """
        self.check_size(f"the input '{name}'", shape, dtype)
        tensor = self._add(Tensor(name, shape, np.dtype(dtype)))
        self.inputs.append(tensor)
        return tensor

    def initializer(self, name: str, value: np.ndarray[Any, Any]) -> Tensor:
        """A named constant, such as a parameter of the model."""
        tensor = self._add(Tensor(name, value.shape, value.dtype, value))
        self._bytes_held += value.nbytes
        self._initializers[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return tensor

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """An unnamed constant; small equal ones are shared."""
        array = np.asarray(value, dtype)
        key = (array.dtype.str, array.shape, array.tobytes() if array.size <= 64 else str(id(array)).encode())
        if array.size > 64 or key not in self._small_constants:
            self._small_constants[key] = self.initializer(self.unique("constant"), array)
        return self._small_constants[key]

    def node(self, op_type: str, operands: Sequence[Operand], outputs: int, **attributes: Any) -> tuple[Tensor, ...]:
        """Append one ONNX node with any number of outputs.

        Raises:
            WhylightError: the operator cannot take inputs of these shapes, or its results are larger than the budget.
        """
        inputs = [
            self._tensor(operand, dtype)
            for operand, dtype in zip(operands, number_types(op_type, operands), strict=True)
        ]
        while inputs and inputs[-1] is None:
            inputs.pop()  # an absent input at the end is left out: runtimes fuse such nodes more readily
        names = [self.unique(op_type) for _ in range(outputs)]
        attributes = {name: value for name, value in attributes.items() if value is not None}
        node = helper.make_node(op_type, [x.name if x else "" for x in inputs], names, name=names[0], **attributes)
        types = infer_node(node, [x for x in inputs if x])
        tensors = [tensor_of_type(name, types[name]) for name in names]
        for tensor in tensors:
            self.check_size(f"what {op_type} computes", tensor.shape, tensor.dtype)
        results = tuple(map(self._add, tensors))
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
            for graph in subgraphs(copy):
                rename_captured(graph, {name: tensor.name for name, tensor in known.items()})
            types = infer_node(copy, [self.tensors[name] for name in copy.input if name])
            for original, name in zip(node.output, copy.output, strict=True):
                if name:
                    known[original] = self._add(tensor_of_type(name, types[name]))
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
        self.check_size(f"'{tensor.name}'", shape, tensor.dtype)
        self.tensors[tensor.name] = Tensor(tensor.name, shape, tensor.dtype, tensor.value)
        return self.tensors[tensor.name]

    def check_size(self, what: str, shape: Shape, dtype: Any = np.float32) -> None:
        """See that there can be an array of a shape, before anything is computed: for all that is made for the graph.

        A batch of one is counted. What is no larger than the constants of the graph, which are in memory, is allowed.

        Raises:
            WhylightError: it has too many axes, negative extents, or is larger than the budget.
        """
        extents = [extent for extent in shape if isinstance(extent, int)]
        if len(shape) > MOST_AXES or min(extents, default=0) < 0:
            expected = f"at most {MOST_AXES} axes, and no negative extents"
            raise WhylightError(f"{what} would be of shape {shape}, expected {expected}")
        size = prod(extents) * np.dtype(dtype).itemsize
        if size > max(self._bytes_held, _ALWAYS_ALLOWED):
            check_memory(f"{what} of shape {shape}", "it", _COPIES * size)

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
            [value_info(tensor) for tensor in self.inputs],
            [value_info(tensor) for tensor in outputs],
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
