"""``whylight demo``: both commands on the bundled samples, with one picture to look at."""

import shutil
from collections.abc import Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from whylight import api
from whylight.drawing.grid import Cell, grid
from whylight.drawing.page import Page
from whylight.drawing.saving import save_page
from whylight.errors import WhylightError
from whylight.options import Rendering
from whylight.running.explanation import Explanation
from whylight.running.figures import tile, view_of

SAMPLES = ("mnist", "cluttered_digits")
_TILE = 112
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
        save_page(partial(_sheet, explainer(images[:_COLUMNS], labels[:_COLUMNS])), folder / f"{name}.png")
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


def _sheet(explanations: Sequence[Explanation], density: float) -> Page:
    """The images in a row, and below each its overlay with the class, and how probable the model finds it."""
    size = (round(_TILE * density), round(_TILE * density))
    views = [view_of(one) for one in explanations]
    images = [Cell(tile(seen, size, Rendering(alpha=0)), (_TILE, _TILE), "") for seen in views]
    overlays = [
        Cell(tile(seen, size, Rendering()), (_TILE, _TILE), f"{one.class_index}: {one.probability:.1%}")
        for one, seen in zip(explanations, views, strict=True)
    ]
    return grid([images, overlays], _TILE)
