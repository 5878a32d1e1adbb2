"""Files behind http and https, fetched when they are asked for."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import ClassVar, NoReturn
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from whylight.errors import WhylightError
from whylight.files.checks import reason
from whylight.version import __version__

_LARGEST = 2**28
"""Bytes of a file: more than any camera's photograph has."""
_PATIENCE, _DEADLINE = 30.0, 300.0
"""Seconds without an answer, and of all of a file."""
_PIECE = 2**20
_AS_IT_IS = "/:=&?~#+!$,;'@()*[]%"
"""What a URL may hold besides letters and digits."""


@dataclass(frozen=True)
class WebFile:
    """A file behind a URL, which can be read as a path is. It is fetched once.

    Attributes:
        url: where it is, with what URLs cannot hold escaped.
        fs: none; paths of stores have a file system.
    """

    url: str
    fs: ClassVar[None] = None

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part of the URL's path."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name or "index"

    @property
    def suffix(self) -> str:
        """The name's ending, with its dot."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> WebFile:
        """The folder that it lies in."""
        return WebFile(urljoin(self.url, "."))

    def __truediv__(self, name: str) -> WebFile:
        return web_file(urljoin(f"{self.url.rstrip('/')}/", quote(name)))

    def is_file(self) -> bool:
        """Whether it is there is seen when it is fetched."""
        return True

    def open(self, mode: str = "rb", **_: object) -> io.BytesIO:
        """Its bytes, as an open file.

        Raises:
            WhylightError: it cannot be fetched.
        """
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        """Its bytes.

        Raises:
            WhylightError: it cannot be fetched within a few minutes, or is too large.
        """
        return self._content

    @cached_property
    def _content(self) -> bytes:
        from urllib.request import Request, urlopen

        # the scheme is http or https, and urllib follows no redirection to a file
        request = Request(self.url, headers={"User-Agent": f"whylight/{__version__}"})
        content, end = bytearray(), time.monotonic() + _DEADLINE
        try:
            with urlopen(request, timeout=_PATIENCE) as answer:
                while piece := answer.read1(_PIECE):
                    content += piece
                    if len(content) > _LARGEST:
                        self._refuse(f"more than {_LARGEST // 2**20} MiB")
                    if time.monotonic() > end:
                        self._refuse(f"not all of it came in {_DEADLINE:.0f} seconds")
                if answer.length:  # what is still to come
                    self._refuse("not all of it came: the connection ended")
        except WhylightError:
            raise
        except Exception as error:  # of urllib, HTTP, sockets and TLS, which share no base class
            self._refuse(_why(error))
        return bytes(content)

    def _refuse(self, why: str) -> NoReturn:
        raise WhylightError(f"{self.url}: cannot be fetched: {why}") from None


def web_file(url: str) -> WebFile:
    """The file behind a URL, which may hold any letters and blanks.

    Raises:
        WhylightError: it is no URL.
    """
    try:
        parts = urlsplit(url.strip())
        host = parts.netloc.encode("ascii" if parts.netloc.isascii() else "idna").decode()
    except ValueError as error:
        raise WhylightError(f"{url}: not a URL: {error}") from None
    if not host:
        raise WhylightError(f"{url}: not a URL: it names no host")
    path, query = (quote(part, safe=_AS_IT_IS) for part in (parts.path, parts.query))
    return WebFile(urlunsplit((parts.scheme, host, path, query, "")))


def _why(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    code = getattr(error, "code", None)
    text = reason(inner) if isinstance(inner, BaseException) else str(inner or reason(error))
    return text if code is None else f"{code} {text}"
