"""What the axes of each tensor stand for, followed from the image through the graph.

The image's axes are known: batch, channels, height, width. An operator hands them on: Transpose moves them, Reshape
merges height and width into tokens or splits them again, Concat puts a class token before them, element-wise operators
keep what either operand says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper

from whylight.graph.tensor import Extent, Tensor
from whylight.reading.onnx_model.roles import BATCH_AXIS, CHANNELS, Merged, Positions, Role, Roles, regrouped


def axis_roles(
    nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, Tensor], image: str, roles: Roles
) -> dict[str, Roles]:
    """The roles of the axes of every tensor that is made of the image's values.

    An axis that has several entries an image, such as crops or windows, is no batch axis.
    """
    batch = (tensors[image].shape[0], None, "?")
    known: dict[str, Roles] = {image: roles}
    for node in nodes:
        inputs = [name for name in node.input if name in known]
        if not inputs or node.output[0] not in tensors or node.op_type in ("Shape", "Size"):
            continue
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        rule = _RULES.get(node.op_type, _kept)
        for name in node.output:
            if name in tensors:
                found = rule(_Step(node, attributes, tensors, known, name))
                known[name] = _checked(found, tensors[name], batch)
    return known


@dataclass(frozen=True)
class _Step:
    node: onnx.NodeProto
    attributes: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    known: Mapping[str, Roles]
    name: str

    @property
    def output(self) -> Tensor:
        return self.tensors[self.name]

    @property
    def dimensions(self) -> int:
        """Of the image: 2 of a picture."""
        return sum(isinstance(role, Positions) for role in next(iter(self.known.values())))

    @property
    def nothing(self) -> Roles:
        return (None,) * self.output.rank

    def roles(self, index: int) -> Roles:
        """Of one input; all None for one that does not depend on the image."""
        name = self.node.input[index]
        return self.known.get(name, (None,) * self.tensors[name].rank)

    def shape(self, index: int) -> tuple[Extent, ...]:
        return self.tensors[self.node.input[index]].shape

    def axes(self, index: int) -> list[int]:
        """The axes an operator works on: an attribute or a constant input."""
        if "axes" in self.attributes:
            return list(self.attributes["axes"])
        if len(self.node.input) > index and self.node.input[index]:
            value = self.tensors[self.node.input[index]].value
            return [] if value is None else [int(axis) for axis in value.reshape(-1)]
        return []


def _checked(roles: Roles, tensor: Tensor, batch: Sequence[Extent]) -> Roles:
    """The roles that the tensor's shape bears out."""
    if len(roles) != tensor.rank:
        return (None,) * tensor.rank
    return tuple(_borne_out(role, extent, batch) for role, extent in zip(roles, tensor.shape, strict=True))


def _borne_out(role: Role, extent: Extent, batch: Sequence[Extent]) -> Role:
    if isinstance(role, Positions):
        return _fitting(role, extent)
    if isinstance(role, Merged):
        return role if role.fits(extent) else None
    return role if role != BATCH_AXIS or extent in batch else None


def _fitting(role: Positions, extent: Extent) -> Role:
    if not isinstance(extent, int):
        return None
    if role.size == extent:
        return role
    # a convolution or a pooling: as many positions as the axis has now
    return replace(role, extents=(extent,)) if len(role.extents) == 1 and not role.before + role.after else None


def _kept(step: _Step) -> Roles:
    """Element-wise, with broadcasting: what any operand says."""
    merged: list[Role] = list(step.nothing)
    for index, name in enumerate(step.node.input):
        if name not in step.known:
            continue
        roles, shape = step.roles(index), step.shape(index)
        offset = len(merged) - len(roles)
        if offset < 0:
            return step.nothing
        for axis, (role, extent) in enumerate(zip(roles, shape, strict=True), start=offset):
            same = extent == step.output.shape[axis]
            if merged[axis] is None and role is not None and same:
                merged[axis] = role
    return tuple(merged)


def _windowed(step: _Step) -> Roles:
    """Convolutions and poolings: (N, C, positions...)."""
    before = step.roles(0)
    spatial: list[Role] = []
    for number, role in enumerate(before[2:]):
        extent = step.output.shape[2 + number]
        if isinstance(role, Positions) and isinstance(extent, int) and len(role.extents) == 1:
            spatial.append(Positions(role.dimensions, (extent,)))
        elif (
            step.output.rank == 2 + step.dimensions
            and isinstance(extent, int)
            and not any(isinstance(r, Positions) for r in before)
        ):
            spatial.append(Positions((number,), (extent,)))
        else:
            spatial.append(None)
    return (BATCH_AXIS, CHANNELS, *spatial)


