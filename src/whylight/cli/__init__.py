"""The command line: it reads arguments, calls the library and prints. Each command imports what it needs."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

from whylight.cli import dataset, explain, models, trust, upkeep
from whylight.errors import WhylightError, WhylightWarning
from whylight.version import __version__

_BAD_INPUT = 2
_INTERRUPTED = 130
_READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. The exit code is 0, 1 (rows skipped or a check failed), 2 (bad input) or 130 (interrupted)."""
    arguments = _parser().parse_args(_with_underscores(sys.argv[1:] if argv is None else argv))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", WhylightWarning)
        warnings.showwarning = _show_warning
        try:
            return int(arguments.run(arguments))
        except WhylightError as error:
            if arguments.debug:
                raise
            print(f"whylight: {error}", file=sys.stderr)
            return _BAD_INPUT
        except KeyboardInterrupt:
            print("whylight: interrupted", file=sys.stderr)
            return _INTERRUPTED


def run() -> NoReturn:
    """The program: `main`, without taking down at the end what it has built up, which can take as long as the work."""
    try:
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever reads the output has seen enough
        code = _READER_GONE
    os._exit(code)


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Says defaults where there are some that the text does not say itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_it_itself = "(default" in (action.help or "")
        has_none = action.default is None or action.default is False or action.default == []
        return action.help if says_it_itself or has_none else super()._get_help_string(action)


def _with_underscores(argv: Sequence[str]) -> list[str]:
    """Long options with hyphens, spelled with the underscores that the Console's plugins use."""
    spelled: list[str] = []
    for argument in argv:
        name, separator, value = argument.partition("=")
        spelled.append(f"--{name[2:].replace('-', '_')}{separator}{value}" if name.startswith("--") else argument)
    return spelled


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"whylight: warning: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="whylight",
        description="See why an image classifier decided: where in an image the network looked for a class.",
    )
    parser.add_argument("--version", action="version", version=f"whylight {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    modules = (explain, dataset, trust, models, upkeep)
    for name, run, add_arguments, summary in chain.from_iterable(module.COMMANDS for module in modules):
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=_Help,
        )
        add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(run=run)
    return parser
