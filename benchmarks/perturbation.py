"""Ablation-CAM and Score-CAM of one image on ResNet-50: whylight against pytorch-grad-cam.

    python benchmarks/perturbation.py PEERS_PYTHON [--channels 128] [--rounds 3] [--image FILE]

PEERS_PYTHON is the Python of an environment made as `requirements-peers.txt` says (and onnxscript). Both have the same
random weights, layer (the last block's output) and class. The peer passes the whole network once a channel, so that it
is timed on the first channels and its time taken times 2048 / channels (``--channels 2048``: measured in full, and the
maps are compared); with its default batch and with 1, 8, 16 and 32, the fastest of which counts. whylight is timed in
full. The two run in turn; ratios are medians over the rounds.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from measuring import machine
from PIL import Image

import whylight
from whylight.running.explainer import Explainer

CHANNELS = 2048
DEFAULT_BATCH = {"ablation-cam": 32, "score-cam": 16}
PEER = Path(__file__).parent / "peers" / "perturbation.py"
SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "chelsea.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers_python", type=Path)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--image", type=Path, default=SAMPLE)
    parser.add_argument("--methods", nargs="*", default=list(DEFAULT_BATCH))
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 16, 32])
    arguments = parser.parse_args()
    print(
        f"{machine()}; 2 threads, seconds for one image; the peer's for {arguments.channels} of 2048 channels, scaled"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pixels = np.asarray(Image.open(arguments.image).convert("RGB").resize((224, 224)), np.float32) / 255
        np.save(folder / "image.npy", pixels.transpose(2, 0, 1)[np.newaxis])
        _peer(arguments.peers_python, [folder, "score-cam", 1, 0, 0])
        classifier = whylight.load(folder / "resnet50.onnx", input_range="1")
        for method in arguments.methods:
            default = DEFAULT_BATCH[method]
            graph = whylight.compile(classifier, method, layer=classifier.layers[-1].name)
            explainer = Explainer(graph.SerializeToString(), threads=2)
            images = np.load(folder / "image.npy")
            class_index = int(explainer.run(images, np.array([-1]))[0].argmax())
            for batch in sorted({default, *arguments.batches}):
                pairs = []
                for _ in range(arguments.rounds):
                    start = time.perf_counter()
                    own_map = explainer.run(images, np.array([class_index]))[2][0]
                    own = time.perf_counter() - start
                    words = [folder, method, batch, arguments.channels, class_index]
                    pairs.append((own, _peer(arguments.peers_python, words)))
                ratio = median(peer / own for own, peer in pairs)
                print(
                    f"{method:13} {median(own for own, _ in pairs):8.2f}   pytorch-grad-cam, batch {batch:2}"
                    f"{' (default)' if batch == default else '':10} {median(peer for _, peer in pairs):8.1f}   "
                    f"whylight is {ratio:6.1f} times as fast",
                    flush=True,
                )
            if arguments.channels == CHANNELS:
                peers_map = np.load(folder / f"peer_{method}.npy")[0]
                print(f"{method:13} largest difference of the stretched maps {_difference(own_map, peers_map):.1e}")


def _peer(python: Path, words: list[object]) -> float:
    """Seconds for all channels."""
    done = subprocess.run([python, PEER, *map(str, words)], check=True, capture_output=True, text=True)
    if not done.stdout.strip():
        return 0.0
    seconds, part = done.stdout.split()[-2:]
    return float(seconds) / float(part)


def _difference(own: np.ndarray, peers: np.ndarray) -> float:
    """Of ours, stretched and enlarged as the peer does it: linearly, values in the middle of their cells."""
    stretched = Image.fromarray((own - own.min()) / np.ptp(own)).resize(peers.shape[::-1], Image.Resampling.BILINEAR)
    large = np.asarray(stretched)
    return float(np.abs((large - large.min()) / np.ptp(large) - peers).max())


if __name__ == "__main__":
    main()
