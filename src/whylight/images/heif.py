"""HEIC files: which they are, and what makes Pillow read them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from whylight.errors import WhylightError

_PACKAGES = ("pillow_heif", "pi_heif")
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""ISO/IEC 23008-12: what a file of HEIF says it is, behind ``ftyp``."""
_BEFORE_KIND = {2: 8, 3: 10}
"""ISO/IEC 14496-12, 8.11.6: bytes before the kind of an item, by the version of the box that tells it."""
_META, _META_VERSION, _ITEMS = b"meta", 4, {0: 6, 1: 8}


def is_heif(content: bytes) -> bool:
    """Whether a file says that it is one."""
    return content[4:8] == b"ftyp" and content[8:12] in _BRANDS


def register_heif(content: bytes, source: str) -> None:
    """Have Pillow read a file of HEIF.

    Raises:
        WhylightError: no package that reads it is installed, or one that is would end the process.
    """
    package = next((name for name in _PACKAGES if find_spec(name)), None)
    if package is None:
        raise WhylightError(f"{source}: a HEIC image: install what reads it: pip install 'whylight[heic]'")
    if not all(map(_is_utf8, _texts(content))):
        raise WhylightError(f"{source}: not an image, or damaged: an item's kind is no UTF-8 text")
    import_module(package).register_heif_opener()


def _texts(content: bytes) -> Iterator[bytes]:
    """The kind, name and type of each item. The packages read them as text, and die of what is none."""
    for kind, start, end in _boxes(content, 0, len(content)):
        if kind != _META:
            continue
        for inner, first, last in _boxes(content, start + _META_VERSION, end):
            if inner == b"iinf" and first < last:
                for _, at, until in _boxes(content, first + _ITEMS.get(content[first], _ITEMS[0]), last):
                    yield content[at + _BEFORE_KIND.get(content[at], 0) : until] if at < until else b""


def _boxes(content: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the boxes that follow each other (ISO/IEC 14496-12, 4.2)."""
    while start + 8 <= end:
        size, header = int.from_bytes(content[start : start + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(content[start + 8 : start + 16], "big"), 16
        size = min(size, end - start) if size >= header else end - start
        yield content[start + 4 : start + 8], start + header, start + size
        start += size


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