def _transposed(step: _Step) -> Roles:
    roles = step.roles(0)
    order = step.attributes.get("perm") or range(len(roles))[::-1]
    return tuple(roles[axis] for axis in order)


def _reshaped(step: _Step) -> Roles:
    if step.node.input[0] not in step.known:
        return step.nothing
    roles, before, after = step.roles(0), step.shape(0), step.output.shape
    if any(isinstance(role, Positions) and extent == 1 for role, extent in zip(roles, before, strict=True)):
        return regrouped(roles, before, after)
    # axes of one entry that are no places may be put in and taken out anywhere
    kept = [axis for axis, extent in enumerate(before) if extent != 1 or not axis]
    placed = [axis for axis, extent in enumerate(after) if extent != 1 or not axis]
    found: list[Role] = [None] * len(after)
    moved = regrouped([roles[i] for i in kept], [before[i] for i in kept], [after[i] for i in placed])
    for axis, role in zip(placed, moved, strict=True):
        found[axis] = role
    if CHANNELS in roles and roles.index(CHANNELS) not in kept and len(placed) < len(after):
        found[next(axis for axis in range(len(after)) if axis not in placed)] = CHANNELS
    return tuple(found)


def _product(step: _Step, other: int = 1) -> Roles:
    """A matrix product: with weights it changes the last axis (or, weights first, the last but one)."""
    first, second = (step.node.input[index] in step.known for index in (0, other))
    if first and second:
        rows, columns = step.roles(0), step.roles(other)
        if len(rows) < 2 or len(columns) < 2:
            return step.nothing
        batches: list[Role] = [None] * (step.output.rank - 2)
        for roles in (rows, columns):
            for axis, role in enumerate(roles[:-2], start=len(batches) - len(roles) + 2):
                batches[axis] = batches[axis] or role
        return (*batches, rows[-2], columns[-1])
    if first:
        roles = step.roles(0)
        return (*roles[:-1], CHANNELS if roles[-1] in (CHANNELS, None) and len(roles) > 1 else None)
    roles = step.roles(other)
    return (*roles[:-2], None, *roles[-1:])


def _of_rows(step: _Step) -> Roles:
    """Gemm: one row for each row."""
    rows = step.roles(0)[1 if step.attributes.get("transA") else 0]
    return (rows, CHANNELS if step.node.input[1] not in step.known else None)


def _summed(step: _Step) -> Roles:
    """Einsum: an index means the same wherever it stands; one that the weights alone have is of channels."""
    text = step.attributes["equation"]
    terms, _, result = (text.decode() if isinstance(text, bytes) else text).replace(" ", "").partition("->")
    if "." in terms or not result:
        return step.nothing
    found: dict[str, Role] = {}
    for place, term in enumerate(terms.split(",")):
        if step.node.input[place] in step.known:
            found.update({letter: role for letter, role in zip(term, step.roles(place), strict=True) if role})
    known = set("".join(t for t, name in zip(terms.split(","), step.node.input, strict=True) if name in step.known))
    return tuple(found.get(letter) if letter in known else CHANNELS for letter in result)


def _joined(step: _Step) -> Roles:
    rank = step.output.rank
    axis = int(step.attributes["axis"]) % rank
    roles = list(_kept(step))
    roles[axis] = None
    parts = [(step.shape(i)[axis], step.roles(i)[axis]) for i in range(len(step.node.input))]
    places = [i for i, (_, role) in enumerate(parts) if isinstance(role, Positions)]
    if all(role == CHANNELS for _, role in parts):
        roles[axis] = CHANNELS
    if len(places) == 1 and all(isinstance(extent, int) for extent, _ in parts):
        extents = [int(extent) for extent, _ in parts if isinstance(extent, int)]
        role = parts[places[0]][1]
        assert isinstance(role, Positions)
        before, after = sum(extents[: places[0]]), sum(extents[places[0] + 1 :])
        if len(role.extents) > 1 and before + after < prod(role.extents):
            roles[axis] = replace(role, before=role.before + before, after=role.after + after)
    return tuple(roles)


def _sliced(step: _Step) -> Roles:
    roles, shape = list(step.roles(0)), step.shape(0)
    operands = [step.tensors[name].value if name else None for name in step.node.input[1:]]
    if operands[0] is None or operands[1] is None:
        return _kept(step)
    axes = operands[2] if len(operands) > 2 and operands[2] is not None else range(len(operands[0]))
    steps = operands[3] if len(operands) > 3 and operands[3] is not None else [1] * len(operands[0])
    for axis, start, end, stride in zip(axes, operands[0], operands[1], steps, strict=True):
        role, extent = roles[int(axis)], shape[int(axis)]
        if isinstance(role, Positions) and isinstance(extent, int):
            first, last, _ = slice(int(start), int(end), int(stride)).indices(extent)
            roles[int(axis)] = _cut(role, first, last) if stride == 1 else _strided(role, step, int(axis), int(stride))
    return tuple(roles)


