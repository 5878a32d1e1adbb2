"""The command for a page that explains without a server."""

import argparse
from pathlib import Path

from whylight import api
from whylight.cli.arguments import add_model
from whylight.cli.command import Answer, Command
from whylight.cli.progress import progress
from whylight.files.checks import one_line
from whylight.options import Chosen, ModelOptions, Output, Question
from whylight.web.options import PageOptions

_OPTIONS = (PageOptions, ModelOptions, Question, Output)


def add_page(command: argparse.ArgumentParser) -> None:
    add_model(command)
    command.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        help="the folder to write, which any web server serves (default: page); with --single the HTML file (default: "
        "page.html)",
    )
    command.add_argument(
        "--method",
        default="gradcam",
        metavar="NAME,NAME",
        help="how to explain: one method or several of one pass, which they share: see 'whylight methods'",
    )


def run_page(arguments: argparse.Namespace, options: Chosen) -> Answer:
    output: Path = arguments.output or Path("page.html" if options[PageOptions].single else "page")
    with progress("writing the page", "models", is_short=True):
        summary = api.write_page(
            arguments.model,
            output,
            arguments.method,
            *(options[kind] for kind in _OPTIONS),
            parameters=arguments.parameters,
        )
    text = f"{one_line(output)}: {len(summary.maps)} maps, a browser loads {summary.loaded / 2**20:.1f} MiB"
    return Answer(summary.to_dict(), text.replace(" 1 maps", " 1 map"))


COMMANDS = (
    Command("page", "write a page that explains images in the browser, without a server", run_page, add_page, _OPTIONS),
)
