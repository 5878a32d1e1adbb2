"""What a command is: its name, its arguments, what it runs, and what it answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from whylight.options import Chosen, Options


@dataclass(frozen=True)
class Answer:
    """What a command has to say.

    Attributes:
        result: for ``--json``.
        text: for people.
        code: the exit code: 0, or 1 where rows were skipped or a check failed.
    """

    result: Mapping[str, Any]
    text: str
    code: int = 0


def nothing(_: argparse.ArgumentParser) -> None:
    """For commands without arguments of their own."""


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as it is written.
        summary: one line for the list of commands, without a period.
        run: takes the arguments and the options.
        add_arguments: the arguments that are no options.
        options: the dataclasses whose fields are arguments too.
    """

    name: str
    summary: str
    run: Callable[[argparse.Namespace, Chosen], Answer]
    add_arguments: Callable[[argparse.ArgumentParser], None] = nothing
    options: tuple[type[Options], ...] = ()
