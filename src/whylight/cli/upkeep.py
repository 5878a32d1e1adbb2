"""Commands about whylight itself."""

import argparse
from pathlib import Path


def add_demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder", metavar="FOLDER", nargs="?", type=Path, default=Path("whylight-demo"), help="where to write"
    )


def run_demo(arguments: argparse.Namespace) -> int:
    from whylight.cli.demo import run_demo

    print(run_demo(arguments.folder))
    return 0


def add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument("--clear", action="store_true", help="remove all of it")


def run_cache(arguments: argparse.Namespace) -> int:
    from whylight.running import cache

    kept = cache.entries()
    size = sum(map(cache.size, kept))
    done = "removed" if arguments.clear else "kept"
    print(f"{cache.folder()}: {len(kept)} compiled explainers {done}, {size / 2**20:.1f} MiB")
    if arguments.clear:
        cache.clear()
    return 0


COMMANDS = (
    ("demo", run_demo, add_demo, "explain bundled samples"),
    ("cache", run_cache, add_cache, "say what is kept of compiled explainers, or remove it"),
)
