"""Result CSVs to make reports of."""

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samples import BUNDLED, evaluation
from whylight.contract import Origin
from whylight.dataset.result_facts import FILE, ResultFacts


def write_table(folder: Path, header: str, rows: Iterable[Sequence[Any]]) -> Path:
    """A CSV of these rows."""
    path = folder / "gradcam.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def write_image(path: Path, width: int = 28, height: int = 28, seed: int = 0) -> Path:
    """An RGB image of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)).save(path)
    return path


def state_facts(folder: Path, origin: Origin, variable: str | None, names: Sequence[str] = ()) -> None:
    """What a run says of all overlays, those that lie in a folder of ``folder``."""
    facts = ResultFacts(origin, variable, "gradcam", "conv5", "m.onnx", "logit", tuple(names))
    (folder / FILE).write_bytes(facts.to_bytes())


def digits_result(folder: Path) -> Path:
    """The bundled digits with their images as overlays: as ``gradcam-batch`` leaves them."""
    shutil.copytree(BUNDLED / "mnist" / "images", folder / "images")
    images, labels, outputs = evaluation(BUNDLED / "mnist" / "output_result.csv")
    rows = [
        [f"images/{image.name}", f"./images/{image.name}", label, *values]
        for image, label, values in zip(images, labels, outputs, strict=True)
    ]
    outputs_header = ",".join(f"y'__{index}" for index in range(outputs.shape[1]))
    return write_table(folder, f"gradcam,x:image,y:label,{outputs_header}", rows)
