"""Write well-known networks as .nnp files with random weights: ``python benchmarks/models.py FOLDER``.

EfficientNet-Lite0 (224 x 224), ResNet-50 and VGG-16, 1000 classes each, in the published shapes. What a benchmark
measures does not depend on the weights.
"""

import argparse
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np


class NetworkWriter:
    """A network under construction: every method adds one function and returns its output variable."""

    def __init__(self, channels: int = 3, size: int = 224) -> None:
        self._random = np.random.default_rng(0)
        self._lines: list[str] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._parameters: dict[str, np.ndarray[Any, Any]] = {}
        self._count = 0
        self.input = self._variable("x", (-1, channels, size, size))

    def convolution(self, x: str, channels: int, kernel: int, stride: int = 1, depthwise: bool = False) -> str:
        """Convolution with "same" padding, batch normalization behind it."""
        _, before, height, width = self._shapes[x]
        group = before if depthwise else 1
        pad, size = kernel // 2, ((height - 1) // stride + 1, (width - 1) // stride + 1)
        scale = np.sqrt(2 / (before // group * kernel * kernel))
        weight = self._parameter((channels, before // group, kernel, kernel), scale)
        x = self._function(
            "Convolution",
            [x, weight],
            (-1, channels, *size),
            f"convolution_param {{ base_axis: 1 pad {{ dim: {pad} dim: {pad} }} "
            f"stride {{ dim: {stride} dim: {stride} }} dilation {{ dim: 1 dim: 1 }} group: {group} }}",
        )
        statistics = [self._parameter((1, channels, 1, 1), offset=value) for value in (0, 1, 0, 1)]
        return self._function(
            "BatchNormalization", [x, *statistics], self._shapes[x], "batch_normalization_param { axes: 1 eps: 0.001 }"
        )

    def activation(self, x: str, kind: str = "ReLU") -> str:
        """An elementwise function."""
        return self._function(kind, [x], self._shapes[x])

    def add(self, x: str, y: str) -> str:
        """The sum of two branches."""
        return self._function("Add2", [x, y], self._shapes[x])

    def max_pooling(self, x: str, kernel: int, pad: int = 0) -> str:
        """Max pooling with stride 2."""
        batch, channels, height, width = self._shapes[x]
        size = ((height + 2 * pad - kernel) // 2 + 1, (width + 2 * pad - kernel) // 2 + 1)
        return self._function(
            "MaxPooling",
            [x],
            (batch, channels, *size),
            f"max_pooling_param {{ kernel {{ dim: {kernel} dim: {kernel} }} stride {{ dim: 2 dim: 2 }} "
            f"ignore_border: true pad {{ dim: {pad} dim: {pad} }} }}",
        )

    def global_average(self, x: str) -> str:
        """The mean of every channel."""
        return self._function("GlobalAveragePooling", [x], (-1, self._shapes[x][1], 1, 1))

    def affine(self, x: str, outputs: int) -> str:
        """A fully connected layer."""
        inputs = int(np.prod(self._shapes[x][1:]))
        weight, bias = self._parameter((inputs, outputs), np.sqrt(1 / inputs)), self._parameter((outputs,))
        return self._function("Affine", [x, weight, bias], (-1, outputs), "affine_param { base_axis: 1 }")

    def save(self, path: Path, scores: str) -> Path:
        """Write the file, with a Softmax behind the scores."""
        y = self._function("Softmax", [scores], self._shapes[scores], "softmax_param { axis: 1 }")
        executor = (
            'executor { name: "runtime" network_name: "net" data_variable { variable_name: "x" data_name: "x" } '
            f'output_variable {{ variable_name: "{y}" data_name: "y\'" }} }}'
        )
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            for name, array in self._parameters.items():
                file[name] = array
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("network.nntxt", "\n".join(['network { name: "net"', *self._lines, "}", executor]))
            archive.writestr("parameter.h5", buffer.getvalue())
        return path

    def _variable(self, name: str, shape: Sequence[int], kind: str = "Buffer") -> str:
        dims = " ".join(f"dim: {extent}" for extent in shape)
        self._lines.append(f'variable {{ name: "{name}" type: "{kind}" shape {{ {dims} }} }}')
        self._shapes[name] = tuple(shape)
        return name

    def _parameter(self, shape: Sequence[int], scale: float = 0, offset: float = 0) -> str:
        name = self._variable(f"p{len(self._parameters)}", shape, "Parameter")
        self._parameters[name] = (self._random.standard_normal(shape) * scale + offset).astype(np.float32)
        return name

    def _function(self, kind: str, inputs: Sequence[str], shape: Sequence[int], parameter: str = "") -> str:
        self._count += 1
        output = self._variable(f"{kind}_{self._count}_out", shape)
        reads = " ".join(f'input: "{name}"' for name in inputs)
        self._lines.append(
            f'function {{ name: "{kind}_{self._count}" type: "{kind}" {reads} output: "{output}" {parameter} }}'
        )
        return output


def efficientnet_lite0(path: Path) -> Path:
    """EfficientNet-Lite0: inverted bottlenecks with ReLU6, 4.7 million parameters."""
    net = NetworkWriter()
    x = net.activation(net.convolution(net.input, 32, 3, 2), "ReLU6")
    channels = 32
    for expansion, kernel, stride, outputs, repeats in (
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ):
        for repeat in range(repeats):
            shortcut, width = x, channels * expansion
            if expansion > 1:
                x = net.activation(net.convolution(x, width, 1), "ReLU6")
            x = net.activation(net.convolution(x, width, kernel, stride if repeat == 0 else 1, depthwise=True), "ReLU6")
            x = net.convolution(x, outputs, 1)
            x = net.add(x, shortcut) if repeat else x
            channels = outputs
    x = net.activation(net.convolution(x, 1280, 1), "ReLU6")
    return net.save(path, net.affine(net.global_average(x), 1000))


def resnet50(path: Path) -> Path:
    """ResNet-50: bottlenecks, 25.6 million parameters."""
    net = NetworkWriter()
    x = net.max_pooling(net.activation(net.convolution(net.input, 64, 7, 2)), 3, 1)
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            step = stride if block == 0 else 1
            shortcut = net.convolution(x, 4 * width, 1, step) if block == 0 else x
            x = net.activation(net.convolution(x, width, 1))
            x = net.activation(net.convolution(x, width, 3, step))
            x = net.activation(net.add(net.convolution(x, 4 * width, 1), shortcut))
    return net.save(path, net.affine(net.global_average(x), 1000))


def vgg16(path: Path) -> Path:
    """VGG-16 (with batch normalization): 138 million parameters."""
    net = NetworkWriter()
    x = net.input
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            x = net.activation(net.convolution(x, channels, 3))
        x = net.max_pooling(x, 2)
    for width in (4096, 4096):
        x = net.activation(net.affine(x, width))
    return net.save(path, net.affine(x, 1000))


MODELS = {"efficientnet_lite0": efficientnet_lite0, "resnet50": resnet50, "vgg16": vgg16}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path())
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in MODELS.items():
        print(write(folder / f"{name}.nnp"))
