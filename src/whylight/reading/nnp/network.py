"""The network that an executor runs, as plain data: repeats expanded, functions in the order they run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, cast

from google.protobuf.descriptor import FieldDescriptor

from whylight.errors import WhylightError
from whylight.files.budget import check_memory
from whylight.reading.nnp.schema import message_class

BATCH_AXIS = -1
"""In a declared shape: the axis that takes the batch size."""

_MOST_LOOPS = 32
"""Around one function."""
_MOST_FUNCTIONS = 20_000
"""With all of their repeats: more take minutes to convert."""
_MOST_VARIABLES = 200_000
_SIZE_OF_COPY = 500
_SIZE_OF_NAMES = 8
"""Bytes of memory of one repeat of a variable or function, and of each byte of its names."""

_SHAPED_AS_THEIR_OUTPUT = ("Reshape", "Broadcast")
"""Functions whose ``shape`` argument is not to be trusted: the Console leaves the batch axis out of it, and others
bake the batch size in. The shape of the output variable has the batch axis marked."""


@dataclass(frozen=True)
class Variable:
    """A variable of the network; ``shape`` has -1 on the batch axis (files with a fixed batch have none)."""

    name: str
    shape: tuple[int, ...]
    is_parameter: bool


@dataclass(frozen=True)
class Function:
    """One application of a nnabla function; ``arguments`` by the names of nnabla's own documentation."""

    name: str
    type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Generator:
    """A variable that nnabla fills at run time from a random generator (Normal, Uniform, Range or Constant)."""

    type: str
    multiplier: float


@dataclass(frozen=True)
class Network:
    """What an executor runs.

    Attributes:
        path: the model file, for messages.
        name: the network's name.
        executor: the executor's name.
        names: the names of all networks of the file.
        batch_size: the batch size the network was saved with (0 where the file does not say).
        variables: by name, all that the functions use.
        functions: those that the outputs depend on, in an order in which they can run.
        data: the data variables: name in the network -> name in the dataset.
        generators: the generated variables, by name.
        outputs: the output variables: name in the network -> name in the dataset.
        image_normalization: whether pixels are divided by 255.
    """

    path: Path
    name: str
    executor: str
    names: tuple[str, ...]
    batch_size: int
    variables: dict[str, Variable]
    functions: tuple[Function, ...]
    data: dict[str, str]
    generators: dict[str, Generator]
    outputs: dict[str, str]
    image_normalization: bool


def executor_network(proto: Any, path: Path) -> Network:
    """The network of the file's first executor, pruned to what its outputs need.

    Args:
        proto: a NNablaProtoBuf message.
        path: its file, for messages.

    Raises:
        WhylightError: there is no executor, or it names things that the file does not have.
    """
    names = tuple(network.name for network in proto.network)
    if not proto.executor:
        raise WhylightError(
            f"{path}: has no executor, which says what to run (networks: {', '.join(names)}); "
            "save it for inference, as the Console does in results.nnp"
        )
    executor = proto.executor[0]
    network = next((network for network in proto.network if network.name == executor.network_name), None)
    if network is None:
        raise WhylightError(
            f"{path}: executor '{executor.name}' runs network '{executor.network_name}', which is not in the file "
            f"(networks: {', '.join(names)})"
        )
    variables, functions = _Expansion(network, path).expand()
    outputs = {variable.variable_name: _data_name(variable) for variable in executor.output_variable}
    if not outputs:
        raise WhylightError(f"{path}: executor '{executor.name}' names no output variable")
    data = {variable.variable_name: _data_name(variable) for variable in executor.data_variable}
    generators = {
        variable.variable_name: Generator(variable.type, variable.multiplier)
        for variable in executor.generator_variable
    }
    for name in (*outputs, *data, *generators):
        if name not in variables:
            raise WhylightError(
                f"{path}: executor '{executor.name}' names variable '{name}', which '{network.name}' lacks"
            )
    return Network(
        path=path,
        name=network.name,
        executor=executor.name,
        names=names,
        batch_size=max(network.batch_size, 0),
        variables=variables,
        functions=_in_running_order(functions, outputs, path),
        data=data,
        generators=generators,
        outputs=outputs,
        image_normalization=not executor.no_image_normalization,
    )


def _data_name(variable: Any) -> str:
    return str(variable.data_name or variable.variable_name)


