"""nnabla's category *Array Manipulation*."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from whylight.errors import WhylightError
from whylight.graph.builder import GraphBuilder
from whylight.graph.tensor import BATCH, Extent, Shape, Tensor
from whylight.reading.nnp.functions import function

_MOST_PARTS = 10_000
_NO_BOUND = 0x7FFFFFFF
"""What nnabla stores for an absent start, stop or step of a slice."""


def absolute_axes(x: Tensor, axes: Sequence[int]) -> list[int]:
    """``axes`` of ``x`` counted from the first.

    Raises:
        WhylightError: ``x`` has no such axis.
    """
    for axis in axes:
        if not -x.rank <= axis < x.rank:
            raise WhylightError(f"has no axis {axis}: its input is of shape {x.shape}")
    return [axis % x.rank for axis in axes]


def reshaped(op: GraphBuilder, x: Tensor, shape: Shape) -> Tensor:
    """``x`` in another shape of the same size, of which at most one extent is not a number."""
    target = [extent if isinstance(extent, int) else -1 for extent in shape]
    return op.with_shape(op.Reshape(x, target), shape)


@function("Concatenate")
def concatenate(op: GraphBuilder, *x: Tensor, axis: int) -> Tensor:
    """The inputs one after the other along ``axis``."""
    return op.Concat(*x, axis=axis)


@function("Split")
def split(op: GraphBuilder, x: Tensor, *, axis: int) -> tuple[Tensor, ...]:
    """One output for each index of ``axis``, without that axis."""
    (axis,) = absolute_axes(x, [axis])
    size = x.size(axis)
    if size > _MOST_PARTS:
        raise WhylightError(f"has {size} outputs, expected at most {_MOST_PARTS}")
    parts = op.node("Split", [x], size, axis=axis, num_outputs=size)
    return tuple(op.Squeeze(part, [axis]) for part in parts)


@function("Stack")
def stack(op: GraphBuilder, *x: Tensor, axis: int) -> Tensor:
    """The inputs one after the other along a new ``axis``."""
    return op.Concat(*(op.Unsqueeze(part, [axis]) for part in x), axis=axis)


@function("Slice")
def slice_(op: GraphBuilder, x: Tensor, *, start: Sequence[int], stop: Sequence[int], step: Sequence[int]) -> Tensor:
    """x[start:stop:step] of the last axes, read as Python reads a slice.

    A batch axis is taken whole where the file takes it from its first index on: the stop is then the batch size that
    the file was saved with.
    """
    if not len(start) == len(stop) == len(step) <= x.rank:
        raise WhylightError(
            f"has {len(start)} starts, {len(stop)} stops and {len(step)} steps, "
            f"expected as many of each and at most {x.rank}, the axes of its input"
        )
    cuts: list[tuple[int, int, int, int]] = []
    for axis, (begin, end, stride) in enumerate(zip(start, stop, step, strict=True), x.rank - len(start)):
        stride = 1 if stride == _NO_BOUND else stride
        begin = 0 if begin == _NO_BOUND and stride > 0 else begin
        end = -_NO_BOUND if end == _NO_BOUND and stride < 0 else end
        extent = x.shape[axis]
        if (begin, stride) == (0, 1) and end >= (extent if isinstance(extent, int) else 1):
            continue
        x.size(axis)
        cuts.append((begin, end, axis, stride))
    return op.Slice(x, *(list(column) for column in zip(*cuts, strict=True))) if cuts else x


@function("Pad")
def pad(op: GraphBuilder, x: Tensor, *, pad_width: Sequence[int], mode: str, constant_value: float) -> Tensor:
    """Elements before and after each of the last axes: ``pad_width`` is (before, after, before, after, ...).

    constant: ``constant_value``. repeat: the edge. reflect: mirrored at the edge's centre, as often as the width needs.
    """
    if len(pad_width) % 2 or len(pad_width) > 2 * x.rank:
        raise WhylightError(f"has {len(pad_width)} pad widths, expected two for each axis of shape {x.shape} at most")
    untouched = [0] * (x.rank - len(pad_width) // 2)
    before, after = [*untouched, *pad_width[0::2]], [*untouched, *pad_width[1::2]]
    if mode == "constant":
        return op.Pad(x, before + after, constant_value)
    if mode == "repeat":
        return op.Pad(x, before + after, mode="edge")
    if mode != "reflect":
        raise WhylightError(f"has the unknown mode '{mode}', expected constant, reflect or repeat")
    padded = [axis for axis in range(x.rank) if before[axis] or after[axis]]
    if all(max(before[axis], after[axis]) < x.size(axis) for axis in padded):
        return op.Pad(x, before + after, mode="reflect")
    for axis in padded:
        op.check_size("its indices", (before[axis] + x.size(axis) + after[axis],), np.int64)
        last = x.size(axis) - 1
        distance = abs(np.arange(-before[axis], x.size(axis) + after[axis])) % max(2 * last, 1)
        x = op.Gather(x, last - abs(last - distance), axis=axis)
    return x


@function("Transpose")
def transpose(op: GraphBuilder, x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The axes in the order ``axes``."""
    return op.Transpose(x, perm=absolute_axes(x, axes))


