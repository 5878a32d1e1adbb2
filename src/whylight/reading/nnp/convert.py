"""A network of nnabla functions written as an ONNX graph."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper

from whylight.errors import WhylightError, WhylightWarning
from whylight.graph.builder import GraphBuilder
from whylight.graph.demand import check_work
from whylight.graph.inference import infer_types
from whylight.graph.tensor import BATCH, MOST_AXES, Shape, Tensor
from whylight.reading.nnp.demand import Parameters
from whylight.reading.nnp.functions import convert_function, supported_functions
from whylight.reading.nnp.network import BATCH_AXIS, Function, Generator, Network, Variable

_MOST_NODES = 50_000
"""Operators of ONNX: more take minutes."""
_MOST_RENAMED = 100
"""Outputs of one function: each is looked for among the nodes behind it, so that of more the copies are named."""


def convert(network: Network, parameters: Parameters) -> onnx.ModelProto:
    """Write ``network`` as an ONNX model.

    Graph inputs and outputs have the names of the network's data and output variables; every other variable
    keeps its name too. The batch axis is dynamic (named `N`) where all functions allow it: a network that was
    saved with a fixed batch is tried with a dynamic one first.

    Raises:
        WhylightError: a function is not supported (all of them are named), a parameter is missing or has the
            wrong size, or shapes contradict each other.
    """
    _refuse_unsupported(network)
    constants = _declared_parameters(network, parameters)
    declared_dynamic = any(network.variables[name].shape[:1] == (BATCH_AXIS,) for name in network.data)
    if declared_dynamic or len(network.data) == 1:
        try:
            model = _write(network, constants, dynamic=True)
            if _runs_at_any_batch(model, network):
                return model
        except WhylightError:
            if declared_dynamic and not network.batch_size:
                raise
    return _write(network, constants, dynamic=False)


def unsupported_functions(network: Network) -> list[str]:
    """The types of the network's functions that have no conversion, sorted."""
    return sorted({function.type for function in network.functions} - supported_functions().keys())


def _refuse_unsupported(network: Network) -> None:
    unsupported = unsupported_functions(network)
    if unsupported:
        raise WhylightError(
            f"{network.path}: network '{network.name}' uses functions that are not supported: {', '.join(unsupported)}"
        )


def _declared_parameters(network: Network, parameters: Parameters) -> Parameters:
    """The parameters that the functions read, in the shapes that the network declares."""
    constants: Parameters = {}
    for name in dict.fromkeys(name for function in network.functions for name in function.inputs):
        variable = network.variables[name]
        if not variable.is_parameter:
            continue
        if name not in parameters:
            hint = "" if parameters else "; a loose network takes its parameter file by the option 'parameters'"
            raise WhylightError(f"{network.path}: parameter '{name}' is missing{hint}")
        array = parameters[name]
        if array.size != prod(variable.shape) or min(variable.shape, default=1) < 0 or len(variable.shape) > MOST_AXES:
            raise WhylightError(
                f"{network.path}: parameter '{name}' has {array.size} values of shape {array.shape}, "
                f"the network expects shape {variable.shape}"
            )
        if not np.isfinite(array).all():
            warnings.warn(
                f"{network.path}: parameter '{name}' holds NaN or infinite values", WhylightWarning, stacklevel=2
            )
        constants[name] = array.reshape(variable.shape)
    return constants


def _write(network: Network, constants: Parameters, dynamic: bool) -> onnx.ModelProto:
    op = GraphBuilder()
    tensors: dict[str, Tensor] = {}
    for name in network.data:
        with _errors_about(str(network.path)):
            tensors[name] = op.input(name, _input_shape(network, network.variables[name], dynamic))
    for name, array in constants.items():
        tensors[name] = op.initializer(name, array)
    for name, generator in network.generators.items():
        with _errors_about(f"{network.path}: variable '{name}'"), op.scope(name):
            tensors[name] = op.rename(_generated(op, network.variables[name], generator), name)
    for function in network.functions:
        _write_function(op, network, function, tensors)
        if len(op.nodes) > _MOST_NODES:
            raise WhylightError(f"{network.path}: becomes more than {_MOST_NODES} operators of ONNX: refused")
    with _errors_about(str(network.path)):
        shapes = {name: [each if isinstance(each, int) else 1 for each in x.shape] for name, x in op.tensors.items()}
        images = 1 if dynamic else max(_batch_size(network), 1)
        check_work(op.nodes, shapes, sum(array.nbytes for array in constants.values()), images)
    missing = [name for name in network.outputs if name not in tensors]
    if missing:
        raise WhylightError(f"{network.path}: output variable '{missing[0]}' is computed by no function")
    return op.model([tensors[name] for name in network.outputs], network.name)


