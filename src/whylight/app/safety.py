"""Who may call: requests are looked at before anything else is done with them.

A page of another site that is open in the same browser can send requests to this machine, and a name of its own can be
made to mean this machine (DNS rebinding). Both are told by headers that a page cannot set: ``Host`` has to be this
machine's, ``Origin`` and ``Sec-Fetch-Site`` have to say that it is the page itself that asks.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import socket
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from whylight.app.options import LOOPBACK

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from whylight.app.options import AppOptions

COOKIE = "whylight_token"
UPLOAD = "/api/upload"
LARGEST_UPLOAD, LARGEST_QUESTION = 64 << 20, 1 << 20
"""Bytes of a request's body."""
_SAFE = ("GET", "HEAD")
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}
"""Of all answers, where they do not say otherwise themselves."""


class Safety:
    """What stands between the network and the app (an ASGI middleware)."""

    def __init__(self, app: ASGIApp, options: AppOptions) -> None:
        """Stand before an app."""
        self._app = app
        self._token = options.token
        self._hosts = {*LOOPBACK, options.host.lower()}
        if options.is_for_others:
            self._hosts |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        self._takes_addresses = options.is_for_others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _say(send, *refusal)
            return
        limit = LARGEST_UPLOAD if scope["path"] == UPLOAD else LARGEST_QUESTION
        body = _Body(receive, limit)
        has_begun = False

        async def guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                if body.is_too_large and not has_begun:
                    has_begun = True
                    await _say(send, 413, _too_large(limit))
                    return
                known = {name.lower() for name, _ in message["headers"]}
                more = [(name, value) for name, value in _HEADERS.items() if name not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            elif body.is_too_large and has_begun:
                return
            await send(message)

        await self._app(scope, body, guarded)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason, where a request is refused."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 403, f"Host {host[:100]!r}: not the address of this app: open the page by the address that it says"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return 403, f"Origin {origin[:100]!r}: another site's page may not ask: open the app's own page"
        site, path = headers.get("sec-fetch-site", "none"), scope["path"]
        if site not in ("same-origin", "none") and (path != "/" or scope["method"] not in _SAFE):
            return 403, "another site's page may not ask: open the app's own page"
        if self._token and not self._knows_the_token(scope, headers):
            return 401, "the token is missing or wrong: open the address that 'whylight app' has printed"
        length = headers.get("content-length", "0")
        limit = LARGEST_UPLOAD if path == UPLOAD else LARGEST_QUESTION
        if length.isdecimal() and int(length[:20]) > limit:
            return 413, _too_large(limit)
        return None

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() and not host.endswith("]") else host
        name = name.strip("[]").lower()
        if name in self._hosts:
            return True
        if not self._takes_addresses:
            return False
        try:
            ipaddress.ip_address(name)  # an address means this machine alone: no name server is asked
        except ValueError:
            return False
        return True

    def _knows_the_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        given = [headers.get("authorization", "").removeprefix("Bearer ")]
        given += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
            given += [cookies[COOKIE].value] if COOKIE in cookies else []
        except CookieError:
            pass
        token = str(self._token).encode()
        return any(hmac.compare_digest(one.encode(errors="replace"), token) for one in given)


class _Body:
    """A request's body as it comes in, up to a limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._taken = 0
        self.is_too_large = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._taken += len(message.get("body", b""))
            if self._taken > self._limit:
                self.is_too_large = True
                return {"type": "http.request", "body": b"", "more_body": False}
        return message


def _too_large(limit: int) -> str:
    return f"more than {limit >> 20} MiB: expected less"


async def _say(send: Send, status: int, reason: str) -> None:
    content = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_HEADERS.items()]})
    await send({"type": "http.response.body", "body": content})
