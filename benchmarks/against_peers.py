"""A dataset from files to overlays: whylight against pytorch-grad-cam, torchcam and captum.

    python benchmarks/against_peers.py PEERS_PYTHON [--images 320] [--rounds 3] [--lite0 results.nnp]

PEERS_PYTHON is the Python of an environment made as `requirements-peers.txt` says. Each tool runs in a process of its
own, with the same batch size and number of threads, in turn; images a second without start-up, medians of the rounds.
EfficientNet-Lite0 has the published weights in both where ``--lite0`` names a .nnp with them, otherwise random ones;
what is measured does not depend on them.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import machine
from models import efficientnet_lite0, resnet50
from throughput import write_dataset

PEERS = ("pytorch-grad-cam", "torchcam", "captum")
_RATE = re.compile(r"([\d.]+)(?: images)? a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers_python", type=Path)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lite0", type=Path)
    arguments = parser.parse_args()
    print(f"{machine()}; {arguments.images} PNG files of 224 x 224, batch 16, 2 threads, images a second")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        table = write_dataset(folder / "data", arguments.images, 224, gray=False)
        models = {
            "efficientnet_lite0": arguments.lite0 or efficientnet_lite0(folder / "lite0.nnp"),
            "resnet50": resnet50(folder / "resnet50.nnp"),
        }
        for name, model in models.items():
            commands = {"whylight": _ours(model, table)}
            for peer in PEERS:
                script = Path(__file__).parent / "peers" / "dataset.py"
                commands[peer] = [arguments.peers_python, script, peer, name, table, folder / "overlays"]
            rates: dict[str, list[float]] = {tool: [] for tool in commands}
            for _ in range(arguments.rounds):
                for tool, command in commands.items():
                    rates[tool].append(_rate(command))
            own = rates["whylight"]
            for tool, measured in rates.items():
                ratio = median(a / b for a, b in zip(own, measured, strict=True))
                print(
                    f"{name:20} {tool:18} {median(measured):7.1f}   whylight is {ratio:5.1f} times as fast", flush=True
                )


def _ours(model: Path, table: Path) -> list[str | Path]:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "whylight",
        "gradcam-batch",
        "--batch_size",
        "16",
        "--threads",
        "2",
        "--overwrite",
    ]
    return [*command, "--model", model, "--input", table, "--output", table.with_name("gradcam.csv")]


def _rate(command: list[str | Path]) -> float:
    done = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    found = _RATE.search(done.stdout)
    if not found:
        raise SystemExit(f"{command[0]} said nothing of images a second: {done.stdout}")
    return float(found[1])


if __name__ == "__main__":
    main()
