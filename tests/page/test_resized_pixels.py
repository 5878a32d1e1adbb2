"""Images are resized in a page as Pillow resizes them, to the bit."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from samples import BUNDLED

RESIZE = BUNDLED.parent / "page" / "resize.js"
SIZES = [
    ((28, 28), (28, 28)),
    ((50, 37), (28, 28)),
    ((10, 12), (224, 224)),
    ((333, 500), (224, 224)),
    ((97, 89), (13, 17)),
    ((300, 7), (33, 64)),
    ((7, 300), (64, 33)),
    ((28, 28), (28, 61)),
    ((64, 31), (30, 31)),
    ((200, 60), (104, 28)),
]
_SCRIPT = """
import {{ readFileSync, writeFileSync }} from "node:fs";
const module = "data:text/javascript;base64," + readFileSync({resize}).toString("base64");
const {{ resizedBytes }} = await import(module);
for (const {{ source, target, channels, from, to }} of {cases})
  writeFileSync(target, resizedBytes(new Uint8Array(readFileSync(source)), channels, from, to));
"""

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")


def test_it_is_pillows_bilinear_filter(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = [
        random.integers(0, 256, (*size, channels), np.uint8) // white * white
        for size, _ in SIZES
        for channels, white in ((1, 1), (3, 1), (3, 255))
    ]
    wanted = [to for _, to in SIZES for _ in range(3)]
    cases = []
    for number, (image, (height, width)) in enumerate(zip(images, wanted, strict=True)):
        image.tofile(tmp_path / f"{number}.in")
        sizes = {
            "from": {"width": image.shape[1], "height": image.shape[0]},
            "to": {"width": width, "height": height},
        }
        names = {"source": str(tmp_path / f"{number}.in"), "target": str(tmp_path / f"{number}.out")}
        cases.append({**names, **sizes, "channels": image.shape[2]})
    script = tmp_path / "resize.mjs"
    script.write_text(_SCRIPT.format(resize=json.dumps(str(RESIZE)), cases=json.dumps(cases)), "utf-8")
    subprocess.run(["node", script], check=True, timeout=60)
    # Pillow before 13 rounds between the two directions in another order
    most = 0 if int(PIL.__version__.split(".")[0]) >= 13 else 1
    for number, (image, (height, width)) in enumerate(zip(images, wanted, strict=True)):
        plain = image[..., 0] if image.shape[2] == 1 else image
        expected = np.asarray(Image.fromarray(plain).resize((width, height), Image.Resampling.BILINEAR))
        found = np.fromfile(tmp_path / f"{number}.out", np.uint8).reshape(expected.shape)
        assert np.abs(found.astype(int) - expected).max() <= most, (image.shape, (height, width))
