"""What is said on standard error beside a result: notes and warnings, nothing with ``-q``, more with ``-v``."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from whylight.errors import escaped

_QUIET, _USUAL, _VERBOSE = -1, 0, 1
_loudness = _USUAL
"""Of this process, which runs one command."""


def add_loudness(command: argparse.ArgumentParser) -> None:
    """``-q`` and ``-v``."""
    either = command.add_mutually_exclusive_group()
    either.add_argument(
        "-q", "--quiet", action="store_const", dest="loudness", const=_QUIET, help="say nothing but results and errors"
    )
    either.add_argument(
        "-v",
        "--verbose",
        action="store_const",
        dest="loudness",
        const=_VERBOSE,
        help="say what was chosen, and how long it took",
    )
    command.set_defaults(loudness=_USUAL)


@contextmanager
def as_loud_as(level: int) -> Iterator[None]:
    """Say so much within the block. The library tells what it does to its logger: ``-v`` shows it."""
    global _loudness
    _loudness = level
    try:
        with _shown_log() if level == _VERBOSE else nullcontext():
            yield
    finally:
        _loudness = _USUAL


@contextmanager
def _shown_log() -> Iterator[None]:
    import logging

    logger, shown = logging.getLogger("whylight"), logging.StreamHandler(sys.stderr)
    shown.setFormatter(logging.Formatter("whylight: %(message)s"))
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(shown)


def is_quiet() -> bool:
    """Whether nothing is to be said."""
    return _loudness == _QUIET


def is_verbose() -> bool:
    """Whether all is to be said."""
    return _loudness == _VERBOSE


def note(text: str) -> None:
    """Say something."""
    if not is_quiet():
        print(f"whylight: {escaped(text)}", file=sys.stderr, flush=True)
