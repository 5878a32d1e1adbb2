"""The one error and the one warning that whylight raises on purpose."""

import re
from collections.abc import Iterable


class WhylightError(Exception):
    """Bad input of any kind: a model, an image, a dataset or an option that cannot be used.

    The message is one line. It names the file, row, column, layer or function at fault, says what was
    found and what was expected, and, where there is one, the next step. What names hold that cannot be printed, such as
    line ends, is escaped.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class Cancelled(WhylightError):  # noqa: N818  # it is no fault
    """The work was stopped by whoever asked for it; what is done is kept where the work says so."""


class OutOfMemoryError(WhylightError):
    """The network needs more memory for a batch than there is; a smaller batch may do."""


class WhylightWarning(UserWarning):
    """Something the user should know although the work goes on (NaN weights, ignored augmentation)."""

    def __str__(self) -> str:
        return printable(super().__str__())


_LONGEST_MESSAGE, _LONGEST_WORD = 2000, 400
"""Characters: what names hold may have no end."""
_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


def printable(message: str) -> str:
    """Text on one line, whatever the names in it hold: escaped, and cut."""
    if len(message) <= _LONGEST_WORD:
        return escaped(message)
    message = _WORD.sub(lambda word: f"{word[0][: _LONGEST_WORD // 2]}...{word[0][-_LONGEST_WORD // 4 :]}", message)
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[: _LONGEST_MESSAGE // 2]} ... {message[-_LONGEST_MESSAGE // 4 :]}"
    return escaped(message)


def escaped(text: str, kept: str = "") -> str:
    """Text in which all that cannot be printed is escaped: line ends, control characters, bytes that are no UTF-8.

    Args:
        text: whatever names hold.
        kept: characters that stay as they are, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else _escape(each) for each in text)


def _escape(character: str) -> str:
    import unicodedata

    is_blank = unicodedata.category(character) == "Zs"  # such as that of Japanese texts, as wide as a letter
    return character if is_blank else character.encode("unicode_escape").decode()


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The names of ``known`` that are most like ``name``, quoted and joined, for an error message.

    Capitals do not count.
    """
    import difflib

    known = list(known)

    def likeness(candidate: str) -> float:
        return difflib.SequenceMatcher(None, candidate.casefold(), name.casefold()).ratio()

    likenesses = {candidate: likeness(candidate) for candidate in known}
    close = [each for each in sorted(known, key=lambda each: -likenesses[each]) if likenesses[each] >= 0.3][:count]
    close = close or known[:count]
    return ", ".join(repr(candidate) for candidate in close)