def _write_function(op: GraphBuilder, network: Network, function: Function, tensors: dict[str, Tensor]) -> None:
    unknown = [name for name in function.inputs if name not in tensors]
    if unknown:
        raise WhylightError(
            f"{network.path}: variable '{unknown[0]}', read by function '{function.name}', is neither data nor computed"
        )
    place = f"{network.path}: function '{function.name}' ({function.type})"
    with _errors_about(place), op.scope(function.name), _warnings_about(network, function):
        outputs = convert_function(op, function.type, [tensors[name] for name in function.inputs], function.arguments)
    if len(outputs) < len(function.outputs):
        raise WhylightError(
            f"{network.path}: function '{function.name}' ({function.type}) has {len(function.outputs)} outputs, "
            f"expected at most {len(outputs)}"
        )
    many = len(function.outputs) > _MOST_RENAMED
    for name, tensor in zip(function.outputs, outputs, strict=False):
        existing = many or tensor.name in tensors or tensor.value is not None
        with op.scope(function.name):
            tensors[name] = op.rename(op.Identity(tensor) if existing else tensor, name)


@contextmanager
def _errors_about(place: str) -> Iterator[None]:
    """Have errors say what they are about."""
    try:
        yield
    except WhylightError as error:
        raise WhylightError(f"{place}: {error}") from error


@contextmanager
def _warnings_about(network: Network, function: Function) -> Iterator[None]:
    """Have the warnings of a conversion say which function of which file they are about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warnings.warn(f"{network.path}: function '{function.name}': {warning.message}", warning.category, stacklevel=2)


def _input_shape(network: Network, variable: Variable, dynamic: bool) -> Shape:
    first: Shape = (BATCH,) if dynamic else (_batch_size(network),)
    if variable.shape[:1] == (BATCH_AXIS,) or (dynamic and len(network.data) == 1 and variable.shape):
        return (*first, *variable.shape[1:])
    return variable.shape


def _batch_size(network: Network) -> int:
    """The batch size that the network was saved with."""
    first = next((shape[0] for name in network.data if (shape := network.variables[name].shape)), BATCH_AXIS)
    return first if first != BATCH_AXIS else max(network.batch_size, 1)


def _generated(op: GraphBuilder, variable: Variable, generator: Generator) -> Tensor:
    """One fixed draw, the same for every image: an explanation must not change from run to run."""
    shape = variable.shape
    batched = shape[:1] == (BATCH_AXIS,)
    drawn = (1, *shape[1:]) if batched else shape
    op.check_size("what is generated", drawn, np.float64)
    random = np.random.default_rng(0)
    match generator.type:
        case "Normal":
            values: np.ndarray[Any, Any] = random.standard_normal(drawn) * generator.multiplier
        case "Uniform":
            values = random.uniform(-generator.multiplier, generator.multiplier, drawn)
        case "Range":
            values = np.arange(prod(drawn)).reshape(drawn) * generator.multiplier
        case "Constant":
            values = np.full(drawn, generator.multiplier)
        case _:
            raise WhylightError(f"is filled by an unknown generator '{generator.type}'")
    constant = op.constant(values.astype(np.float32))
    if not batched:
        return op.Identity(constant)
    size = op.extent(op.inputs[0], 0)
    ones = op.constant([1] * (len(shape) - 1), np.int64)
    return op.with_shape(op.Expand(constant, op.Concat(size, ones, axis=0)), (op.inputs[0].shape[0], *shape[1:]))


def _runs_at_any_batch(model: onnx.ModelProto, network: Network) -> bool:
    """Whether the shapes agree at the network's own batch size, and at another one too."""
    saved = _batch_size(network)
    for size in (saved, saved + 1):
        expected = {name: _at_batch(network.variables[name].shape, saved, size) for name in network.outputs}
        if _output_shapes(model, size) != expected:
            return False
    return True


def _at_batch(shape: tuple[int, ...], saved: int, size: int) -> tuple[int, ...]:
    """A declared shape at another batch size than the saved one."""
    return (size if shape[0] in (saved, BATCH_AXIS) else shape[0], *shape[1:]) if shape else shape


def _output_shapes(model: onnx.ModelProto, batch_size: int) -> Mapping[str, Any]:
    """The output shapes with the batch axis set to a number, by the shape inference of the onnx package."""
    fixed = onnx.ModelProto()
    fixed.ir_version = model.ir_version
    fixed.opset_import.extend(model.opset_import)
    fixed.graph.node.extend(model.graph.node)
    fixed.graph.initializer.extend(model.graph.initializer)
    fixed.graph.output.extend(
        helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, None) for info in model.graph.output
    )
    for info in model.graph.input:
        tensor = info.type.tensor_type
        shape = [batch_size if extent.dim_param else extent.dim_value for extent in tensor.shape.dim]
        fixed.graph.input.append(helper.make_tensor_value_info(info.name, tensor.elem_type, shape))
    types = {info.name: info.type.tensor_type for info in infer_types(fixed)}
    return {info.name: tuple(extent.dim_value for extent in types[info.name].shape.dim) for info in model.graph.output}
