"""Pages: text, pictures and lines, each at its place, of which a picture, an SVG or a PDF is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

from whylight.drawing.fonts import printable, width

Point = tuple[float, float]
Align = Literal["start", "middle", "end"]

INK, GRAY, PALE = "#222222", "#777777", "#dddddd"
_ABOVE = 0.8
"""What of a line of text is above its base line, in shares of its size: the same in all fonts."""
_HALF_A_CAPITAL = 0.36


@dataclass(frozen=True)
class Text:
    """A line of text.

    Attributes:
        at: where its base line begins, has its middle, or ends, as ``align`` says.
        text: what it says.
        size: of its font, in pixels.
        align: which end of it ``at`` is.
        color: of the text.
        upright: it is read from below to above.
    """

    at: Point
    text: str
    size: float
    align: Align
    color: str
    upright: bool


@dataclass(frozen=True)
class Picture:
    """A picture, stretched over a box: left, top, width, height."""

    box: tuple[float, float, float, float]
    image: Image.Image


@dataclass(frozen=True)
class Line:
    """A line through points; ``dashes`` are the lengths of strokes and gaps by turns, none for a whole line."""

    points: Sequence[Point]
    color: str
    thickness: float
    dashes: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """A box filled with a color: left, top, width, height."""

    box: tuple[float, float, float, float]
    color: str


Item = Text | Picture | Line | Bar


@dataclass
class Page:
    """Items on white. All numbers are pixels of a screen, 96 an inch, from the left and from above.

    Attributes:
        size: width and height.
        title: what it shows, in one line, for those who read the file and not the picture.
        items: what is on it; pictures lie above all else.
    """

    size: tuple[float, float]
    title: str = ""
    items: list[Item] = field(default_factory=list)

    def text(
        self,
        at: Point,
        text: str,
        size: float = 11,
        *,
        align: Align = "start",
        color: str = INK,
        level: Literal["top", "middle", "base"] = "top",
        upright: bool = False,
    ) -> None:
        """Add a line of text whose top, middle or base line is at a height (of upright text: across it)."""
        below = {"top": _ABOVE, "middle": _HALF_A_CAPITAL, "base": 0}[level] * size
        base = (at[0] + below, at[1]) if upright else (at[0], at[1] + below)
        self.items.append(Text(base, printable(text), size, align, color, upright))

    def picture(self, box: tuple[float, float, float, float], image: Image.Image) -> None:
        """Add a picture."""
        self.items.append(Picture(box, image))

    def line(
        self, points: Sequence[Point], color: str = INK, thickness: float = 1, dashes: Sequence[float] = ()
    ) -> None:
        """Add a line; without points there is none."""
        if not points:
            return
        self.items.append(Line(points, color, thickness, dashes))

    def bar(self, box: tuple[float, float, float, float], color: str) -> None:
        """Add a filled box."""
        self.items.append(Bar(box, color))

    @property
    def texts(self) -> list[str]:
        """All that is written on it."""
        return [item.text for item in self.items if isinstance(item, Text)]


def cut(text: str, space: float, size: float = 11) -> str:
    """The text, its end cut off where it is wider than the space."""
    if width(text, size) <= space:
        return text
    while text and width(f"{text}...", size) > space:
        text = text[:-1]
    return f"{text.rstrip()}..."


def cut_inside(text: str, space: float, size: float = 11) -> str:
    """The text, its middle left out where it is wider than the space: of names that differ at their ends."""
    if width(text, size) <= space:
        return text
    kept = len(text) - 1
    while kept and width(_without_middle(text, kept), size) > space:
        kept -= 1
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    first = kept // 3
    return f"{text[:first]}...{text[len(text) - (kept - first) :]}"


def wrapped(text: str, space: float, size: float = 11) -> list[str]:
    """The text in lines of a width, broken between words, and inside of what is longer than a line."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer, size) <= space:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for character in word:
            if lines[-1] and width(lines[-1] + character, size) > space:
                lines.append("")
            lines[-1] += character
    return lines
