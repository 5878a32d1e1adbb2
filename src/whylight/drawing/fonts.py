"""Fonts: text in any script -> the fonts of this machine that have its characters."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageFont

from whylight.errors import WhylightWarning

INSTALL = "install a font that has them, such as Noto (on Debian and Ubuntu: fonts-noto-cjk, fonts-noto-core)"
MISSING = "?"
"""Stands for a character that no font has: never an empty box."""

_FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("%WINDIR%/Fonts", "%LOCALAPPDATA%/Microsoft/Windows/Fonts"),
}
"""Where fonts lie, by `sys.platform`."""
_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
_PREFERRED = (
    *("notosanscjk", "notosansjp", "hiragino", "ヒラギノ角ゴシック", "yugoth", "meiryo", "segoeui", "dejavusans"),
    *("notosans", "arialuni", "arial", "msgothic", "malgun", "msyh", "nirmala"),
)
"""How the names of fonts begin that are read with ease in a small size, the best first."""
_SPECIAL = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "condensed", "emoji")
_SHOWN = 10
"""Missing characters that a message shows."""
_PROBE = 24
"""The size at which glyphs are compared."""
_NO_CHARACTER = "\uffff"
_JOINERS = "\u200c\u200d"
_WAIT = 20
"""Seconds that fontconfig may take: it may have to look through all fonts first."""


@dataclass(frozen=True)
class Face:
    """A font of this machine, or the one that Pillow brings.

    Attributes:
        path: its file; None for Pillow's own, which has the characters of English.
        index: its number in a collection.
    """

    path: Path | None = None
    index: int = 0

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """The font in a size, in pixels."""
        return _loaded(self, size)

    @property
    def family(self) -> str:
        """What it is called; empty for Pillow's own."""
        return "" if self.path is None else (self.at(_PROBE).getname()[0] or "")

    def has(self, character: str) -> bool:
        """Whether it draws this character, rather than a box for one that it does not have."""
        return character.isspace() or character in _JOINERS or self._glyph(character) != self._glyph(_NO_CHARACTER)

    def _glyph(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self.at(_PROBE).getmask(character)
        return mask.size, bytes(mask)


OWN = Face()


@lru_cache(maxsize=256)
def _loaded(face: Face, size: float) -> ImageFont.FreeTypeFont:
    if face.path is None:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont), "Pillow has been built without FreeType"
        return font
    return ImageFont.truetype(str(face.path), size, face.index)


def printable(text: str) -> str:
    """The text in one line: what cannot be seen becomes a space."""
    shown = (one if one.isprintable() or one in _JOINERS else " " for one in text)
    return "".join(
        one for one in shown if not "\ufe00" <= one <= "\ufe0f"
    )  # they choose between glyphs of one character


def runs(text: str) -> list[tuple[Face, str]]:
    """Pieces of the text, each with a font that has all of it; what no font has is `MISSING`."""
    faces = _faces(frozenset(text))
    pairs = [next(((face, character) for face in faces if face.has(character)), (OWN, MISSING)) for character in text]
    return [(face, "".join(one for _, one in group)) for face, group in groupby(pairs, lambda pair: pair[0])]


def width(text: str, size: float) -> float:
    """How wide the text is drawn, in pixels."""
    return sum(face.at(size).getlength(piece) for face, piece in runs(text))


def warn_of_missing(texts: Iterable[str]) -> None:
    """Say which characters of what is to be drawn no font of this machine has."""
    characters = sorted(set().union(*texts))
    missing = [one for one in characters if not any(face.has(one) for face in _faces(frozenset(one)))]
    if missing:
        kinds = dict.fromkeys(unicodedata.name(one, "UNKNOWN").split()[0].lower() for one in missing)
        warnings.warn(
            f"no font on this machine has {' '.join(missing[:_SHOWN])} ({', '.join(kinds)}), drawn as '{MISSING}': "
            f"{INSTALL}",
            WhylightWarning,
            stacklevel=2,
        )


@lru_cache(maxsize=4096)
def _faces(characters: frozenset[str]) -> tuple[Face, ...]:
    """One font that has all of the characters, or, where there is none, several that together have what they can."""
    missing = {one for one in characters if not OWN.has(one)}
    if not missing:
        return (OWN,)
    candidates = _candidates(frozenset(missing))
    whole = next((face for face in candidates if all(map(face.has, characters))), None)
    if whole is not None:
        return (whole,)
    faces = [OWN]
    while missing and candidates:
        best = max(candidates, key=lambda face: sum(map(face.has, missing)))
        if not any(map(best.has, missing)):
            break
        faces.append(best)
        missing = {one for one in missing if not best.has(one)}
    return tuple(faces)


@lru_cache(maxsize=4096)
def _candidates(characters: frozenset[str]) -> tuple[Face, ...]:
    """Fonts that may have the characters, the best first."""
    return tuple(face for face in _of_fontconfig(characters) or _of_folders() if _can_be_drawn(face))


def _can_be_drawn(face: Face) -> bool:
    try:
        face.at(_PROBE)
    except OSError:  # a font of one size only, or one that FreeType cannot read
        return False
    return True


def _of_fontconfig(characters: frozenset[str]) -> list[Face]:
    """What fontconfig finds, where it is installed."""
    wanted = " ".join(f"{ord(one):x}" for one in sorted(characters))
    language = ":lang=ja" if any("\u3040" <= one <= "\u30ff" for one in characters) else ""
    command = ["fc-match", "-s", "-f", "%{file}\t%{index}\n", f"sans-serif:charset={wanted}{language}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return []
    lines = (line.split("\t") for line in done.stdout.splitlines())
    # the upper half of an index names one of the styles of a variable font
    return [Face(Path(file), int(index) & 0xFFFF) for file, index in lines if file.lower().endswith(_ENDINGS)]


def _of_folders() -> list[Face]:
    """The fonts in the folders where this system has them, those that are easily read first."""
    return [Face(path) for path in sorted(_files(), key=_preference)]


def _files() -> Iterator[Path]:
    for name in _FOLDERS.get(sys.platform, _FOLDERS["linux"]):
        folder = Path(os.path.expandvars(name)).expanduser()
        yield from (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS)


def _preference(path: Path) -> tuple[int, bool, str]:
    name = unicodedata.normalize("NFC", path.stem).lower().replace(" ", "").replace("-", "")
    place = next((place for place, begin in enumerate(_PREFERRED) if name.startswith(begin)), len(_PREFERRED))
    return place, any(word in name for word in _SPECIAL), name
