"""Derivatives: a graph and two tensors in -> the derivative of one by the other, appended to the graph as plain ONNX.

Reverse mode by source transformation: one walk backwards over the nodes between the tensors to differentiate by and
the result, one rule an operator. A rule reads like the formula::

    @rule("Tanh")
    def tanh(op: GraphBuilder, node: ForwardNode, grad: Tensor) -> Tensor:
        return op.Mul(grad, op.Sub(1.0, op.Mul(node.output, node.output)))

The rules are in one module a kind of operator; ``rule.py`` says what a rule takes and returns.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import reduce
from inspect import Parameter, signature

import numpy as np
import onnx

from whylight.errors import WhylightError
from whylight.gradient.broadcast import reduced_to, zeros_like
from whylight.gradient.rule import ForwardNode, Gradient, Rule, forward_node
from whylight.gradient.rule import rules as registered_rules
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import Tensor
from whylight.graph.walks import dependent_nodes, needed_nodes, read_names

_DEFAULT_DOMAINS = ("", "ai.onnx")
_ROUNDING = {
    *("QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"),
}
_NAMED = 3


def gradient(
    op: GraphBuilder, of: Tensor, seed: Tensor, wrt: Sequence[Tensor], rules: Mapping[str, Rule] | None = None
) -> list[Tensor]:
    """Append to the graph the derivative of sum(of * seed) with respect to each tensor of ``wrt``.

    Each is a total derivative, with that tensor taken as a free input. The nodes between the tensors and ``of`` are
    read, not changed.

    Args:
        op: the graph.
        of: the tensor to differentiate.
        seed: the weight of each of its elements, in its shape: one-hot (N, K) for a class score in (N, K).
        wrt: the tensors to differentiate by.
        rules: rules to take in place of the derivative of some operators, by the operator's name; they are written
            like those registered with `rule`.

    Returns:
        One gradient for each tensor of ``wrt``, in its shape; zero where only comparisons, signs and integers lead
        from it to ``of``.

    Raises:
        WhylightError: ``of`` does not depend on one of the tensors, operators between them have no rule, or they round
            what they compute to few bits.
    """
    _refuse_independent(op, of, wrt)
    _refuse_rounded(op, of, wrt)
    differentiable = _differentiable(op, wrt)
    path = _path(op, of, differentiable)
    chosen = _chosen_rules(path, rules or {})
    collected: dict[str, list[Tensor]] = {of.name: [seed]}

    def total(name: str) -> Tensor | None:
        """The gradient of one tensor, once all nodes that read it have been visited."""
        if len(collected.get(name, ())) > 1:
            collected[name] = [reduce(op.Add, collected[name])]
        return collected[name][0] if name in collected else None

    for proto in path:
        with op.scope(f"gradient/{proto.name or proto.output[0]}"):
            grads = [total(name) for name in proto.output]
            if not any(grads):
                continue
            node = forward_node(op, proto)
            results = _rule_results(op, node, chosen[node.operator], grads)
            for tensor, result in zip(node.inputs, results, strict=False):
                if tensor and tensor.name in differentiable and result:
                    grad = result() if callable(result) else result
                    collected.setdefault(tensor.name, []).append(_fitted(op, grad, tensor, node))
    with op.scope("gradient"):
        return [total(tensor.name) or zeros_like(op, tensor) for tensor in wrt]


def _refuse_independent(op: GraphBuilder, of: Tensor, wrt: Iterable[Tensor]) -> None:
    for tensor in wrt:
        dependent = dependent_nodes(op.nodes, tensor.name)
        if tensor.name != of.name and not any(of.name in node.output for node in dependent):
            raise WhylightError(f"'{of.name}' does not depend on '{tensor.name}'")


def _refuse_rounded(op: GraphBuilder, of: Tensor, wrt: Iterable[Tensor]) -> None:
    """Refuse a derivative through quantized activations: by the rules above it would be zero."""
    leading = needed_nodes(op.nodes, [of.name])
    found: dict[str, None] = {}
    for tensor in wrt:
        rounding = (node for node in dependent_nodes(leading, tensor.name) if node.op_type in _ROUNDING)
        found |= dict.fromkeys(f"{node.op_type} '{node.name or node.output[0]}'" for node in rounding)
    if found:
        some = ", ".join(list(found)[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")
        raise WhylightError(
            f"the model cannot be differentiated: it is quantized ({some}), and rounded values have no derivative; "
            "explain it by a method that takes none, such as score-cam, ablation-cam, recipro-cam, eigencam, occlusion "
            "or rise, or explain the float network that it was made from"
        )


def _differentiable(op: GraphBuilder, wrt: Iterable[Tensor]) -> set[str]:
    """The names of ``wrt`` and of all tensors that depend on it through floating-point tensors."""
    names = {tensor.name for tensor in wrt}
    for node in op.nodes:
        if names & read_names(node):
            names.update(name for name in node.output if name and _is_floating(op.tensors[name]))
    return names


def _path(op: GraphBuilder, of: Tensor, differentiable: Set[str]) -> list[onnx.NodeProto]:
    """The nodes that lead through differentiable tensors to ``of``, the last one first."""
    leading = {of.name}
    path = []
    for node in reversed(op.nodes):
        read = differentiable & read_names(node)
        if read and leading.intersection(node.output):
            path.append(node)
            leading.update(read)
    return path


def _chosen_rules(path: Sequence[onnx.NodeProto], own: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rules of the operators on the path, each from ``own`` where it is there."""
    chosen: dict[str, Rule] = {}
    missing: dict[str, list[str]] = {}
    for node in reversed(path):
        rule = own.get(node.op_type) or registered_rules().get(node.op_type)
        if rule is not None and node.domain in _DEFAULT_DOMAINS:
            chosen[node.op_type] = rule
        else:
            missing.setdefault(node.op_type, []).append(f"'{node.name or node.output[0]}'")
    if missing:
        listed = "; ".join(f"{operator} ({', '.join(names)})" for operator, names in sorted(missing.items()))
        raise WhylightError(f"the model cannot be differentiated, these operators have no derivative rule: {listed}")
    return chosen


def _rule_results(
    op: GraphBuilder, node: ForwardNode, function: Rule, grads: list[Tensor | None]
) -> tuple[Gradient, ...]:
    """What the node's rule returns, with one entry for each input."""
    if not _takes_all_outputs(function):
        if any(grads[1:]):
            raise WhylightError(f"'{node.name}': only the first output of {node.operator} has a derivative rule")
        grads = grads[:1]
    results = function(op, node, *grads)
    return results if isinstance(results, tuple) else (results,)


def _takes_all_outputs(function: Rule) -> bool:
    return any(p.kind is Parameter.VAR_POSITIONAL for p in signature(function).parameters.values())


def _fitted(op: GraphBuilder, grad: Tensor, tensor: Tensor, node: ForwardNode) -> Tensor:
    """``grad`` summed to the shape of ``tensor``, with the sizes known that shape inference lost."""
    grad = reduced_to(op, grad, tensor)
    for own, expected in zip(grad.shape, tensor.shape, strict=True):
        if isinstance(own, int) and isinstance(expected, int) and own != expected:
            raise WhylightError(
                f"'{node.name}': the derivative of {node.operator} has shape {grad.shape}, expected {tensor.shape}"
            )
    return grad if grad.shape == tensor.shape else op.with_shape(grad, tensor.shape)


def _is_floating(tensor: Tensor) -> bool:
    return np.issubdtype(tensor.dtype, np.floating)