@function("Broadcast")
def broadcast(op: GraphBuilder, x: Tensor, *, shape: Sequence[int]) -> Tensor:
    """Axes of extent 1 repeated to fill ``shape``, in which -1 is the batch size; a batch axis stays as it is."""
    if len(shape) < x.rank:
        raise WhylightError(f"cannot broadcast its input of shape {x.shape} to {tuple(shape)}")
    sizes: list[int | Tensor] = []
    result: list[Extent] = []
    for extent, target in zip((1,) * (len(shape) - x.rank) + x.shape, shape, strict=True):
        if extent == 1 and target < 0:
            sizes.append(op.extent(op.inputs[0], 0))
            result.append(op.inputs[0].shape[0])
        elif isinstance(extent, int) and target >= 0:
            sizes.append(target)
            result.append(target)
        else:
            sizes.append(1)
            result.append(extent)
    return _expanded(op, x, sizes, tuple(result))


@function("BroadcastTo")
def broadcast_to(op: GraphBuilder, x: Tensor, y: Tensor, *, axis: int) -> Tensor:
    """``y`` repeated to the shape of ``x``: its axes are those of ``x`` from ``axis`` on, the last ones if negative."""
    missing = x.rank - y.rank - axis if axis >= 0 else 0
    if missing < 0:
        raise WhylightError(f"cannot broadcast its input of shape {y.shape} to {x.shape} from axis {axis} on")
    if missing:
        y = op.Unsqueeze(y, list(range(y.rank, y.rank + missing)))
    sizes = [extent if isinstance(extent, int) else op.extent(x, index) for index, extent in enumerate(x.shape)]
    return _expanded(op, y, sizes, x.shape)


def _expanded(op: GraphBuilder, x: Tensor, sizes: Sequence[int | Tensor], shape: Shape) -> Tensor:
    """``x`` broadcast to ``sizes``, some of which are known only when the graph runs; the result is of ``shape``."""
    if all(isinstance(size, int) for size in sizes):
        target = op.constant(sizes, np.int64)
    else:
        target = op.Concat(*(size if isinstance(size, Tensor) else [size] for size in sizes), axis=0)
    return op.with_shape(op.Expand(x, target), shape)


@function("Tile")
def tile(op: GraphBuilder, x: Tensor, *, reps: Sequence[int]) -> Tensor:
    """The input repeated ``reps`` times along its last axes; more counts than axes put new axes first."""
    if len(reps) > x.rank:
        x = op.Unsqueeze(x, list(range(len(reps) - x.rank)))
    counts = [1] * (x.rank - len(reps)) + list(reps)
    shape = tuple(
        extent * count if isinstance(extent, int) else extent if count == 1 else None
        for extent, count in zip(x.shape, counts, strict=True)
    )
    return op.with_shape(op.Tile(x, counts), shape)


@function("Flip")
def flip(op: GraphBuilder, x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """The axes ``axes`` backwards."""
    back = [-1] * len(axes)
    return op.with_shape(op.Slice(x, back, [-_NO_BOUND] * len(axes), absolute_axes(x, axes), back), x.shape)


@function("Reshape")
def reshape(op: GraphBuilder, x: Tensor, *, shape: Sequence[int]) -> Tensor:
    """The same elements in another shape; one extent may be -1, which is what the others leave.

    Where the input has a batch axis, the target must have one too, whatever number the file has there: the batch size
    it was saved with, or a multiple of that.

    Raises:
        WhylightError: the sizes differ, or no axis of the target can hold a batch of any size.
    """
    dynamic = [axis for axis, extent in enumerate(x.shape) if not isinstance(extent, int)]
    target: Shape | None = None
    if 0 not in (*x.shape, *shape) and sum(extent < 0 for extent in shape) <= 1:
        if not dynamic:
            target = _completed(shape, prod(_numbers(x.shape)))
        elif len(dynamic) == 1:
            target = min(_batched(x, dynamic[0], shape), default=(0, 0, None), key=lambda choice: choice[:2])[2]
    if target is None:
        raise WhylightError(f"cannot reshape its input of shape {x.shape} to {tuple(shape)}")
    return reshaped(op, x, target)


def _batched(x: Tensor, axis: int, shape: Sequence[int]) -> Iterator[tuple[bool, int, Shape]]:
    """What a target can mean where the extent of ``axis`` is not a number: (whether merged, axes moved, shape).

    Elements keep their order, so the products of the extents before and after the batch axis decide:

    - they are those of the input: the axis is the same;
    - those after it have taken up a factor of an unknown extent, a batch that was merged with them: it is the batch
      again;
    - they have lost a factor: the batch is merged with it, and its extent is unknown.
    """
    before, after = prod(_numbers(x.shape[:axis])), prod(_numbers(x.shape[axis + 1 :]))
    unknown = x.shape[axis] is None
    if min(shape, default=1) > 0 and prod(shape) % (before * after):
        return
    for batch in range(len(shape)):
        others: Sequence[int] = (*shape[:batch], 1, *shape[batch + 1 :])
        if min(others) < 0:
            # the file's number on this axis is the batch size, which the input has too: the rest can be completed
            completed = None if unknown else _completed(others, before * after)
            if completed is None:
                continue
            others = completed
        left, right = prod(others[:batch]), prod(others[batch + 1 :])
        extent: Extent = None
        merged = False
        if (left, right) == (before, after):
            extent = x.shape[axis]
        elif unknown and left == before and right % after == 0:
            extent = BATCH
        elif batch <= axis and before % left == 0 and after % right == 0:
            merged = True
        else:
            continue
        yield merged, abs(batch - axis), (*others[:batch], extent, *others[batch + 1 :])


def _completed(shape: Sequence[int], size: int) -> tuple[int, ...] | None:
    """``shape`` with a number for -1 so that it holds ``size`` elements, or None where it cannot."""
    completed = tuple(extent if extent > 0 else size // abs(prod(shape)) for extent in shape)
    return completed if prod(completed) == size else None


def _numbers(shape: Shape) -> list[int]:
    return [extent for extent in shape if isinstance(extent, int)]
