"""What an axis of a tensor may stand for, and what a Reshape makes of it.

An axis is made of parts. A Reshape cuts axes into parts and joins neighbors: 24 rows become 12 x 2, columns are cut
alike, the axes are transposed, the 12 x 12 parts that run along the image join with the batch, and the 2 x 2 within
them are windows. Where the parts are put together again as they were, the axis stands for what it stood for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

from whylight.graph.tensor import Extent

BATCH_AXIS = "batch"
CHANNELS = "channels"


@dataclass(frozen=True)
class Positions:
    """An axis along the image: rows, columns, or tokens in row-major order.

    Attributes:
        dimensions: which of the image's spatial axes it holds, outermost first: (0,) rows, (1,) columns, (0, 1) both.
        extents: the number of positions along each.
        before: how many entries come before the first position: a class token and its like.
        after: how many come after the last.
        parts: what a Reshape left of an axis: every second position, say, so that it can be put together again.
    """

    dimensions: tuple[int, ...]
    extents: tuple[int, ...]
    before: int = 0
    after: int = 0
    parts: tuple[_Part, ...] = field(default=(), compare=False, repr=False)

    @property
    def size(self) -> int:
        """The number of entries along the axis."""
        return self.before + prod(self.extents) + self.after


@dataclass(frozen=True)
class _Run:
    """Every ``step``-th of the ``whole`` positions along one of the image's spatial axes, some of them or all."""

    dimension: int
    step: int
    whole: int


@dataclass(frozen=True)
class _Part:
    role: Role | _Run
    size: Extent

    @property
    def is_whole(self) -> bool:
        """Whether it runs from one end of the image to the other."""
        return isinstance(self.role, _Run) and self.size == self.role.whole // self.role.step

    @property
    def is_within(self) -> bool:
        """Whether it runs through a window alone, such as that of a patch whose places become channels."""
        return isinstance(self.role, _Run) and not self.is_whole

    def cut(self, outer: int) -> tuple[_Part, _Part]:
        """The part as two, of which the first has so many entries."""
        assert isinstance(self.size, int)
        inner = self.size // outer
        if isinstance(self.role, _Run):
            return _Part(replace(self.role, step=self.role.step * inner), outer), _Part(self.role, inner)
        role = self.role if self.role == CHANNELS else None
        return _Part(role, outer), _Part(role, inner)


@dataclass(frozen=True)
class Merged:
    """An axis of several parts that are not one thing: the windows of all images, a group's channels and places."""

    parts: tuple[_Part, ...]

    def fits(self, extent: Extent) -> bool:
        """Whether an axis of that extent may have these parts."""
        return _product(self.parts) == _amount(extent)


Role = str | Positions | Merged | None
Roles = tuple[Role, ...]


def regrouped(roles: Sequence[Role], before: Sequence[Extent], after: Sequence[Extent]) -> Roles:
    """The roles behind a Reshape.

    Args:
        roles: of the axes before.
        before: their extents.
        after: the extents that they get.
    """
    parts = [part for role, extent in zip(roles, before, strict=True) for part in _parts(role, extent)]
    found: list[Role] = []
    for extent in after:
        taken = _taken(parts, extent)
        if taken is None:
            return _from_both_ends(roles, before, after)
        found.append(_role(taken))
    return tuple(found)


def _parts(role: Role, extent: Extent) -> tuple[_Part, ...]:
    if isinstance(role, Merged):
        return role.parts
    if isinstance(role, Positions) and role.parts and _product(role.parts) == _amount(extent):
        return role.parts
    if isinstance(role, Positions) and not role.before + role.after:
        pairs = zip(role.dimensions, role.extents, strict=True)
        return tuple(_Part(_Run(dimension, 1, size), size) for dimension, size in pairs)
    return (_Part(role, extent),)


def _taken(parts: list[_Part], extent: Extent) -> list[_Part] | None:
    """The first parts that together have an extent, taken from the list; the last of them may be cut."""
    wanted = _amount(extent)
    if wanted == (1, "") and parts and parts[0].size == 1:
        return [parts.pop(0)]
    taken: list[_Part] = []
    while (held := _product(taken)) != wanted:
        if not parts or held is None or wanted is None:
            return None
        part = parts.pop(0)
        together = _product([*taken, part])
        if together and together[1] in ("", wanted[1]) and wanted[0] % together[0] == 0:
            taken.append(part)
            continue
        missing = wanted[0] // held[0]
        if held[1] != wanted[1] or not isinstance(part.size, int) or part.size % missing:
            return None
        outer, inner = part.cut(missing)
        taken.append(outer)
        parts.insert(0, inner)
    return taken


def _role(parts: Sequence[_Part]) -> Role:
    """What an axis stands for that has these parts."""
    runs = [part for part in parts if isinstance(part.role, _Run)]
    if any(part.size != 1 for part in runs):
        parts = [part for part in parts if part.size != 1 or part.role == BATCH_AXIS or isinstance(part.role, _Run)]
    else:
        parts = [part for part in parts if part.size != 1 or part.role == BATCH_AXIS] or parts[:1]
    roles = [part.role for part in parts]
    if len(parts) == 1 and not isinstance(roles[0], _Run):
        return roles[0]
    if parts and len(runs) == len(parts):
        joined = _joined(parts)
        if all(part.is_whole for part in joined):
            return Positions(
                tuple(part.role.dimension for part in joined if isinstance(part.role, _Run)),
                tuple(part.size for part in joined if isinstance(part.size, int)),
                parts=tuple(joined),
            )
    if CHANNELS in roles and all(
        part.role in (CHANNELS, None) or (part in runs and not part.is_whole) for part in parts
    ):
        return CHANNELS
    return Merged(tuple(parts)) if any(role is not None for role in roles) else None


def _joined(runs: Sequence[_Part]) -> list[_Part]:
    """Runs along one axis of the image, of which one steps over just what the next has, are one."""
    joined: list[_Part] = []
    for part in runs:
        last = joined[-1] if joined else None
        if last and isinstance(last.role, _Run) and isinstance(part.role, _Run) and isinstance(part.size, int):
            assert isinstance(last.size, int)
            if last.role.dimension == part.role.dimension and last.role.step == part.role.step * part.size:
                joined[-1] = _Part(part.role, last.size * part.size)
                continue
        joined.append(part)
    return joined


def _amount(extent: Extent) -> tuple[int, str] | None:
    """An extent as a number and a symbol: 36N as (36, "N")."""
    if isinstance(extent, int):
        return extent, ""
    found = re.fullmatch(r"(\d*)([A-Za-z_]\w*)", extent or "")
    return (int(found[1] or 1), found[2]) if found else None


def _product(parts: Sequence[_Part]) -> tuple[int, str] | None:
    amounts = [_amount(part.size) for part in parts]
    known = [amount for amount in amounts if amount is not None]
    symbols = [symbol for _, symbol in known if symbol]
    if len(known) < len(amounts) or len(symbols) > 1:
        return None
    return prod(number for number, _ in known), "".join(symbols)


def _from_both_ends(roles: Sequence[Role], before: Sequence[Extent], after: Sequence[Extent]) -> Roles:
    """Of the first axes and of the last ones as far as their extents stay; nothing of those between."""
    found: list[Role] = [None] * len(after)
    first = 0
    while first < min(len(before), len(after)) and before[first] == after[first]:
        found[first] = roles[first]
        first += 1
    for back in range(1, min(len(before), len(after)) - first + 1):
        if before[-back] != after[-back]:
            break
        found[-back] = roles[-back]
    return tuple(found)
