"""Arguments: those made from the fields of options, and those that several commands share."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from whylight.errors import WhylightError
from whylight.options import PREDICTED, Chosen, ClassIndex, Options, class_reference, parsed


def add_options(command: argparse.ArgumentParser, kind: type[Options]) -> None:
    """An argument for each field: with its name, help, choices and default."""
    arguments = kind.arguments()
    for each in fields(kind):
        argument = arguments[each.name]
        flags = [*argument.flags, f"--{each.name}"]
        if isinstance(each.default, bool):
            command.add_argument(*flags, action="store_true", default=each.default, help=argument.help)
            if each.default:
                command.add_argument(
                    f"--no_{each.name}", dest=each.name, action="store_false", help=f"the contrary of --{each.name}"
                )
            continue
        command.add_argument(
            *flags,
            default=each.default,
            choices=argument.choices,
            metavar=argument.metavar,
            nargs="+" if argument.several else None,
            action="extend" if argument.several else "store",
            help=argument.help,
        )


def options_of(arguments: argparse.Namespace, kinds: tuple[type[Options], ...]) -> Chosen:
    """The options that were given, or their defaults.

    Raises:
        WhylightError: a value is not what its field takes.
    """
    return Chosen(
        [kind(**{each.name: getattr(arguments, each.name) for each in fields(kind)}) for kind in kinds], {}, *kinds
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """The model as the command's first word."""
    command.add_argument("model", metavar="MODEL", type=Path, help=_MODEL)
    _add_parameters(command)


def add_model_option(command: argparse.ArgumentParser) -> None:
    """The model as the Console's plugins name it."""
    command.add_argument("-m", "--model", metavar="FILE", type=Path, default=Path("results.nnp"), help=_MODEL)
    _add_parameters(command)


_MODEL = (
    "the model: an .onnx file, a .nnp file, a loose network (.nntxt, .prototxt, .protobuf), or a .pt2 file of PyTorch"
)


def _add_parameters(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--parameters", metavar="FILE", type=Path, help="the parameter file of a loose network (.h5, .protobuf)"
    )


def add_method(command: argparse.ArgumentParser) -> None:
    command.add_argument("--method", default="gradcam", metavar="NAME", help="how to explain: see 'whylight methods'")


def add_class_index(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("-c", "--class_index", action="append", default=[], metavar="CLASS", help=what)


def classes_of(arguments: argparse.Namespace, default: str) -> list[str]:
    """What is said of the classes to explain, word by word, before anything else is done.

    Raises:
        WhylightError: a word says nothing.
    """
    words: list[str] = arguments.class_index or [default]
    for part in (part for word in words for part in word.split(",")):
        parsed("class index", part, class_reference)
    return words


def one_class_of(arguments: argparse.Namespace) -> ClassIndex:
    """The class to explain, before anything else is done.

    Raises:
        WhylightError: it is none, or there are several.
    """
    given = arguments.class_index or [PREDICTED]
    if len(given) > 1:
        raise WhylightError(f"argument -c/--class_index: given {len(given)} times: this command explains one class")
    return parsed("class index", given[0], class_reference)
