"""Make the pictures of the documents: ``python docs/make_pictures.py IMAGENET_FOLDER``.

IMAGENET_FOLDER holds a classifier of the 1000 ImageNet classes, ``results.nnp``, ``labels.txt`` and ``images``; the
second picture is made of the bundled samples.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

import whylight
from whylight.cli.demo import run_demo

PICTURES = Path(__file__).parent / "pictures"
_GAP = 8


def photographs(folder: Path) -> Image.Image:
    """The photographs in a row, and below each its overlay for the predicted class."""
    paths = sorted((folder / "images").glob("*.png"))
    explanations = whylight.load(folder / "results.nnp").explainer()(paths, "predicted")
    tiles = [(Image.open(path).convert("RGB"), one.overlay()) for path, one in zip(paths, explanations, strict=True)]
    width, height = tiles[0][0].size
    sheet = Image.new("RGB", ((width + _GAP) * len(tiles) - _GAP, 2 * height + _GAP), "white")
    for column, (photograph, overlay) in enumerate(tiles):
        sheet.paste(photograph, (column * (width + _GAP), 0))
        sheet.paste(overlay, (column * (width + _GAP), height + _GAP))
    return sheet


def methods(folder: Path) -> Image.Image:
    """One photograph, explained by all methods of one pass."""
    path = sorted((folder / "images").glob("*.png"))[1]
    return whylight.compare(folder / "results.nnp", path).picture(whylight.read_labels(folder / "labels.txt"))


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    photographs(Path(sys.argv[1])).save(PICTURES / "photographs.png", optimize=True)
    with tempfile.TemporaryDirectory() as temporary:
        run_demo(Path(temporary))
        Image.open(Path(temporary) / "cluttered_digits.png").save(PICTURES / "cluttered_digits.png", optimize=True)
    methods(Path(sys.argv[1])).save(PICTURES / "methods.jpg", quality=85)
