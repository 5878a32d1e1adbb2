"""Serving the app on this machine until it is stopped."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from whylight.app.options import AppOptions
from whylight.errors import WhylightError
from whylight.files.checks import reason

_PATIENCE = 2
"""Seconds that requests under way have when the app is stopped."""
_WAITING = 128
"""Connections that wait for the server to take them."""


def serve(folder: Path, options: AppOptions, say: Callable[[str], None]) -> str:
    """Serve a folder until Ctrl-C.

    Args:
        folder: what the app opens.
        options: where it listens, and who may use it.
        say: is told the address.

    Returns:
        The address.

    Raises:
        WhylightError: the packages are not installed, there is no such folder, or the port is taken.
    """
    try:
        import uvicorn

        from whylight.app.server import create_app
    except ImportError as error:
        raise WhylightError(f"the app needs more packages: pip install 'whylight[app]' ({error})") from error
    if options.is_for_others and options.token is None:
        options = replace(options, token=secrets.token_urlsafe(16))
    server = create_app(folder, options)
    with _listening(options) as listener:
        address = _address(listener, options)
        say(f"{folder} is open at {address} (Ctrl-C stops it)")
        if options.browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        running = uvicorn.Server(
            uvicorn.Config(
                server, log_level="error", access_log=False, timeout_graceful_shutdown=_PATIENCE, server_header=False
            )
        )
        with suppress(KeyboardInterrupt):  # uvicorn has stopped well, and hands the signal on
            running.run([listener])
    return address


def _listening(options: AppOptions) -> socket.socket:
    """A socket that listens.

    Raises:
        WhylightError: the address is not this machine's, or the port is taken.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(_WAITING)
    except (OSError, UnicodeError) as error:
        raise WhylightError(
            f"{options.host}, port {options.port}: cannot listen there: {reason(error)}; the options 'host' and 'port' "
            "choose another place, port 0 any that is free"
        ) from error
    return listener


def _address(listener: socket.socket, options: AppOptions) -> str:
    """What to open in the browser."""
    host = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(options.host, options.host)
    host = f"[{host}]" if ":" in host else host
    token = f"?token={quote(options.token)}" if options.token else ""
    return f"http://{host}:{listener.getsockname()[1]}/{token}"
