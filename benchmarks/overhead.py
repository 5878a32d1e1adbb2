"""What an explanation costs on top of inference: the compiled explainer against the plain model, in ONNX Runtime.

    python benchmarks/overhead.py [--batch 16] [--pairs 15] [MODEL.nnp ...]

Without models: EfficientNet-Lite0, ResNet-50 and VGG-16 in the published shapes, with random weights.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from measuring import interleaved, machine
from models import MODELS

import whylight
from whylight.compiler import compile_explainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=15)
    arguments = parser.parse_args()
    print(f"{machine()}, ONNX Runtime {onnxruntime.__version__}; batch {arguments.batch}, {arguments.pairs} pairs")
    with tempfile.TemporaryDirectory() as temporary:
        paths = arguments.models or [write(Path(temporary) / f"{name}.nnp") for name, write in MODELS.items()]
        for path in paths:
            print(_measured(path, arguments.batch, arguments.pairs))


def _measured(path: Path, batch: int, pairs: int) -> str:
    classifier = whylight.load(path)
    facts = classifier.input
    images = np.random.default_rng(0).random((batch, facts.channels, facts.height, facts.width), np.float32)
    class_index = np.arange(batch) % classifier.class_count
    plain = _session(classifier.model.SerializeToString())
    explainer = _session(compile_explainer(classifier).SerializeToString())
    explained, forward, ratio = interleaved(
        lambda: explainer.run(None, {facts.name: images, "class_index": class_index}),
        lambda: plain.run(None, {facts.name: images}),
        pairs,
    )
    milliseconds = 1000 / batch
    return (
        f"{path.stem:20}  plain {forward * milliseconds:7.2f} ms an image"
        f"  explained {explained * milliseconds:7.2f}  ratio {ratio:.3f}"
    )


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