def _strided(role: Positions, step: _Step, axis: int, stride: int) -> Role:
    """Every so many entries of an axis; one that is turned round no longer runs along the image."""
    if stride < 0:
        return None
    extent = step.output.shape[axis]
    return Positions(role.dimensions, (extent,)) if len(role.extents) == 1 and isinstance(extent, int) else None


def _cut(role: Positions, first: int, last: int) -> Role:
    """The entries from ``first`` to ``last`` of an axis."""
    end = role.before + prod(role.extents)
    if first <= role.before and last >= end:
        return replace(role, before=role.before - first, after=last - end)
    return Positions(role.dimensions, (last - first,)) if len(role.extents) == 1 and not role.before else None


def _split(step: _Step) -> Roles:
    roles, axis = list(step.roles(0)), int(step.attributes.get("axis", 0))
    role = roles[axis]
    if isinstance(role, Positions):
        sizes = [step.tensors[name].shape[axis] for name in step.node.output]
        start = sum(int(s) for s in sizes[: list(step.node.output).index(step.name)] if isinstance(s, int))
        size = step.output.shape[axis]
        roles[axis] = _cut(role, start, start + size) if isinstance(size, int) else None
    return tuple(roles)


def _gathered(step: _Step) -> Roles:
    roles, axis = list(step.roles(0)), int(step.attributes.get("axis", 0))
    axis %= max(len(roles), 1)
    picked = step.tensors[step.node.input[1]]
    found = _unfolded(roles[axis], step.shape(0)[axis], picked) or [None] * picked.rank
    return (*roles[:axis], *found, *roles[axis + 1 :])


def _unfolded(role: Role, extent: Extent, picked: Tensor) -> Sequence[Role] | None:
    """Of windows that a matrix of indices cuts from an axis along the image, as exporters write im2col."""
    if picked.value is None or picked.rank != 2 or min(picked.value.shape) < 2 or not isinstance(role, Positions):
        return None
    steps = [int(picked.value[1, 0] - picked.value[0, 0]), int(picked.value[0, 1] - picked.value[0, 0])]
    counts = picked.value.shape
    regular = picked.value[0, 0] + steps[0] * np.arange(counts[0])[:, None] + steps[1] * np.arange(counts[1])
    along = max((0, 1), key=lambda axis: (steps[axis], counts[axis]))
    if not np.array_equal(picked.value, regular) or steps[1 - along] != 1 or len(role.extents) > 1:
        return None
    windows, within = counts[along], counts[1 - along]
    found: Sequence[Role] = (replace(role, extents=(windows,), parts=()), None)
    if steps[along] == within and windows * within == extent:  # a Reshape would say the same
        found = regrouped([role], [extent], [windows, within])
    return found if along == 0 else found[::-1]


def _squeezed(step: _Step) -> Roles:
    roles, shape = step.roles(0), step.shape(0)
    axes = {axis % len(roles) for axis in step.axes(1)} or {i for i, extent in enumerate(shape) if extent == 1}
    return tuple(role for axis, role in enumerate(roles) if axis not in axes)


def _unsqueezed(step: _Step) -> Roles:
    rank = step.output.rank
    axes = {axis % rank for axis in step.axes(1)}
    rest = iter(step.roles(0))
    return tuple(None if axis in axes else next(rest, None) for axis in range(rank))


def _reduced(step: _Step) -> Roles:
    roles = step.roles(0)
    axes = {axis % len(roles) for axis in step.axes(1)} or set(range(len(roles)))
    if step.attributes.get("keepdims", 1):
        return tuple(None if axis in axes else role for axis, role in enumerate(roles))
    return tuple(role for axis, role in enumerate(roles) if axis not in axes)


def _none(step: _Step) -> Roles:
    return step.nothing


_Rule = Callable[[_Step], Roles]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool"), _windowed),
    **dict.fromkeys(("GlobalMaxPool", "Resize", "Upsample", "ConvInteger", "QLinearConv"), _windowed),
    **dict.fromkeys(("Reshape", "Flatten"), _reshaped),
    **dict.fromkeys(("NonZero", "TopK", "ArgMax", "Loop", "Scan", "If"), _none),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"), _reduced),
    "Transpose": _transposed,
    **dict.fromkeys(("MatMul", "MatMulInteger"), _product),
    "QLinearMatMul": partial(_product, other=3),
    "Gemm": _of_rows,
    "Einsum": _summed,
    "Concat": _joined,
    "Slice": _sliced,
    "Split": _split,
    "Gather": _gathered,
    "Squeeze": _squeezed,
    "Unsqueeze": _unsqueezed,
}