class _Expansion:
    """Copies of everything inside repeats and recurrent loops, named as nnabla names them.

    A variable or function inside the loop ``R`` is copied once a pass; copy t of ``v`` is ``v_R[t]``, or, where its
    name says where the index belongs (``bn{R}/mean``), ``bn[t]/mean``. What carries values between passes
    (RepeatStart, RepeatEnd, Delay) becomes Identity, RecurrentInput becomes Split, RecurrentOutput becomes Stack.
    """

    def __init__(self, network: Any, path: Path) -> None:
        self._network = network
        self._path = path
        self._times: dict[str, int] = {info.id: info.times for info in network.repeat_info}
        self._variables: dict[str, Variable] = {}

    def expand(self) -> tuple[dict[str, Variable], list[Function]]:
        self._count(self._network.variable, "variables", _MOST_VARIABLES)
        self._count(self._network.function, "functions", _MOST_FUNCTIONS)
        for variable in self._network.variable:
            shape = tuple(extent if extent > 0 else BATCH_AXIS for extent in variable.shape.dim)
            for indices in self._passes(variable):
                name = variable.name
                for loop, index in zip(variable.repeat_id, indices, strict=True):
                    place = f"{{{loop}}}"
                    name = name.replace(place, f"[{index}]") if place in name else f"{name}_{loop}[{index}]"
                self._variables[name] = Variable(name, shape, variable.type == "Parameter")
        return self._variables, [function for message in self._network.function for function in self._copies(message)]

    def _turns(self, message: Any, loop: str) -> int:
        """How often a loop is run that a message names."""
        if loop not in self._times:
            raise WhylightError(f"{self._path}: '{message.name}' is inside the loop '{loop}', which the network lacks")
        if self._times[loop] < 1:
            raise WhylightError(f"{self._path}: loop '{loop}' is run {self._times[loop]} times, expected 1 or more")
        return self._times[loop]

    def _count(self, messages: Any, what: str, most: int) -> None:
        """See that the copies of all messages are not too many, and within the budget, before any is made."""
        count = size = 0
        for message in messages:
            if len(message.repeat_id) > _MOST_LOOPS:
                loops = f"{len(message.repeat_id)} loops, expected at most {_MOST_LOOPS}"
                raise WhylightError(f"{self._path}: '{message.name}' is inside {loops}")
            copies = prod(self._turns(message, loop) for loop in message.repeat_id)
            passes = self._gathered(message) if what == "functions" else 0
            count += copies
            size += copies * (_SIZE_OF_COPY + _SIZE_OF_NAMES * message.ByteSize()) * (1 + passes)
        source = f"{self._path}: network '{self._network.name}'"
        if count > most:
            raise WhylightError(f"{source}: has {count} {what}, all repeats counted; expected at most {most}")
        check_memory(source, f"all of its {what} with their repeats", size)

    def _gathered(self, message: Any) -> int:
        """How many passes of a loop a function reads or writes at once."""
        if message.type == "RecurrentInput":
            return self._turns(message, message.recurrent_param.repeat_id)
        return max(message.recurrent_param.length, 0) if message.type == "RecurrentOutput" else 0

    def _passes(self, message: Any) -> Iterator[tuple[int, ...]]:
        times = [self._turns(message, loop) for loop in message.repeat_id]
        return product(*map(range, times))

    def _copies(self, message: Any) -> Iterator[Function]:
        kind, loops = message.type, list(message.repeat_id)
        for indices in self._passes(message):
            suffix = _suffix(loops, indices)
            outer = _suffix(loops[:-1], indices[:-1])
            inputs, outputs = list(message.input), list(message.output)
            expected = {"RepeatStart": 2, "RepeatEnd": 1, "RecurrentInput": 1, "RecurrentOutput": 1, "Delay": 2}
            if len(inputs) != expected.get(kind, len(inputs)):
                raise WhylightError(
                    f"{self._path}: {kind} '{message.name}' has {len(inputs)} inputs, expected {expected[kind]}"
                )
            if not outputs:
                raise WhylightError(f"{self._path}: function '{message.name}' ({kind}) has no output")
            if kind in ("RepeatStart", "Delay", "RecurrentInput") and not loops:
                raise WhylightError(f"{self._path}: {kind} '{message.name}' is in no loop")
            copy = Function(message.name + suffix, "Identity", (), (), {})
            match kind:
                case "RepeatStart" | "Delay":
                    loop = (
                        message.repeat_param.repeat_id if kind == "RepeatStart" else message.recurrent_param.repeat_id
                    )
                    first, carried = inputs if kind == "RepeatStart" else reversed(inputs)
                    if indices[-1] == 0:
                        sources = [self._known(first, first + outer)]
                    else:
                        sources = [f"{carried}{outer}_{loop}[{indices[-1] - 1}]"]
                case "RepeatEnd":
                    loop = message.repeat_param.repeat_id
                    last = self._times.get(loop, message.repeat_param.times) - 1
                    sources = [f"{inputs[0]}{suffix}_{loop}[{last}]"]
                case "RecurrentInput":
                    if indices[-1] > 0:
                        continue
                    loop, axis = message.recurrent_param.repeat_id, message.recurrent_param.axis
                    sources = [self._known(inputs[0], inputs[0] + outer)]
                    copy = replace(copy, name=message.name + outer, type="Split", arguments={"axis": axis})
                    outputs = [f"{outputs[0]}{outer}_{loop}[{index}]" for index in range(self._turns(message, loop))]
                case "RecurrentOutput":
                    loop, axis = message.recurrent_param.repeat_id, message.recurrent_param.axis
                    times = message.recurrent_param.length
                    sources = [f"{inputs[0]}{suffix}_{loop}[{index}]" for index in range(times)]
                    copy = replace(copy, type="Stack", arguments={"axis": axis})
                case _:
                    sources = [self._indexed(name, loops, indices, suffix, outer) for name in inputs]
                    copy = replace(copy, type=kind, arguments=_arguments(message, self._path))
            if kind != "RecurrentInput":
                outputs = [self._known(name + suffix, name) for name in outputs]
            if kind in _SHAPED_AS_THEIR_OUTPUT and outputs and outputs[0] in self._variables:
                copy.arguments["shape"] = self._variables[outputs[0]].shape or copy.arguments["shape"]
            for name in (*sources, *outputs):
                if name not in self._variables:
                    raise WhylightError(
                        f"{self._path}: function '{copy.name}' ({kind}) uses variable '{name}', which the network lacks"
                    )
            yield replace(copy, inputs=tuple(sources), outputs=tuple(outputs))

    def _indexed(self, name: str, loops: Sequence[str], indices: Sequence[int], suffix: str, outer: str) -> str:
        for loop, index in zip(loops, indices, strict=True):
            name = name.replace(f"{{{loop}}}", f"[{index}]")
        return self._known(name, name + suffix, name + outer)

    def _known(self, *candidates: str) -> str:
        return next((name for name in candidates if name in self._variables), candidates[-1])


