"""The command line: it reads arguments, calls the library and prints. Each command imports what it needs."""

import argparse
import io
import json
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NoReturn, TextIO

from whylight.cli import app, dataset, explain, models, page, trust, upkeep
from whylight.cli.arguments import add_options, options_of
from whylight.cli.command import Command
from whylight.cli.saying import add_loudness, as_loud_as, is_verbose, note
from whylight.errors import WhylightError, WhylightWarning, escaped
from whylight.files.budget import USUAL as USUAL_BUDGET
from whylight.files.budget import VARIABLE as BUDGET_VARIABLE
from whylight.files.budget import set_budget
from whylight.version import __version__

_BAD_INPUT = 2
_INTERRUPTED = 130
_READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. The exit code is 0, 1 (rows skipped or a check failed), 2 (bad input) or 130 (interrupted)."""
    debug = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", WhylightWarning)
        warnings.showwarning = _show_warning
        try:
            parser = _parser()
            arguments = parser.parse_args(_with_underscores(sys.argv[1:] if argv is None else argv))
            if arguments.command is None:
                parser.print_help()
                return 0
            debug = arguments.debug
            if arguments.memory:
                set_budget(arguments.memory)
            with as_loud_as(arguments.loudness):
                return _run(arguments)
        except WhylightError as error:
            if debug:
                raise
            print(f"whylight: {error}", file=sys.stderr)
            return _BAD_INPUT
        except MemoryError:
            if debug:
                raise
            print("whylight: there is not enough memory for it", file=sys.stderr)
            return _BAD_INPUT
        except KeyboardInterrupt:
            print("whylight: interrupted", file=sys.stderr)
            return _INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    command: Command = arguments.command
    options = options_of(arguments, command.options)
    started = time.perf_counter()
    answer = command.run(arguments, options)
    if is_verbose():
        for name, value in options.to_dict().items():
            note(f"{name}: {value}")
        note(f"{command.name} took {time.perf_counter() - started:.2f} s")
    if arguments.json:
        result = {**answer.result, **({"options": options.to_dict()} if command.options else {})}
        print(_json(result))
    else:
        print(escaped(answer.text, "\n"))
    return answer.code


def run() -> NoReturn:
    """The program: `main`, without taking down at the end what it has built up, which can take as long as the work.

    What a terminal or a pipe cannot show is replaced.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:  # whoever reads the output has seen enough
        code = _READER_GONE
    os._exit(code)


def _json(result: Mapping[str, Any]) -> str:
    """As people read it, unless it holds what cannot be printed: then all but ASCII is escaped."""
    text = json.dumps(result, ensure_ascii=False, indent=2)
    if _is_unicode(sys.stdout) and text.replace("\n", "").isprintable():
        return text
    return json.dumps(result, indent=2)


def _is_unicode(stream: TextIO) -> bool:
    """Whether it takes every character; None says that it has no encoding: it keeps text."""
    return (stream.encoding or "utf").lower().startswith("utf")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of whylight does."""

    def error(self, message: str) -> NoReturn:
        raise WhylightError(f"{message}; see '{self.prog} -h'")


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Says defaults where there are some that the text does not say itself."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        says_it_itself = "(default" in (action.help or "")
        if says_it_itself or action.default in (None, False, [], ()):
            return action.help
        if action.default is True:  # of a switch and its contrary, which share it
            return f"{action.help} (default)" if action.const is True else action.help
        return super()._get_help_string(action)


def _with_underscores(argv: Sequence[str]) -> list[str]:
    """Long options with hyphens, spelled with the underscores that the Console's plugins use."""
    spelled: list[str] = []
    for argument in argv:
        name, separator, value = argument.partition("=")
        spelled.append(f"--{name[2:].replace('-', '_')}{separator}{value}" if name.startswith("--") else argument)
    return spelled


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    note(f"warning: {message}")


def _parser() -> argparse.ArgumentParser:
    program = _Parser(
        prog="whylight",
        description="See why an image classifier decided: where in an image the network looked for a class.",
    )
    program.add_argument("--version", action="version", version=f"whylight {__version__}")
    commands = program.add_subparsers(title="commands", metavar="COMMAND")
    program.set_defaults(command=None)
    for command in chain.from_iterable(
        module.COMMANDS for module in (explain, dataset, app, trust, models, page, upkeep)
    ):
        parser = commands.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            formatter_class=_Help,
        )
        command.add_arguments(parser)
        for kind in command.options:
            add_options(parser, kind)
        add_loudness(parser)
        parser.add_argument(
            "--memory",
            metavar="SIZE",
            help="how much memory a file may ask for beyond what it holds, such as 8G "
            f"(default: {BUDGET_VARIABLE}, or {USUAL_BUDGET})",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        parser.set_defaults(command=command)
    return program
