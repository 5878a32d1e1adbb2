"""Print matplotlib's color maps as `whylight/drawing/colormaps.py` holds them: all their colors, in hexadecimal.

python scripts/make_colormaps.py [NAME ...]

Matplotlib is needed here alone. Its maps are in the public domain (CC0; turbo is Google's, under the Apache License).
"""

import sys
import textwrap

import matplotlib
import numpy as np

NAMES = ("viridis", "magma", "inferno", "cividis", "turbo")
WIDTH = 108
"""Characters a line: whole colors."""


def table(name: str) -> str:
    """The colors of a map, red, green, blue, one after the other."""
    colors = matplotlib.colormaps[name]
    return bytes(np.round(colors(np.arange(colors.N))[:, :3] * 255).astype(np.uint8)).hex()


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        lines = "\n".join(f'        "{line}"' for line in textwrap.wrap(table(name), WIDTH))
        print(f'    "{name}": (\n{lines}\n    ),')
