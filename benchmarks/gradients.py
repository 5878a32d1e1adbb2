"""Derivatives of model files against PyTorch's autograd in double precision.

    python benchmarks/gradients.py PEERS_PYTHON [MODEL ...]

MODEL is an .nnp or .onnx file; without one, the architectures that the onnx package ships are taken. PEERS_PYTHON is
the Python of an environment made as `requirements-peers.txt` says; `peers/onnx_in_torch.py` evaluates the graph there.
Printed is, for the Grad-CAM map and the derivatives with respect to an early, a middle and the last layer and to the
image, the largest difference by the largest value. Weights that a file makes with ConstantOfShape, as those of the onnx
package do, become random: between equal channels a maximum has no derivative.
"""

import argparse
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from explained import PLACES, errors_of, explain
from onnx import numpy_helper

import whylight
from whylight.classifier.classifier import Classifier
from whylight.graph.builder import GraphBuilder

_REFERENCE = Path(__file__).parent / "peers" / "onnx_in_torch.py"
_POSITIVE = {("BatchNormalization", 1), ("BatchNormalization", 4), ("Mul", 0), ("Mul", 1)}
"""Operators and the inputs of them that are scales and variances."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers_python", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    arguments = parser.parse_args()
    shipped = sorted(Path(onnx.__file__).parent.glob("backend/test/data/light/*.onnx"))
    print(f"| model | {' | '.join(['layer', 'map', *PLACES])} |\n|{' --- |' * 7}")
    for path in arguments.models or shipped:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            classifier = _with_random_weights(whylight.load(path))
            explain(classifier, folder)
            subprocess.run([arguments.peers_python, _REFERENCE, folder], check=True)
            errors = errors_of(folder)
        numbers = " | ".join(f"{errors[place]:.0e}" for place in ("map", *PLACES))
        print(f"| {path.name} | {classifier.default_layer.name} | {numbers} |", flush=True)


def _with_random_weights(classifier: Classifier) -> Classifier:
    model = onnx.ModelProto()
    model.CopyFrom(classifier.model)
    random = np.random.default_rng(0)
    for node in [node for node in model.graph.node if node.op_type == "ConstantOfShape"]:
        tensor = classifier.tensors[node.output[0]]
        shape = [tensor.size(axis) for axis in range(tensor.rank)]
        model.graph.node.remove(node)
        values = _weights(random, shape, *_reader(model, tensor.name))
        model.graph.initializer.append(numpy_helper.from_array(values, tensor.name))
    return replace(classifier, model=model, tensors=GraphBuilder.extending(model).tensors)


def _reader(model: onnx.ModelProto, name: str) -> tuple[str, int]:
    """The operator that reads a weight, by way of a new shape or not, and as which of its inputs."""
    for node in model.graph.node:
        if name in node.input:
            if node.op_type in ("Unsqueeze", "Reshape"):
                return _reader(model, node.output[0])
            return node.op_type, list(node.input).index(name)
    return "", 0


def _weights(random: np.random.Generator, shape: list[int], operator: str, place: int) -> np.ndarray:
    if (operator, place) in _POSITIVE:
        values = random.uniform(0.5, 1.5, shape)
    elif operator in ("Conv", "Gemm", "MatMul") and place == 1:
        inputs = np.prod(shape) / shape[-1 if operator == "MatMul" else 0]
        values = random.standard_normal(shape) * np.sqrt(2 / inputs)
    else:
        values = random.standard_normal(shape) * 0.1
    return values.astype(np.float32)


if __name__ == "__main__":
    main()
