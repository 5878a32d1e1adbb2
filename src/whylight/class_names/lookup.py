"""Which class is meant: by its number, by its name, or by one of its synonyms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from whylight.errors import WhylightError, nearest

_BETWEEN_WORDS = re.compile(r"[\W_]+")


def class_index_of(reference: int | str, names: Sequence[str], class_count: int, aim: str = "") -> int:
    """The number of the class that is meant.

    Capitals do not count, nor what stands between words. Of a name with commas, such as ``tabby, tabby cat``, each part
    is a synonym; a whole name goes before a synonym of another class.

    Args:
        reference: a class index, or a name.
        names: the classes' names; empty where they have none.
        class_count: of the model.
        aim: what the class is for, in messages, such as " to compare with".

    Raises:
        WhylightError: it is out of range, or no class has that name, or several have it; the message has the nearest.
    """
    if isinstance(reference, int):
        if not 0 <= reference < class_count:
            raise WhylightError(
                f"class index {reference}{aim} is out of range: the model has classes 0 to {class_count - 1}"
            )
        return reference
    if not names:
        raise WhylightError(
            f"no class '{reference}'{aim}: the model's classes have no names: expected a number from 0 to "
            f"{class_count - 1} or 'predicted', or names by the option 'labels'"
        )
    found = _classes_called(reference, names)
    if not found:
        known = dict.fromkeys(synonym for name in names for synonym in synonyms(name))
        raise WhylightError(f"no class '{reference}'{aim}; the nearest are {nearest(reference, known)}")
    if len(found) > 1:
        several = ", ".join(named(index, names) for index in found)
        raise WhylightError(f"several classes are called '{reference}': {several}: expected one of their numbers")
    return found[0]


def references_in(text: str, names: Sequence[str]) -> list[str]:
    """One reference, or several with commas between them: a name may have commas itself."""
    return [text] if _classes_called(text, names) else [part.strip() for part in text.split(",")]


def synonyms(name: str) -> list[str]:
    """``tabby, tabby cat`` -> ``tabby`` and ``tabby cat``."""
    return [part.strip() for part in name.split(",") if part.strip()]


def named(index: int, names: Sequence[str]) -> str:
    """A class for people: its number, and its name where it has one."""
    name = name_of(index, names)
    return str(index) if name is None else f"{index} ({name})"


def name_of(index: int, names: Sequence[str]) -> str | None:
    """A class's name; None where it has none."""
    return names[index] or None if index < len(names) else None


def _classes_called(name: str, names: Sequence[str]) -> list[int]:
    """The classes of that whole name, else those that have it among their synonyms."""
    wanted = _plain(name)
    if not wanted:
        return []
    whole = [index for index, each in enumerate(names) if _plain(each) == wanted]
    return whole or [index for index, each in enumerate(names) if wanted in map(_plain, synonyms(each))]


def _plain(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", name.casefold()).strip()
