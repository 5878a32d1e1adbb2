"""How each nnabla function is written in ONNX.

One module a category of nnabla's function list; one definition a function::

    @function("ELU")
    def elu(op: GraphBuilder, x: Tensor, *, alpha: float) -> Tensor:
        return op.Elu(x, alpha=alpha)

A conversion takes the graph builder, the function's inputs in nnabla's order (optional ones default to None), and
those of its arguments, by nnabla's names as keywords, that matter at inference. It returns the output, or a tuple
of the outputs. CONTRIBUTING.md describes how to add one.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, TypeVar

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import MOST_AXES, Tensor
from whylight.registry import Registry, origin_of

Conversion = Callable[..., Tensor | tuple[Tensor, ...]]
_AnyConversion = TypeVar("_AnyConversion", bound=Conversion)

_CATEGORIES = (
    "activation",
    "arithmetic",
    "array_manipulation",
    "math",
    "neural_network_layer",
    "normalization",
    "quantization",
    "reduction",
    "signal_processing",
    "stochasticity",
)
_CONVERSIONS = Registry[Conversion](
    "conversion of the function", [f"{__name__}.{category}" for category in _CATEGORIES], "whylight.functions"
)


def function(name: str) -> Callable[[_AnyConversion], _AnyConversion]:
    """Register the conversion of the nnabla function ``name``.

    Raises:
        WhylightError: it has another one.
    """

    def register(conversion: _AnyConversion) -> _AnyConversion:
        _CONVERSIONS.add(name, conversion, origin_of(conversion))
        return conversion

    return register


def supported_functions() -> Mapping[str, Conversion]:
    """All conversions by the name of their function."""
    return _CONVERSIONS


def convert_function(
    op: GraphBuilder, kind: str, inputs: list[Tensor], arguments: dict[str, Any]
) -> tuple[Tensor, ...]:
    """Write one function into the graph.

    Raises:
        WhylightError: the number of inputs is not the function's, or shapes or arguments contradict it.
    """
    conversion = supported_functions()[kind]
    parameters = signature(conversion).parameters.values()
    named = {p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY}
    positional = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD][1:]
    variadic = any(p.kind is Parameter.VAR_POSITIONAL for p in parameters)
    least = sum(p.default is Parameter.empty for p in positional)
    if len(inputs) < least or (len(inputs) > len(positional) and not variadic):
        expected = str(least) if least == len(positional) else f"{least} to {len(positional)}"
        raise WhylightError(f"has {len(inputs)} inputs, expected {'at least ' + str(least) if variadic else expected}")
    given = {name: value for name, value in arguments.items() if name in named}
    for name in named:
        _check_argument(name, given.get(name))
    outputs = conversion(op, *inputs, **given)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _check_argument(name: str, value: Any) -> None:
    """See that an argument is one that nnabla can have: its own are 32-bit numbers, and lists of a few for each axis.

    What is computed of larger ones no longer fits into the 64 bits of ONNX's shapes.
    """
    if value is None:
        raise WhylightError(f"has no argument '{name}'")
    values = value if isinstance(value, tuple) else (value,)
    if len(values) > 2 * MOST_AXES:
        raise WhylightError(f"{name} has {len(values)} values, expected at most {2 * MOST_AXES}")
    large = [each for each in values if isinstance(each, int) and not -(2**31) <= each < 2**31]
    if large:
        raise WhylightError(f"{name} is {large[0]}, expected a number of 32 bits")
