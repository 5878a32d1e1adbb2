"""One image from the shell with a model that is in the cache, against the least that such a command can take.

    python benchmarks/start_up.py IMAGE [--model results.nnp] [--pairs 15]

The least is ``python -c "import onnxruntime, numpy"``.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from measuring import command, interleaved, machine
from models import efficientnet_lite0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--model", type=Path, help="default: an EfficientNet-Lite0 with random weights")
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = arguments.model or efficientnet_lite0(folder / "model.nnp")
        output = folder / "a.png"
        ours = command(
            sys.executable, "-m", "whylight", "gradcam", "-m", model, "-image", arguments.image, "-o", output
        )
        least = command(sys.executable, "-c", "import onnxruntime, numpy")
        own, imports, ratio = interleaved(ours, least, arguments.pairs)
    print(f"{machine()}; medians of {arguments.pairs} interleaved pairs")
    print(f"whylight gradcam           {own:6.3f} s")
    print(f"import onnxruntime, numpy  {imports:6.3f} s")
    print(f"ratio                      {ratio:6.2f}")


if __name__ == "__main__":
    main()
