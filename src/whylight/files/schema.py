"""What JSON that strangers wrote may hold: small checks, from which the definition of a whole file is put together.

A check takes a value and where it stands, and gives it back as the program wants it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from whylight.errors import WhylightError

Check = Callable[[Any, str], Any]

_LONGEST_TEXT = 2**16


def text(value: Any, place: str) -> str:
    """Text, of not more than 65536 characters.

    Raises:
        WhylightError: it is not.
    """
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return value
    raise _unfit(value, place, "text")


def flag(value: Any, place: str) -> bool:
    """True or false.

    Raises:
        WhylightError: it is neither.
    """
    if isinstance(value, bool):
        return value
    raise _unfit(value, place, "true or false")


def whole(least: int, most: int) -> Check:
    """A whole number of this range."""

    def check(value: Any, place: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        raise _unfit(value, place, f"a whole number from {least} to {most}")

    return check


def number(least: float, most: float) -> Check:
    """A number of this range."""

    def check(value: Any, place: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and least <= value <= most:  # which NaN is not
            return float(value)
        raise _unfit(value, place, f"a number from {least:g} to {most:g}")

    return check


def one_of(*known: str | None) -> Check:
    """One of these words; None is one too."""

    def check(value: Any, place: str) -> Any:
        if (value is None or isinstance(value, str)) and value in known:
            return value
        raise _unfit(value, place, f"one of {', '.join(map(str, known))}")

    return check


def either(first: Check, second: Check) -> Check:
    """What fits the first check, or else the second."""

    def check(value: Any, place: str) -> Any:
        try:
            return first(value, place)
        except WhylightError:
            return second(value, place)

    return check


def sequence(of: Check, least: int, most: int) -> Check:
    """A list of so many, as a tuple."""

    def check(value: Any, place: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _unfit(value, place, f"a list of {least} to {most}")
        return tuple(of(each, f"{place}[{index}]") for index, each in enumerate(value))

    return check


def record(fields: Mapping[str, Check]) -> Check:
    """A mapping with these names and no others, as a dict."""

    def check(value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict) or value.keys() != fields.keys():
            raise _unfit(value, place, f"a mapping of {', '.join(fields)}")
        return {name: of(value[name], f"{place}.{name}" if place else name) for name, of in fields.items()}

    return check


def _unfit(value: Any, place: str, expected: str) -> WhylightError:
    if isinstance(value, dict):
        found = f"a mapping of {', '.join(list(map(str, value))[:30]) or 'nothing'}"
    elif isinstance(value, list):
        found = f"a list of {len(value)}"
    else:
        found = repr(value)[:100] if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return WhylightError(f"{place or 'it'} is {found}, expected {expected}")
