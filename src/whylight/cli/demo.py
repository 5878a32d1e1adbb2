"""``whylight demo``: both commands on the bundled samples, with one picture to look at."""

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib import resources
from pathlib import Path

from whylight import api
from whylight.drawing.grid import Cell, grid
from whylight.drawing.page import Page
from whylight.drawing.saving import save_page
from whylight.errors import WhylightError
from whylight.files.marks import OVERLAY, SHEET, signature
from whylight.files.writing import check_output
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
    _check(folder)
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
        summary = api.explain_dataset(explainer, sample / "output_result.csv", sample / "gradcam.csv", overwrite=True)
        save_page(partial(_sheet, explainer(images[:_COLUMNS], labels[:_COLUMNS])), folder / f"{name}.png")
        lines += [
            f"{name}: one image explained for class {labels[0]} (probability {single.probability:.3f})",
            f"  {sample / 'grad_cam.png'}",
            f"{name}: {summary.explained} images of output_result.csv explained, each for its own class",
            f"  {sample / 'gradcam.csv'}, overlays in {sample / 'gradcam'}",
        ]
    pictures = " and ".join(str(folder / f"{name}.png") for name in SAMPLES)
    return "\n".join([*lines, "", f"Look at {pictures}: images above, where the network looked below."])


def _check(folder: Path) -> None:
    """See that nothing is lost by it, before anything is written.

    Raises:
        WhylightError: there is a file of somebody else in the place of one of the demo's.
    """
    for name in SAMPLES:
        with _sample(name) as source:
            for path in (path for path in source.rglob("*") if path.is_file()):
                place = folder / name / path.relative_to(source)
                if not (place.is_file() and place.read_bytes() == path.read_bytes()):
                    check_output(place, SHEET)
        check_output(folder / name / "grad_cam.png", OVERLAY)
        check_output(folder / f"{name}.png", SHEET)


def _sample(name: str) -> AbstractContextManager[Path]:
    return resources.as_file(resources.files("whylight") / "samples" / name)


def _copy_sample(name: str, folder: Path) -> None:
    try:
        with _sample(name) as path:
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
    return grid([images, overlays], _TILE, title=signature(SHEET))
