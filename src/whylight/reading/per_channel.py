"""Mean and deviation of pixels: one number a channel, or one for all."""

from math import isfinite
from pathlib import Path

from whylight.errors import WhylightError


def per_channel(path: Path, name: str, values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """The numbers that were given as ``mean`` or ``std``, one a channel.

    Args:
        path: the model, for messages.
        name: of the option.
        values: one a channel, or one for all.
        channels: of the model's image.

    Raises:
        WhylightError: there are fewer or more, or one is no number, or a std that nothing can be divided by.
    """
    fitted = spread(values, channels)
    if not fitted:
        expected = "1" if channels == 1 else f"1 or {channels}, one a channel"
        raise WhylightError(f"{path}: {name} has {len(values)} numbers, expected {expected}")
    if not all(map(isfinite, fitted)):
        raise WhylightError(f"{path}: {name} is {', '.join(f'{value:g}' for value in values)}: expected finite numbers")
    if name == "std":
        refuse_zero(path, fitted)
    return fitted


def spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One number a channel; none where their count does not fit."""
    return values if len(values) == channels else values * channels if len(values) == 1 else ()


def refuse_zero(path: Path, std: tuple[float, ...]) -> None:
    """Refuse a deviation that nothing can be divided by.

    Raises:
        WhylightError: one of the numbers is 0.
    """
    if 0 in std:
        raise WhylightError(f"{path}: a std of 0: expected other numbers, one a channel")
