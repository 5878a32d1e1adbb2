"""Files to overlays: what `gradcam-batch` reaches, against the processor time of its parts.

    python benchmarks/throughput.py MODEL.nnp [--images 2000] [--size 224] [--gray]

Writes a dataset of PNG files of noise-textured shapes, measures decoding, the plain network and encoding each alone on
one core, and the whole command; the ratio says how much of what the cores allow is reached.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from measuring import machine
from PIL import Image

import whylight
from whylight.files.encoding import encoded_image
from whylight.images.pictures import model_input, read_picture


def write_dataset(folder: Path, count: int, size: int, gray: bool) -> Path:
    """PNG files with smooth shapes and some noise, as photographs have, and their CSV."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    steps = np.linspace(0, 1, size)
    lines = ["x:image,y:label"]
    for index in range(count):
        slopes = random.uniform(0, 12, (2, 3))
        waves = np.sin(steps[:, None, None] * slopes[0] + steps[None, :, None] * slopes[1])
        pixels = waves * 90 + 128 + random.normal(0, 4, (size, size, 3))
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        (image.convert("L") if gray else image).save(folder / "images" / f"{index}.png", compress_level=1)
        lines.append(f"images/{index}.png,{index % 10}")
    table = folder / "dataset.csv"
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return table


def seconds_each(call: object, times: int) -> float:
    """Processor seconds of one call on one core."""
    start = time.process_time()
    for index in range(times):
        call(index)  # type: ignore[operator]
    return (time.process_time() - start) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--gray", action="store_true")
    parser.add_argument("options", nargs="*", help="for gradcam-batch, behind --")
    arguments = parser.parse_args()
    classifier = whylight.load(arguments.model)
    facts = classifier.input
    with tempfile.TemporaryDirectory() as temporary:
        table = write_dataset(Path(temporary), arguments.images, arguments.size, arguments.gray)
        files = [table.parent / "images" / f"{index}.png" for index in range(100)]
        decode = seconds_each(lambda i: read_picture(files[i], facts.channels), len(files))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        plain = onnxruntime.InferenceSession(
            classifier.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        pictures = [read_picture(file, facts.channels) for file in files[:16]]
        batch = np.stack([model_input(picture, (facts.height, facts.width), facts.maximum) for picture in pictures])
        plain.run(None, {facts.name: batch})
        forward = seconds_each(lambda _: plain.run(None, {facts.name: batch}), 8) / len(batch)
        overlays = [explanation.overlay() for explanation in classifier.explainer()(files[:16], "predicted")]
        encode = seconds_each(lambda i: encoded_image(overlays[i % 16], ".png"), 64)
        command = [sys.executable, "-m", "whylight", "gradcam-batch", "--model", str(arguments.model)]
        command += ["--input", str(table), "--output", str(table.with_name("gradcam.csv")), *arguments.options]
        start = time.perf_counter()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        whole = time.perf_counter() - start
    rate = float(said.split(" explained, ")[1].split(" ")[0])
    cores = os.cpu_count() or 1
    allowed = cores / (decode + forward + encode)
    print(f"{machine()}; {arguments.images} PNG files of {arguments.size} x {arguments.size}, {arguments.model.name}")
    print(
        f"milliseconds on one core: decode {decode * 1e3:.2f}, forward {forward * 1e3:.2f}, encode {encode * 1e3:.2f}"
    )
    print(f"images a second: {rate:.1f}; the cores allow {allowed:.1f}; ratio {rate / allowed:.2f}")
    print(f"the whole command: {whole:.1f} s, {whole / arguments.images * 1e3:.3f} ms an image")


if __name__ == "__main__":
    main()
