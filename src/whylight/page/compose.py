"""A page of its parts: templates, style and modules, all inside it, so that it opens from the disk too."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_IMPORT = re.compile(r'^import (?:\{\s*\w+(?:,\s*\w+)*,?\s*\} from )?"\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)
_NAMED = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)

templates = Environment(
    loader=PackageLoader("whylight.page", ""),
    autoescape=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
templates.policies["json.dumps_kwargs"] = {"separators": (",", ":")}


def parts(entry: str) -> dict[str, Any]:
    """What a page's template takes: its style, its script, and their hashes for the Content-Security-Policy.

    Args:
        entry: the name of the page's module, such as ``report``.
    """
    style, script = _source("page.css") + _source("panel.css"), joined(entry)
    return {
        "style": Markup(style),  # our own text
        "style_hash": _hash(style),
        "script": Markup(script),
        "script_hash": _hash(script),
    }


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def joined(entry: str) -> str:
    """A module and all that it imports as one, each once and behind what it imports.

    Modules of a page that lies on the disk cannot import others. All names at the top of modules are therefore
    different ones; names are imported and exported where they are declared, and not renamed.

    Raises:
        ValueError: a module imports or exports otherwise, modules import each other in a circle, or two name the same.
    """
    found: dict[str, str] = {}
    _join(entry, found, ())
    owners: dict[str, str] = {}
    for module, text in found.items():
        for name in _NAMED.findall(text):
            if (owner := owners.setdefault(name, module)) != module:
                raise ValueError(f"{module}.js: '{name}' is {owner}.js's, too")
    return "".join(found.values())


def _join(name: str, found: dict[str, str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules in a circle: {' -> '.join((*above, name))}")
    if name in found:
        return
    source = _source(f"{name}.js")
    for needed in _IMPORT.findall(source):
        _join(needed, found, (*above, name))
    text = _EXPORT.sub("", _IMPORT.sub("", source))
    if left := _LEFT.search(text):
        raise ValueError(f"{name}.js: '{left[0]}': expected names in braces from a module beside it")
    found[name] = text


def _source(name: str) -> str:
    return files("whylight.page").joinpath(name).read_text("utf-8")
