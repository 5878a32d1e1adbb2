"""Commands about whylight itself."""

import argparse
from pathlib import Path

from whylight import api
from whylight.cli.command import Answer, Command
from whylight.options import Chosen


def add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, default=Path("whylight-demo"), help="where to write"
    )


def run_demo(arguments: argparse.Namespace, _: Chosen) -> Answer:
    from whylight.cli.demo import run_demo

    return Answer({"folder": str(arguments.folder)}, run_demo(arguments.folder))


def add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument("--clear", action="store_true", help="remove all of it")


def run_cache(arguments: argparse.Namespace, _: Chosen) -> Answer:
    content = api.cache_content()
    if arguments.clear:
        api.clear_cache()
    done = "removed" if arguments.clear else "kept"
    text = f"{content.folder}: {content.explainers} compiled explainers {done}, {content.bytes / 2**20:.1f} MiB"
    if not arguments.clear:
        text += f" of {content.limit / 2**30:.0f} GiB, from where on those that were not used for longest are removed"
    return Answer({**content.to_dict(), "cleared": arguments.clear}, text)


COMMANDS = (
    Command("demo", "explain bundled samples", run_demo, add_demo),
    Command("cache", "say what is kept of compiled explainers, or remove it", run_cache, add_cache),
)
