"""Pages: the app's own, the documentation of its calls, and the reports in the folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import HTMLResponse

from whylight import api
from whylight.app.safety import COOKIE
from whylight.errors import WhylightError
from whylight.files.marks import PAGE, kind_of
from whylight.page import compose

if TYPE_CHECKING:
    from whylight.app.folder import Folder

_NOTHING_ELSE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


def app_page(folder: str, token: str | None) -> Response:
    """The app's page. Nothing but its own script runs in it, and it asks nobody but this server."""
    parts = compose.parts("app")
    page = HTMLResponse(compose.templates.get_template("app.html").render(name=folder or "/", **parts))
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'sha256-{parts['script_hash']}'; style-src 'sha256-{parts['style_hash']}'; "
        f"img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; {_NOTHING_ELSE}"
    )
    page.headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
    page.headers["Cache-Control"] = "no-store"
    if token is not None:
        page.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return page


def report(folder: Folder, name: str) -> Response:
    """A file of a report in the folder: its page, in which whylight's own script alone runs, and pictures.

    Raises:
        WhylightError: it is neither.
    """
    path = folder.file(name)
    suffix = path.suffix.lower()
    if suffix in _PICTURES:
        return Response(path.read_bytes(), media_type=_PICTURES[suffix])
    if suffix not in (".html", ".htm") or kind_of(path) != PAGE:
        raise WhylightError(f"{name}: no page of 'whylight report'")
    parts = compose.parts("report")
    policy = (
        f"default-src 'none'; script-src 'sha256-{parts['script_hash']}'; style-src 'sha256-{parts['style_hash']}'; "
        f"img-src 'self' data:; {_NOTHING_ELSE}"
    )
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": policy})


def quoted(name: str) -> str:
    """A path of the folder in an address."""
    return quote(name)


@cache
def colormaps() -> dict[str, str]:
    """The color maps by name: 256 colors each, RGB bytes, in base64."""
    return {name: base64.b64encode(colors).decode() for name, colors in api.colormaps().items()}


def documentation(described: Mapping[str, Any]) -> Response:
    """The calls for people, of their OpenAPI description: without any script, and without another server."""
    parts = ["<h1>whylight app</h1>", f"<p>{escape(described['info']['summary'])}</p>"]
    parts.append(f"<p>{escape(described['info']['description'])} ")
    parts.append('For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI).</p>')
    schemas = described.get("components", {}).get("schemas", {})
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(call.get('description', ''))}</p>{_table(_fields(call, schemas))}")
    style = (
        "body{font:1rem/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
        ":root{color-scheme:light dark}"
        "h2{font-size:1.05rem;margin:2.5rem 0 .5rem}table{border-collapse:collapse}"
        "td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}"
    )
    head = f'<meta charset="utf-8"><title>whylight app: calls</title><style>{style}</style>'
    answer = HTMLResponse(f'<!doctype html><html lang="en">{head}{"".join(parts)}</html>')
    answer.headers["Content-Security-Policy"] = f"default-src 'none'; style-src 'unsafe-inline'; {_NOTHING_ELSE}"
    return answer


def _fields(call: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, default and meaning of each value that a call takes."""
    found = [
        (each["name"], _default(each.get("schema", {}), each.get("required", False)), each.get("description", ""))
        for each in call.get("parameters", ())
    ]
    for content in call.get("requestBody", {}).get("content", {}).values():
        schema = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
        required = schema.get("required", ())
        for name, each in schema.get("properties", {}).items():
            inner = schemas.get(each.get("$ref", "").rpartition("/")[2], {})
            meaning = each.get("description") or ", ".join(inner.get("properties", {}))
            found.append((name, _default(each, name in required), meaning))
    return found


def _default(schema: Mapping[str, Any], is_required: bool) -> str:
    return "needed" if is_required else json.dumps(schema.get("default"), ensure_ascii=False)


def _table(rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(default)}</code></td><td>{escape(meaning)}</td></tr>"
        for name, default, meaning in rows
    )
    return f"<table><tr><th>value</th><th>default</th><th>meaning</th></tr>{cells}</table>"
