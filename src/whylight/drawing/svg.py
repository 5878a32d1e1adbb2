"""A page -> an SVG file: text stays text, pictures are inside."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import numpy as np

from whylight.drawing import fonts
from whylight.drawing.page import Bar, Line, Page, Picture, Text
from whylight.files.png import encoded_png

_FAMILIES = "Helvetica, Arial, sans-serif"


def encoded_svg(page: Page) -> bytes:
    """The content of an SVG file. Fonts are named, not inside: what shows it takes others for those that it lacks."""
    width, height = (_number(value) for value in page.size)
    root = ElementTree.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", width=width, height=height, viewBox=f"0 0 {width} {height}"
    )
    if page.title:
        ElementTree.SubElement(root, "title").text = page.title
    ElementTree.SubElement(root, "rect", width="100%", height="100%", fill="white")
    for item in sorted(page.items, key=lambda item: isinstance(item, Picture)):
        root.append(_element(item))
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


def _element(item: Text | Picture | Line | Bar) -> ElementTree.Element:
    match item:
        case Text():
            x, y = map(_number, item.at)
            element = ElementTree.Element(
                "text",
                {"x": x, "y": y, "font-size": _number(item.size), "font-family": _families(item.text)},
                fill=item.color,
            )
            if item.align != "start":
                element.set("text-anchor", item.align)
            if item.upright:
                element.set("transform", f"rotate(-90 {x} {y})")
            element.text = item.text
            return element
        case Picture():
            data = base64.b64encode(encoded_png(np.asarray(item.image.convert("RGB")))).decode()
            return ElementTree.Element(
                "image", _box(item.box), preserveAspectRatio="none", href=f"data:image/png;base64,{data}"
            )
        case Line():
            points = " ".join(f"{_number(x)},{_number(y)}" for x, y in item.points)
            line = {
                "points": points,
                "fill": "none",
                "stroke": item.color,
                "stroke-width": _number(item.thickness),
                "stroke-linejoin": "round",
            }
            if item.dashes:
                line["stroke-dasharray"] = " ".join(map(_number, item.dashes))
            return ElementTree.Element("polyline", line)
        case Bar():
            return ElementTree.Element("rect", _box(item.box), fill=item.color)


def _box(box: tuple[float, float, float, float]) -> dict[str, str]:
    return dict(zip(("x", "y", "width", "height"), map(_number, box), strict=True))


def _families(text: str) -> str:
    """The fonts of the text's characters, then what every machine has."""
    found = dict.fromkeys(face.family.replace("'", "") for face, _ in fonts.runs(text) if face.family)
    return ", ".join([*(f"'{family}'" for family in found), _FAMILIES])


def _number(value: float) -> str:
    return f"{value:.6g}"
