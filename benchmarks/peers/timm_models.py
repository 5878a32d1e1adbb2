"""The families of timm as ONNX files, and the derivatives that PyTorch's autograd finds in them.

Runs in the peers' environment, for `coverage.py`:

    python timm_models.py list
    python timm_models.py export MODEL FOLDER
    python timm_models.py differentiate FOLDER

``list`` prints the smallest model of every module of ``timm.models`` as JSON. ``export`` writes ``model.onnx`` and the
program that PyTorch exported, ``model.pt2``. ``differentiate`` reads ``found.npz``: an image, a class and the values of
tensors of the ONNX graph; ``points.npz`` has those that replace PyTorch's own. It finds each tensor in the exported
program, and writes ``expected.npz``: the scores, and the derivatives of the class's with respect to the tensors and the
image.
"""

import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.models import is_model, list_modules
from torch import nn
from torch.export import ExportedProgram

OPSET = 20
_SAME = 1e-3
"""How far values of one tensor in ONNX Runtime and in PyTorch may lie apart, as a part of the largest."""


def smallest_models() -> dict[str, dict[str, Any]]:
    """Of every module, the model with the fewest parameters; timm's own miniatures for tests do not count."""
    chosen = {}
    for module in list_modules():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        with torch.device("meta"):
            sizes = {name: _parameters(name) for name in names}
        name = min(names, key=lambda name: (sizes[name], name))
        chosen[module] = {"model": name, "parameters": sizes[name]}
    return chosen


def _parameters(name: str) -> float:
    try:
        return sum(parameter.numel() for parameter in timm.create_model(name).parameters())
    except Exception:  # a few models cannot be made without memory
        return float("inf")


def random_model(name: str) -> nn.Module:
    """The model with random weights that let gradients pass.

    Parameters that start as constants (zero or tiny scales of residual branches, biases) become random ones. Batch
    normalizations divide by one number a layer, measured on two random images: activations keep their size through
    the network. With a mean and a deviation a channel, random networks are chaotic: PyTorch's own gradients in single
    and in double precision then lie several percent apart.
    """
    torch.manual_seed(0)
    model = timm.create_model(name)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                _randomize(path, parameter)
        normalizations = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        model.eval()
        for module in normalizations:
            module.train()
            module.momentum = None
        if normalizations:
            model(torch.randn(2, *_input_size(model)))
        for module in normalizations:
            module.running_var.fill_((module.running_var + module.running_mean**2).mean())
            module.running_mean.zero_()
    return model.eval()


def _randomize(path: str, parameter: torch.Tensor) -> None:
    if path.endswith("bias"):
        parameter.normal_(0, 0.1)
    elif parameter.squeeze().ndim >= 2:
        parameter.normal_(0, parameter[0].numel() ** -0.5)
    else:
        parameter.uniform_(0.5, 1.5)


def _input_size(model: nn.Module) -> tuple[int, int, int]:
    size = model.pretrained_cfg["input_size"]
    return tuple(size)


def export(name: str, folder: Path) -> None:
    """Write the model as ONNX with a dynamic batch (a fixed one where PyTorch cannot), and what to compare it with."""
    program = None
    for fused in (True, False):  # PyTorch cannot export its fused attention everywhere
        timm.layers.set_fused_attn(fused)
        model = random_model(name)
        images = torch.randn(2, *_input_size(model))
        batch = torch.export.Dim("batch", min=1, max=1024)
        for inputs, dynamic_shapes in ((images, ({0: batch},)), (images[:1], None)):
            try:
                program = program or _exported(model, inputs, dynamic_shapes)
            except Exception as error:
                print(f"fused attention {fused}, {len(inputs)} images: {error}", file=sys.stderr)
    if program is None:
        raise SystemExit("PyTorch does not export it, neither with a dynamic nor with a fixed batch")
    program.save(folder / "model.onnx")
    torch.export.save(program.exported_program, folder / "model.pt2")


def _exported(model: nn.Module, images: torch.Tensor, dynamic_shapes: Any) -> torch.onnx.ONNXProgram:
    program = torch.onnx.export(
        model,
        (images,),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=dynamic_shapes,
        input_names=["image"],
        output_names=["scores"],
        verbose=False,
    )
    assert program is not None
    return program


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


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["list"]:
            print(json.dumps(smallest_models()))
        case ["export", name, folder] if is_model(name):
            export(name, Path(folder))
        case ["differentiate", folder]:
            differentiate(Path(folder))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
