"""Photographs of a camera: what an overlay costs on one core, in units of what Pillow takes to decode the photograph.

    python benchmarks/camera.py [PEERS_PYTHON] [--model results.nnp] [--photographs 3] [--rounds 7]

The photographs, 4000 x 3000 pixels in JPEG files of about 4 MB, are made here. What `gradcam-batch` does with a row,
from the file to the overlay's file, is timed against Pillow's decoding of the same file, in turn, in processor time of
one thread, the network included. So is pytorch-grad-cam's usual way, where the peers' Python is named (see
`requirements-peers.txt`): the model sees the photograph at 224 x 224, and the map is enlarged and laid over it.
"""

import argparse
import io
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from measuring import machine
from models import efficientnet_lite0
from PIL import Image

import whylight
from whylight.batch.options import BatchOptions
from whylight.batch.plan import Plan
from whylight.batch.step import Step
from whylight.files.bands import keeping_memory
from whylight.options import Rendering

HEIGHT, WIDTH = 3000, 4000
OVERLAYS = {
    "the model's size, PNG": ("input", "png"),
    "1024 pixels, PNG": ("1024", "png"),
    "1024 pixels, JPEG": ("1024", "jpg"),
    "full size, JPEG": ("original", "jpg"),
    "full size, PNG": ("original", "png"),
}
"""What is written: size and format."""


def photograph(seed: int) -> bytes:
    """A JPEG file's content: detail of all sizes, at some places more of it than at others, and a sensor's noise."""
    random = np.random.default_rng(seed)
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    size = 4
    while size <= WIDTH:
        detail = random.normal(size=(max(2, size * HEIGHT // WIDTH), size, 3)).astype(np.float32)
        detail = 0.3 * detail + 1.2 * detail.mean(-1, keepdims=True)
        amount = random.random((6, 8), np.float32) ** 2
        pixels += 240 / size**0.5 * _enlarged(detail) * _enlarged(amount[..., np.newaxis])
        size *= 2
    pixels += random.normal(0, 7, (HEIGHT, WIDTH, 1))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def _enlarged(values: np.ndarray) -> np.ndarray:
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(values, -1, 0)]
    return np.stack([plane.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC) for plane in planes], -1)


def seconds_of(call: Callable[[], object]) -> float:
    """Processor time."""
    start = time.process_time()
    call()
    return time.process_time() - start


def decode(file: Path) -> None:
    with Image.open(file) as image:
        image.load()


def rows_of(model: Path, files: Sequence[Path], folder: Path) -> dict[str, list[Callable[[], object]]]:
    """For each kind of overlay what makes that of each photograph."""
    explainer = whylight.explainer(model, device="cpu", threads=1, cache=False).with_threads(1)
    table = folder / "photographs.csv"
    table.write_text("x:image,y\n" + "".join(f"{file},0\n" for file in files), encoding="utf-8")
    dataset = whylight.open_dataset(table)
    calls: dict[str, list[Callable[[], object]]] = {}
    for name, (size, form) in OVERLAYS.items():
        plan = Plan(table, folder / form / "out.csv", BatchOptions(format=form), Rendering(size=size), batch_size=1)
        step = Step(plan, dataset, explainer)
        batches = [batch for shard in dataset.shards(len(files)) for batch in step.batches(shard)]
        calls[name] = [lambda batch=batch, step=step: step(batch) for batch in batches]  # type: ignore[misc]
    return calls


def peer_ratios(peers_python: Path, files: Sequence[Path], folder: Path, rounds: int) -> dict[str, float]:
    script = Path(__file__).parent / "peers" / "camera.py"
    overlays = json.dumps({name: list(overlay) for name, overlay in OVERLAYS.items()})
    words = [str(peers_python), str(script), overlays, str(folder), str(rounds), *map(str, files)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers_python", type=Path, nargs="?")
    parser.add_argument("--model", type=Path, help="default: an EfficientNet-Lite0 with random weights")
    parser.add_argument("--photographs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = [folder / f"{index}.jpg" for index in range(arguments.photographs)]
        for index, file in enumerate(files):
            file.write_bytes(photograph(index))
        model = arguments.model or efficientnet_lite0(folder / "model.nnp")
        calls = rows_of(model, files, folder)
        decoding: list[float] = []
        ratios: dict[str, list[float]] = {name: [] for name in OVERLAYS}
        for _ in range(arguments.rounds):
            for name, each in calls.items():
                decoded = [seconds_of(lambda file=file: decode(file)) for file in files]  # type: ignore[misc]
                with keeping_memory(1):
                    each[0]()  # from then on memory is kept, as in a long run
                    explained = [seconds_of(call) for call in each]
                decoding += decoded
                ratios[name] += [ours / plain for ours, plain in zip(explained, decoded, strict=True)]
        peer = peer_ratios(arguments.peers_python, files, folder, arguments.rounds) if arguments.peers_python else {}
        size = sum(file.stat().st_size for file in files) / len(files) / 1e6
    print(f"{machine()}; {len(files)} photographs of {WIDTH} x {HEIGHT}, {size:.1f} MB, {arguments.rounds} rounds")
    print(f"Pillow decodes one in {median(decoding):.3f} s\n")
    print("| overlay | in units of decoding | pytorch-grad-cam |\n| --- | --- | --- |")
    for name, measured in ratios.items():
        print(f"| {name} | {median(measured):.2f} | {f'{peer[name]:.2f}' if peer else ''} |")


if __name__ == "__main__":
    main()
