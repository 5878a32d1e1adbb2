"""What may be chosen about the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whylight.options import Options, option, whole_number

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Names of this machine that no other machine reaches."""
_LAST_PORT = 65535


def _port(value: Any) -> int:
    port = whole_number(value)
    if port > _LAST_PORT:
        raise ValueError(f"expected {_LAST_PORT} at most")
    return port


@dataclass(frozen=True)
class AppOptions(Options):
    """Where the app listens, and who may use it.

    Attributes:
        host: the address to listen on; of another than this machine's own, a token is asked for.
        port: 0 takes any that is free.
        token: whoever opens the page has to know it. On another host than this machine's own one is made up where none
            is given.
        browser: open the page in the browser.
    """

    host: str = option("127.0.0.1", "the address to listen on; of another one a token is asked for", metavar="HOST")
    port: int = option(8760, "the port to listen on; 0 for any that is free", metavar="PORT", parse=_port)
    token: str | None = option(
        None, "what whoever opens the page has to know (default: made up, where the host is not this machine's own)",
        metavar="TEXT",
    )  # fmt: skip
    browser: bool = option(True, "open the page in the browser")

    @property
    def is_for_others(self) -> bool:
        """Whether other machines may reach it."""
        return self.host not in LOOPBACK
