"""The derivatives that PyTorch's autograd finds in a program that PyTorch exported.

Runs in the peers' environment, for `coverage.py`, and takes one folder after another, see `answering.py`. It reads
``model.pt2`` and ``found.npz``: an image, a class and the values of tensors of the ONNX graph; ``points.npz`` has those
that replace PyTorch's own. It finds each tensor in the exported program, and writes ``expected.npz``: the scores, and
the derivatives of the class's with respect to the tensors and the image.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from answering import answer
from torch.export import ExportedProgram

_SAME = 1e-3
"""How far values of one tensor in ONNX Runtime and in PyTorch may lie apart, as a part of the largest."""


class Recorder(torch.fx.Interpreter):
    """Runs an exported program and keeps every tensor; one of them, the leaf, may be differentiated by.

    Tensors for which a point is given take its values, and pass their gradient on as before.

    Batch normalization is computed by its formula: the derivative of PyTorch's own operator is wrong where the
    gradient that reaches it is not contiguous (2.14, processor; finite differences of the models show it).
    """

    def __init__(self, program: ExportedProgram, points: Mapping[str, torch.Tensor]) -> None:
        super().__init__(program.module(check_guards=False), garbage_collect_values=False)
        self.tensors: dict[str, torch.Tensor] = {}
        self.leaf: str | None = None
        self.points = points

    def run_node(self, node: torch.fx.Node) -> Any:
        """Evaluate one node; one that is a leaf starts a graph of its own."""
        if node.target in _FORMULAS:
            arguments, named = self.fetch_args_kwargs_from_env(node)
            value = _FORMULAS[node.target](*arguments, **named)
        else:
            value = super().run_node(node)
        if isinstance(value, torch.Tensor) and value.is_floating_point() and node.op != "get_attr":
            point = self.points.get(node.name)
            if point is not None and _is_same(value, point):
                value = value + (point - value).detach()
            if node.name == self.leaf:
                value = value.detach().clone().requires_grad_(True)
            self.tensors[node.name] = value
        return value


def _normalized(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    mean: torch.Tensor,
    variance: torch.Tensor,
    momentum: float,
    epsilon: float,
) -> tuple[torch.Tensor]:
    """(x - mean) / sqrt(variance + epsilon) weight + bias, along axis 1."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    factor = weight * (variance + epsilon).rsqrt()
    return ((x - mean.view(shape)) * factor.view(shape) + bias.view(shape),)


def _broadcast(x: torch.Tensor, shape: list[int], axes: list[int]) -> torch.Tensor:
    """``x`` with its axes put at ``axes`` of the shape, and repeated along the others."""
    sizes = [1] * len(shape)
    for axis, size in zip(axes, x.shape, strict=True):
        sizes[axis] = size
    return x.reshape(sizes).expand(shape)


def _variance(x: torch.Tensor, axes: list[int], correction: float = 1, **_: Any) -> torch.Tensor:
    return torch.var(x, axes, correction=correction)


_FORMULAS = {
    torch.ops.aten.copy.default: lambda old, new, *_: new.to(old.dtype).expand_as(old),
    torch.ops.aten.view.default: torch.reshape,
    torch.ops.aten._native_batch_norm_legit_no_training.default: _normalized,
    torch.ops.prims.broadcast_in_dim.default: _broadcast,
    torch.ops.prims.var.default: _variance,
}
"""What has no derivative in PyTorch or a wrong one, and what fails for some orders of the elements in memory."""


def differentiate(folder: Path) -> None:
    """The derivatives of the class score with respect to the tensors in the file."""
    found = np.load(folder / "found.npz")
    image, index = torch.from_numpy(found["image"]), int(found["class index"])
    points = {name: torch.from_numpy(value) for name, value in np.load(folder / "points.npz").items()}
    recorder = Recorder(torch.export.load(folder / "model.pt2"), points)
    with torch.no_grad():
        (scores,) = _tensors(recorder.run(image))
    values = {name: tensor.clone() for name, tensor in recorder.tensors.items()}
    expected = {"scores": scores.numpy()}
    for name in set(found.files) - {"class index"}:
        recorder.leaf = _matching(values, name, torch.from_numpy(found[name]))
        if recorder.leaf:
            (scores,) = _tensors(recorder.run(image))
            expected[name] = torch.autograd.grad(scores[0, index], recorder.tensors[recorder.leaf])[0].numpy()
    np.savez(folder / "expected.npz", **expected)


def _tensors(outputs: Any) -> list[torch.Tensor]:
    return [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)


def _matching(values: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> str | None:
    """The tensor of the program that has this name and value, else the first that has this value."""
    for candidate in [name, *values]:
        tensor = values.get(candidate)
        if tensor is not None and _is_same(tensor, value):
            return candidate
    return None


def _is_same(tensor: torch.Tensor, value: torch.Tensor) -> bool:
    if tensor.shape != value.shape or tensor.dtype != value.dtype:
        return False
    return float((tensor - value).abs().max()) <= _SAME * float(tensor.abs().max())


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    answer(lambda folder: differentiate(Path(folder)))
