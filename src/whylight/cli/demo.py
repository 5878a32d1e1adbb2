"""``whylight demo``: both commands on the bundled samples, with one picture to look at."""

import shutil
from importlib import resources
from pathlib import Path

from PIL import Image

from whylight import api
from whylight.errors import WhylightError
from whylight.files.encoding import save_image

SAMPLES = ("mnist", "cluttered_digits")
_TILE = 128
_COLUMNS = 8


def run_demo(folder: Path) -> str:
    """Explain the bundled samples in ``folder``.

    Returns:
        What was written, and how to look at it.

    Raises:
        WhylightError: the folder cannot be written to.
    """
    lines: list[str] = []
    for name in SAMPLES:
        sample = folder / name
        _copy_sample(name, sample)
        explainer = api.explainer(sample / "results.nnp")
        dataset = api.open_dataset(sample / "output_result.csv")
        variables = [dataset.columns_of(variable) for variable in ("x", "y")]
        pairs = [(dataset.image(row, variables[0]), dataset.label(row, variables[1])) for row in dataset.rows()]
        images, labels = zip(*pairs, strict=True)
        single = explainer(images[0], labels[0])
        single.save(sample / "grad_cam.png")
        summary = api.explain_dataset(explainer, sample / "output_result.csv", sample / "gradcam.csv")
        tiles = [Image.open(image).convert("RGB") for image in images[:_COLUMNS]]
        overlays = [explanation.overlay() for explanation in explainer(images[:_COLUMNS], labels[:_COLUMNS])]
        save_image(_sheet([tiles, overlays]), folder / f"{name}.png")
        lines += [
            f"{name}: one image explained for class {labels[0]} (probability {single.probability:.3f})",
            f"  {sample / 'grad_cam.png'}",
            f"{name}: {summary.explained} images of output_result.csv explained, each for its own class",
            f"  {sample / 'gradcam.csv'}, overlays in {sample / 'gradcam'}",
        ]
    pictures = " and ".join(str(folder / f"{name}.png") for name in SAMPLES)
    return "\n".join([*lines, "", f"Look at {pictures}: images above, where the network looked below."])


def _copy_sample(name: str, folder: Path) -> None:
    source = resources.files("whylight") / "samples" / name
    try:
        with resources.as_file(source) as path:
            shutil.copytree(path, folder, dirs_exist_ok=True)
    except OSError as error:
        raise WhylightError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of images of any size, as tiles of one size."""
    sheet = Image.new("RGB", (_TILE * max(map(len, rows)), _TILE * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            tile = image.resize((_TILE - 4, _TILE - 4), Image.Resampling.NEAREST)
            sheet.paste(tile, (x * _TILE + 2, y * _TILE + 2))
    return sheet
