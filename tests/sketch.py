"""Networks in ONNX that a test writes line by line."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from onnx_samples import CLASSES, Array, model

SIZE = 16


class Sketch:
    """A network that is written line by line; every tensor is named as its node."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: dict[str, Array] = {}
        self.random = np.random.default_rng(0)

    def node(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def weight(self, name: str, *shape: int) -> str:
        self.values[name] = self.random.standard_normal(shape).astype(np.float32)
        return name

    def numbers(self, name: str, *values: int) -> str:
        self.values[name] = np.array(values, np.int64)
        return name

    def conv(self, name: str, source: str, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> str:
        weight = self.weight(f"{name}.weight", outputs, inputs, kernel, kernel)
        return self.node("Conv", name, source, weight, pads=[kernel // 2] * 4, strides=[stride] * 2)

    def relu_conv(self, name: str, source: str, inputs: int, outputs: int, kernel: int = 3) -> str:
        return self.node("Relu", f"{name}.relu", self.conv(name, source, inputs, outputs, kernel))

    def head(self, source: str, channels: int, name: str = "scores") -> str:
        pooled = self.node("Flatten", f"{name}.flat", self.node("GlobalAveragePool", f"{name}.pooled", source))
        return self.node("MatMul", name, pooled, self.weight(f"{name}.weight", channels, CLASSES))

    def save(self, path: Path) -> Path:
        inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIZE, SIZE])]
        outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])]
        onnx.save(model(self.nodes, inputs, outputs, self.values), path)
        return path
