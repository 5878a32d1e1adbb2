"""``python -m whylight``."""

from whylight.cli import run

run()
