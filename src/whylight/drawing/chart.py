"""Small charts: bars with error bars, and lines, in a grid with one legend."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whylight.drawing.fonts import width
from whylight.drawing.page import GRAY, INK, PALE, Page, cut, cut_inside
from whylight.files.marks import CHART, signed

Values = NDArray[np.float64]

_WIDTH, _COLUMNS = 360, 3
_MARGIN = 14
_LINES_HEIGHT, _TALL = 240, 400
_MANY = 10
"""Lines from which on a panel is higher."""
_BAR, _GAP = 16, 6
_TITLE = 30
_NAME_WIDTH = 130
_ROW = 20
_POSITION_SPACE = 110
"""The longest name that is written upright below a position."""
_ENTRY = 14
"""The height of an entry of a list of names."""
_SMALL, _TEXT, _HEADING = 10, 11, 13
_COLORS = (
    "#1f5fbf", "#e8700a", "#1f9e3f", "#c2182b", "#7a3db8", "#7a4a1e", "#e058b0", "#9aa000", "#17b0c4", "#3c3c3c",
)  # fmt: skip
_DASHES: tuple[tuple[float, ...], ...] = ((), (9, 4), (2.5, 2.5), (10, 3, 2, 3))
_SEPARATORS = "/.@:"


@dataclass(frozen=True)
class Style:
    """How the line of a name is drawn; forty names have different ones."""

    color: str
    dashes: tuple[float, ...]

    @classmethod
    def of(cls, number: int) -> Style:
        """The style of a name by its number: colors first, then strokes."""
        return cls(_COLORS[number % len(_COLORS)], _DASHES[number // len(_COLORS) % len(_DASHES)])


_OTHER = Style(GRAY, ())


@dataclass(frozen=True)
class Bars:
    """One bar a name, with its standard error."""

    title: str
    names: Sequence[str]
    values: Sequence[float]
    errors: Sequence[float] = ()

    @property
    def height(self) -> int:
        """In pixels."""
        return _TITLE + len(self.names) * (_BAR + _GAP) + _MARGIN


@dataclass(frozen=True)
class Positions:
    """What stands below the positions 0, 1, ... of a panel, and where that is but a number, what it stands for.

    Attributes:
        ticks: the text at each position.
        prefix: what the names have in common and is left out.
        entries: the names that numbers stand for, in their order; none where the names themselves stand there.
    """

    ticks: Sequence[str] = ()
    prefix: str = ""
    entries: Sequence[str] = ()

    @classmethod
    def of(cls, names: Sequence[str]) -> Positions:
        """Names without what they have in common; numbers where one is still too long."""
        prefix = _common_beginning(names)
        own = [name.removeprefix(prefix) for name in names]
        if all(width(name, _SMALL) <= _POSITION_SPACE for name in own):
            return cls(own, prefix)
        return cls([str(number + 1) for number in range(len(own))], prefix, own)

    @property
    def height(self) -> float:
        """In pixels, below the axis, more than numbers take."""
        upright = max((width(tick, _SMALL) for tick in self.ticks), default=0) if not self.entries else 0
        return upright + len(self.entries) * _ENTRY


@dataclass(frozen=True)
class Lines:
    """One line a name, of positions and values.

    Attributes:
        names_at_positions: what stands below the positions 0, 1, ... in place of numbers.
        low: the lower end of the scale, at most.
        high: the upper end, at least.
    """

    title: str
    y_label: str
    curves: Mapping[str, tuple[Values, Values]]
    x_label: str = ""
    names_at_positions: Sequence[str] = field(default=())
    low: float = 0.0
    high: float = 0.0

    @property
    def height(self) -> float:
        """In pixels."""
        return self.plot_height + Positions.of(self.names_at_positions).height

    @property
    def plot_height(self) -> int:
        """Of title, plot and one line below it, in pixels."""
        return _TALL if len(self.curves) > _MANY else _LINES_HEIGHT


Panel = Bars | Lines


def chart(panels: Sequence[Panel], names: Sequence[str]) -> Page:
    """Panels from left to right and downwards; a name has one color, and one kind of line, in all of them."""
    styles = {name: Style.of(number) for number, name in enumerate(names)}
    columns = _columns(len(panels))
    bars = [panel for panel in panels if isinstance(panel, Bars)]
    lines = [panel for panel in panels if isinstance(panel, Lines)]
    groups: tuple[Sequence[Panel], ...] = (bars, lines)
    rows = [group[start : start + columns] for group in groups for start in range(0, len(group), columns)]
    heights = [max(panel.height for panel in row) + _MARGIN for row in rows]
    legend_height = _legend_rows(names, columns) * _ROW if lines else 0
    titles = "; ".join(panel.title for panel in panels)
    page = Page((columns * _WIDTH + _MARGIN, sum(heights) + legend_height + 2 * _MARGIN), signed(titles, CHART))
    y: float = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            left = _MARGIN + column * _WIDTH
            if isinstance(panel, Bars):
                _draw_bars(page, panel, styles, left, y)
            else:
                _draw_lines(page, panel, styles, left, y)
        y += height
    if lines:
        _draw_legend(page, styles, columns, y)
    return page


def _columns(count: int) -> int:
    """As many as fill their rows."""
    return 2 if count == 2 * 2 else min(_COLUMNS, count)


def _draw_bars(page: Page, panel: Bars, styles: Mapping[str, Style], left: float, top: float) -> None:
    page.text((left, top), cut(panel.title, _WIDTH - _MARGIN, _HEADING), _HEADING)
    errors = [0 if math.isnan(error) else error for error in panel.errors] or [0.0] * len(panel.values)
    ends = [0.0, *(v + e for v, e in zip(panel.values, errors, strict=True) if not math.isnan(v))]
    lows = [0.0, *(v - e for v, e in zip(panel.values, errors, strict=True) if not math.isnan(v) and v < 0)]
    low, high = min(lows), max(*ends, 1e-9)
    start, space = left + _NAME_WIDTH, _WIDTH - _NAME_WIDTH - 75

    def x_of(value: float) -> float:
        return start + space * (value - low) / (high - low)

    for index, (name, value, error) in enumerate(zip(panel.names, panel.values, errors, strict=True)):
        y = top + _TITLE + index * (_BAR + _GAP)
        middle = y + _BAR / 2
        page.text((start - 8, middle), cut_inside(name, _NAME_WIDTH - 10, _TEXT), align="end", level="middle")
        if math.isnan(value):
            page.text((start + 4, middle), "-", color=GRAY, level="middle")
            continue
        first, last = sorted((x_of(0), x_of(value)))
        page.bar((first, y, last - first, _BAR), styles.get(name, _OTHER).color)
        if error:
            page.line([(x_of(max(value - error, low)), middle), (x_of(value + error), middle)], INK, 1.5)
        page.text((max(x_of(value + error), x_of(0)) + 6, middle), _number(value), color=GRAY, level="middle")
    page.line([(x_of(0), top + _TITLE - 3), (x_of(0), top + panel.height - _MARGIN)])


def _draw_lines(page: Page, panel: Lines, styles: Mapping[str, Style], left: float, top: float) -> None:
    page.text((left, top), cut(panel.title, _WIDTH - _MARGIN, _HEADING), _HEADING)
    page.text((left, top + 18), cut(panel.y_label, _WIDTH - _MARGIN, _SMALL), _SMALL, color=GRAY)
    x0, x1, y0, y1 = left + 38, left + _WIDTH - 24, top + 38, top + panel.plot_height - 34
    values = np.concatenate([values for _, values in panel.curves.values()])
    positions = np.concatenate([positions for positions, _ in panel.curves.values()])
    low, high = min(panel.low, float(np.nanmin(values))), max(panel.high, float(np.nanmax(values)))
    first, last = float(positions.min()), float(positions.max())
    ticks = _ticks(low, high if high > low else low + 1)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def at(position: float, value: float) -> tuple[float, float]:
        across = (position - first) / (last - first) if last > first else 0.5
        return x0 + (x1 - x0) * across, y1 - (y1 - y0) * (value - low) / (high - low)

    for tick in ticks:
        y = at(first, tick)[1]
        page.line([(x0, y), (x1, y)], GRAY if tick == 0 else PALE)
        page.text((x0 - 6, y), f"{tick:g}", _SMALL, align="end", color=GRAY, level="middle")
    if panel.names_at_positions:
        _draw_positions(page, Positions.of(panel.names_at_positions), [at(i, low)[0] for i in range(round(last) + 1)],
                        (x0, y1 + 6))  # fmt: skip
    else:
        for position in (tick for tick in _ticks(first, last) if first <= tick <= last):
            page.text((at(position, low)[0], y1 + 5), f"{position:g}", _SMALL, align="middle", color=GRAY)
        page.text(((x0 + x1) / 2, y1 + 18), panel.x_label, _SMALL, align="middle", color=GRAY)
    for name, (places, heights) in panel.curves.items():
        points = [at(*pair) for pair in zip(places, heights, strict=True) if not math.isnan(pair[1])]
        style = styles.get(name, _OTHER)
        page.line(points, style.color, 2, style.dashes)


def _draw_positions(page: Page, positions: Positions, places: Sequence[float], at: tuple[float, float]) -> None:
    """Names below their positions, or numbers there and the names in a list below."""
    left, top = at
    for place, tick in zip(places, positions.ticks, strict=True):
        if positions.entries:
            page.text((place, top), tick, _SMALL, align="middle")
        else:
            page.text((place, top), tick, _SMALL, align="end", level="middle", upright=True)
    below = top + _ENTRY if positions.entries else top + positions.height + 4
    if positions.prefix:
        page.text((left, below), cut_inside(f"in {positions.prefix}", _WIDTH - 60, _SMALL), _SMALL, color=GRAY)
        below += _ENTRY
    for tick, name in zip(positions.ticks, positions.entries, strict=False):
        page.text((left + 12, below), tick, _SMALL, align="end", color=GRAY)
        page.text((left + 20, below), cut_inside(name, _WIDTH - 80, _SMALL), _SMALL)
        below += _ENTRY


def _common_beginning(names: Sequence[str]) -> str:
    """What all names with parts begin with, up to a separator."""
    parted = [name for name in names if any(separator in name for separator in _SEPARATORS)]
    shared = os.path.commonprefix(parted) if len(parted) > 1 else ""  # noqa: RUF071  # by characters, as meant
    return shared[: max(map(shared.rfind, _SEPARATORS)) + 1]


def _legend_rows(names: Sequence[str], columns: int) -> int:
    return -(-len(names) // (columns * 2))


def _draw_legend(page: Page, styles: Mapping[str, Style], columns: int, top: float) -> None:
    for index, (name, style) in enumerate(styles.items()):
        row, column = divmod(index, columns * 2)
        x, y = _MARGIN + column * _WIDTH / 2, top + row * _ROW + 6
        page.line([(x, y), (x + 34, y)], style.color, 3, style.dashes)
        page.text((x + 40, y), cut_inside(name, _WIDTH / 2 - 52, _TEXT), level="middle")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, about five."""
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= raw * 0.999)
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(start, stop + 1)]


def _number(value: float) -> str:
    return f"{value:.3f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.2g}"
