"""Datasets for tests of batches, and what a run over one wrote."""

import shutil
from pathlib import Path
from typing import Any

import whylight
from samples import BUNDLED
from whylight.running.explainer import Explainer

SAMPLE = BUNDLED / "mnist"


def explainer_with(**execution: Any) -> Explainer:
    """The sample's explainer, run in a certain way."""
    return Explainer(whylight.load(SAMPLE / "results.nnp").explainer().content(), **execution)


def dataset(folder: Path, rows: int = 360) -> Path:
    """A dataset in ``folder``, which is made, with the sample's images again and again."""
    folder.mkdir(parents=True, exist_ok=True)
    header, *lines = (SAMPLE / "output_result.csv").read_text("utf-8").splitlines()
    shutil.copytree(SAMPLE / "images", folder / "images")
    path = folder / "output_result.csv"
    path.write_text("\n".join([header, *(lines[i % len(lines)] for i in range(rows))]) + "\n", encoding="utf-8")
    shutil.copy(SAMPLE / "results.nnp", folder)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Everything that a run wrote."""
    written = [folder / "gradcam.csv", *folder.rglob("gradcam/**/*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in written if path.is_file()}