def _suffix(loops: Sequence[str], indices: Sequence[int]) -> str:
    return "".join(f"_{loop}[{index}]" for loop, index in zip(loops, indices, strict=True))


def _arguments(message: Any, path: Path) -> dict[str, Any]:
    """The function's arguments; those the file leaves out are protobuf's zero values, as nnabla reads them."""
    field = message.WhichOneof("parameter")
    if field:
        parameter = getattr(message, field)
        if parameter.DESCRIPTOR.name != f"{message.type}Parameter":
            raise WhylightError(
                f"{path}: function '{message.name}' ({message.type}) has the arguments of another one, {field}"
            )
    else:
        try:
            parameter = message_class(f"{message.type}Parameter")()
        except KeyError:
            return {}
    return {
        field.name: _argument(field, getattr(parameter, field.name))
        for field in cast(list[FieldDescriptor], parameter.DESCRIPTOR.fields)
    }


def _argument(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None and field.message_type.name == "Shape":
        return tuple(value.dim)
    if isinstance(value, bool | int | float | str):
        return value
    return tuple(value) if not hasattr(value, "DESCRIPTOR") else None


def _in_running_order(functions: Sequence[Function], outputs: dict[str, str], path: Path) -> tuple[Function, ...]:
    """Those functions the outputs need, each after those it reads; otherwise in the file's order."""
    producers = {name: index for index, function in enumerate(functions) for name in function.outputs}
    needed: set[int] = set()
    pending = [producers[name] for name in outputs if name in producers]
    while pending:
        index = pending.pop()
        if index not in needed:
            needed.add(index)
            pending.extend(producers[name] for name in functions[index].inputs if name in producers)
    waiting = {index: {producers[name] for name in functions[index].inputs if name in producers} for index in needed}
    readers: dict[int, list[int]] = {}
    for index, sources in waiting.items():
        for source in sources:
            readers.setdefault(source, []).append(index)
    ready = [index for index, sources in waiting.items() if not sources]
    heapify(ready)
    order: list[Function] = []
    while ready:
        index = heappop(ready)
        order.append(functions[index])
        for reader in readers.get(index, []):
            waiting[reader].discard(index)
            if not waiting[reader]:
                heappush(ready, reader)
    if len(order) != len(needed):
        stuck = next(functions[index].name for index in sorted(needed) if waiting[index])
        raise WhylightError(f"{path}: the network has a cycle through function '{stuck}'")
    return tuple(order)
