"""One image from a cold start, in the shell: whylight against pytorch-grad-cam, on EfficientNet-Lite0.

    python benchmarks/one_image.py PEERS_PYTHON IMAGE [--model results.nnp] [--pairs 5]

PEERS_PYTHON is the Python of an environment made as `requirements-peers.txt` says.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from measuring import command, interleaved, machine
from models import efficientnet_lite0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers_python", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--model", type=Path, help="an EfficientNet-Lite0 (default: one with random weights)")
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = arguments.model or efficientnet_lite0(folder / "model.nnp")
        options = ("--image", arguments.image, "--class_index", "285", "--output", folder / "a.png")
        ours = command(sys.executable, "-m", "whylight", "gradcam", "--model", model, *options)
        script = Path(__file__).parent / "peers" / "one_image.py"
        theirs = command(arguments.peers_python, script, arguments.image, "285", folder / "b.png")
        memory = ours()
        own, peer, ratio = interleaved(ours, theirs, arguments.pairs)
        print(f"{machine()}; medians of {arguments.pairs} interleaved pairs")
        print(f"whylight          {own:6.2f} s  {memory:6.0f} MiB")
        print(f"pytorch-grad-cam  {peer:6.2f} s  {theirs():6.0f} MiB")
        print(f"ratio             {ratio:6.3f}")


if __name__ == "__main__":
    main()
