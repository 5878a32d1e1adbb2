"""Draw what imports what: the folders of ``src/whylight`` and the modules beside them, read from the source.

python docs/make_architecture.py [--output docs/pictures/architecture.png]

An arrow that others imply is left out: where a imports b and b imports c, none leads from a to c. Imports for a type
checker alone do not count.
"""

import argparse
import ast
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "whylight"
OUTPUT = ROOT / "docs" / "pictures" / "architecture.png"

SCALE = 2
"""Drawn at twice the size and made smaller: lines are smooth."""
BOX, GAP, ROW = (112, 34), 26, 74
MARGIN = 24
LEGEND = 36
INK, LINE = "#222222", "#8a8f99"
FOLDER, MODULE, RUNS = "#dce6f5", "#f3f3f3", "#d8efd9"

Imports = Mapping[str, set[str]]


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports, also inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node)


def parts() -> dict[str, set[str]]:
    """Each part, a folder or a module, and the parts that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if part.startswith("__"):
            continue
        names = [name.split(".") for name in imported(ast.parse(path.read_text(encoding="utf-8")))]
        known = found.setdefault(part, set())
        known |= {name[1] for name in names if name[0] == "whylight" and len(name) > 1} - {part}
    return {part: below & found.keys() for part, below in found.items()}


def reachable(imports: Imports, part: str) -> set[str]:
    """All that a part imports, directly or through others."""
    return imports[part].union(*(reachable(imports, below) for below in imports[part]))


def reduced(imports: Imports) -> dict[str, set[str]]:
    """Without the arrows that others imply."""
    return {part: below - set().union(*(reachable(imports, each) for each in below)) for part, below in imports.items()}


def height(imports: Imports, part: str) -> int:
    """The row of a part, from the ground up: one above the highest that it imports."""
    return 1 + max((height(imports, below) for below in imports[part]), default=-1)


def rows(imports: Imports) -> tuple[list[list[str]], list[list[str]]]:
    """The rows from the top, and the way of each arrow.

    A way names a part, a place in each row that it passes (``a>b@row``), and a part.
    """
    at = {part: height(imports, part) for part in imports}
    levels: list[list[str]] = [[] for _ in range(max(at.values()) + 1)]
    for part in imports:
        levels[at[part]].append(part)
    ways = []
    for part, below in imports.items():
        for other in sorted(below):
            between = range(at[part] - 1, at[other], -1)
            passed = [f"{part}>{other}@{row}" for row in between]
            for row, name in zip(between, passed, strict=True):
                levels[row].append(name)
            ways.append([part, *passed, other])
    return levels[::-1], ways


def width_of(name: str) -> int:
    """In pixels: a box, or a lane for a line."""
    return 14 if ">" in name else BOX[0]


def placed(levels: list[list[str]], ways: list[list[str]]) -> dict[str, float]:
    """The middle of each box and place along its row, in an order that lets few lines cross."""
    links: dict[str, list[str]] = {name: [] for level in levels for name in level}
    for way in ways:
        for one, other in pairwise(way):
            links[one].append(other)
            links[other].append(one)
    middle: dict[str, float] = {}
    for level in levels:
        spread(level, dict.fromkeys(level, 0.0), middle)
    for turn in range(200):
        for level in levels if turn % 2 else levels[::-1]:
            wanted = {n: sum(middle[o] for o in links[n]) / len(links[n]) if links[n] else middle[n] for n in level}
            spread(sorted(level, key=lambda name: wanted[name]), wanted, middle)
    return middle


def spread(level: list[str], wanted: Mapping[str, float], middle: dict[str, float]) -> None:
    """Put a row's names, in this order, as near to where they want to be as their widths allow."""
    groups: list[tuple[list[str], float]] = []  # names that touch, and the left end of the first
    for name in level:
        names, left = [name], wanted[name] - width_of(name) / 2
        while groups and groups[-1][1] + extent(groups[-1][0]) + GAP > left:
            before, at = groups.pop()
            moved = (left - extent(before) - GAP) * len(names) + at * len(before)
            names = before + names
            left = moved / len(names)
        groups.append((names, left))
    for names, left in groups:
        x = left
        for name in names:
            middle[name] = x + width_of(name) / 2
            x += width_of(name) + GAP


def extent(names: list[str]) -> int:
    """The width of names beside each other."""
    return sum(width_of(name) for name in names) + GAP * (len(names) - 1)


def arrow(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]]) -> None:
    """A line through points, with a head at the last."""
    draw.line([(x * SCALE, y * SCALE) for x, y in points], LINE, 3, joint="curve")
    (x0, y0), (x, y) = points[-2:]
    length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
    dx, dy = (x - x0) / length * 8, (y - y0) / length * 8
    head = [(x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)]
    draw.polygon([(a * SCALE, b * SCALE) for a, b in head], LINE)


def drawn(imports: Imports, runs: set[str]) -> Image.Image:
    """The picture; ``runs`` are the parts that a compiled explainer needs when it runs."""
    levels, ways = rows(reduced(imports))
    middle = placed(levels, ways)
    left = min(x - width_of(name) / 2 for name, x in middle.items()) - MARGIN
    right = max(x + width_of(name) / 2 for name, x in middle.items()) + MARGIN
    size = round(right - left), 2 * MARGIN + len(levels) * ROW - (ROW - BOX[1]) + LEGEND
    picture = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(14 * SCALE)
    top = {name: MARGIN + row * ROW for row, level in enumerate(levels) for name in level}
    for way in ways:
        points = [(middle[way[0]] - left, top[way[0]] + BOX[1])]
        for name in way[1:-1]:
            x = middle[name] - left
            points += [(x, top[name] - 4), (x, top[name] + BOX[1] + 4)]
        arrow(draw, [*points, (middle[way[-1]] - left, top[way[-1]] - 2)])

    def box(x: float, y: float, width: float, text: str, color: str) -> None:
        corners = [c * SCALE for c in (x, y, x + width, y + BOX[1])]
        draw.rounded_rectangle(corners, 6 * SCALE, color, INK, SCALE)
        draw.text(((x + width / 2) * SCALE, (y + BOX[1] / 2) * SCALE), text, INK, font, "mm")

    for part in imports:
        folder = (SOURCE / part).is_dir()
        color = RUNS if part in runs else FOLDER if folder else MODULE
        box(middle[part] - left - BOX[0] / 2, top[part], BOX[0], part + "/" * folder, color)
    x, y = float(MARGIN), size[1] - MARGIN - 14
    for color, text in (
        (RUNS, "runs without onnx, protobuf, h5py"),
        (FOLDER, "another folder"),
        (MODULE, "another module"),
    ):
        draw.rounded_rectangle([c * SCALE for c in (x, y, x + 22, y + 14)], 3 * SCALE, color, INK, SCALE)
        draw.text(((x + 30) * SCALE, (y + 7) * SCALE), text, INK, font, "lm")
        x += 30 + draw.textlength(text, font) / SCALE + 28
    return picture.resize(size, Image.Resampling.LANCZOS)


def main() -> None:
    """Read the source and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output: Path = parser.parse_args().output
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    sources = next(each["source_modules"] for each in contracts if each["type"] == "forbidden")
    drawn(parts(), {name.split(".")[1] for name in sources if name.count(".") == 1}).quantize(64).save(
        output, optimize=True
    )


if __name__ == "__main__":
    main()
