"""What an explanation costs on top of inference: the compiled explainer against the plain model, in ONNX Runtime.

    python benchmarks/overhead.py [--batch 16] [--pairs 15] [--method NAME ...] [MODEL.nnp ...]

Without models: EfficientNet-Lite0, ResNet-50 and VGG-16 in the published shapes, with random weights. Several methods
(``all``: those of one pass that the model allows) are measured one after another.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from measuring import interleaved, machine
from models import MODELS

import whylight
from whylight.compiling.compiler import compile_explainer
from whylight.methods import methods


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--method", nargs="+", default=["gradcam"], metavar="NAME", dest="methods")
    arguments = parser.parse_args()
    print(f"{machine()}, ONNX Runtime {onnxruntime.__version__}; batch {arguments.batch}, {arguments.pairs} pairs")
    with tempfile.TemporaryDirectory() as temporary:
        paths = arguments.models or [write(Path(temporary) / f"{name}.nnp") for name, write in MODELS.items()]
        for path in paths:
            _measure(path, arguments.batch, arguments.pairs, arguments.methods)


def _measure(path: Path, batch: int, pairs: int, names: list[str]) -> None:
    classifier = whylight.load(path)
    facts = classifier.input
    images = np.random.default_rng(0).random((batch, facts.channels, facts.height, facts.width), np.float32)
    class_index = np.arange(batch) % classifier.class_count
    plain = _session(classifier.model.SerializeToString())
    print(path.stem)
    for name in [name for name, method in methods().items() if not method.driver] if names == ["all"] else names:
        try:
            explainer = _session(compile_explainer(classifier, name).SerializeToString())
        except whylight.WhylightError as error:
            print(f"  {name:20}  {error}")
            continue
        explained, forward, ratio = interleaved(
            partial(explainer.run, None, {facts.name: images, "class_index": class_index}),
            partial(plain.run, None, {facts.name: images}),
            pairs,
        )
        plain_time, explained_time = (f"{seconds * 1000 / batch:7.2f}" for seconds in (forward, explained))
        print(f"  {name:20}  plain {plain_time} ms an image  explained {explained_time}  ratio {ratio:.3f}", flush=True)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    main()
