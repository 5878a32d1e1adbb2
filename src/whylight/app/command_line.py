"""What a person would type to have the same from the command line."""

import shlex
from collections.abc import Mapping


def command_line(command: str, options: Mapping[str, str]) -> str:
    """A command of whylight with its options, as a shell takes it.

    Args:
        command: its name.
        options: values by the options' names.
    """
    return shlex.join(
        ["whylight", command, *(word for name, value in options.items() for word in (f"--{name}", value))]
    )
