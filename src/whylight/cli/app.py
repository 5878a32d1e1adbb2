"""The command that opens a folder as a page."""

from __future__ import annotations

import argparse
from pathlib import Path

from whylight.app.options import AppOptions
from whylight.cli.command import Answer, Command
from whylight.cli.saying import note
from whylight.options import Chosen


def add_app(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, default=Path(), help="the folder to open")


def run_app(arguments: argparse.Namespace, options: Chosen) -> Answer:
    from whylight.app.serving import serve

    address = serve(arguments.folder, options[AppOptions], note)
    return Answer({"address": address}, "stopped")


COMMANDS = (
    Command(
        "app",
        "open a result folder as a page in the browser: its table, explanations on a click, batches",
        run_app,
        add_app,
        (AppOptions,),
    ),
)
