"""What the scripts share that export models of PyTorch: random weights, PyTorch's two exporters."""

import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import torch
from answering import serve
from torch import nn

OPSET = 20
Size = tuple[int, int, int]
MakeModel = Callable[[], tuple[nn.Module, Size]]
"""Gives a model and the channels, height and width of its image."""
MakeNamed = Callable[[str], tuple[nn.Module, Size]]
Exporter = Callable[[MakeModel, Path], None]
"""Writes ``model.onnx`` into a folder, and ``model.pt2`` where it has the program that PyTorch exported."""

# torchvision's wheel is built for another PyTorch than that of the processor alone; its models need none of these.
_operators = torch.library.Library("torchvision", "FRAGMENT")
for _name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, _name):
        _operators.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def run(names: Callable[[], Iterable[str]], make: MakeNamed, exporters: Mapping[str, Exporter]) -> None:
    """Serve models by name, see `answering.py`."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    serve(
        lambda: {name: parameters(partial(make, name)) for name in names()},
        {how: partial(_export, export, make) for how, export in exporters.items()},
    )


def _export(export: Exporter, make: MakeNamed, name: str, folder: Path) -> None:
    export(partial(make, name), folder)


def parameters(make: MakeModel) -> float:
    try:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in make()[0].parameters())
    except Exception:  # a few models cannot be made without memory
        return float("inf")


def random_model(make: MakeModel) -> tuple[nn.Module, Size]:
    """The model with random weights that let gradients pass.

    Parameters that start as constants (zero or tiny scales of residual branches, biases) become random ones. Batch
    normalizations divide by one number a layer, measured on two random images: activations keep their size through
    the network. With a mean and a deviation a channel, random networks are chaotic: PyTorch's own gradients in single
    and in double precision then lie several percent apart.
    """
    torch.manual_seed(0)
    model, size = make()
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
            model(torch.randn(2, *size))
        for module in normalizations:
            module.running_var.fill_((module.running_var + module.running_mean**2).mean())
            module.running_mean.zero_()
    return model.eval(), size


def _randomize(path: str, parameter: torch.Tensor) -> None:
    if path.endswith("bias"):
        parameter.normal_(0, 0.1)
    elif parameter.squeeze().ndim >= 2:
        parameter.normal_(0, parameter[0].numel() ** -0.5)
    else:
        parameter.uniform_(0.5, 1.5)


def _dynamo(make: MakeModel, folder: Path, is_dynamic: bool) -> None:
    """PyTorch's default exporter, and the program that it exported, ``model.pt2``."""
    model, size = random_model(make)
    program = torch.onnx.export(
        model,
        (torch.randn(1 + is_dynamic, *size),),
        dynamo=True,
        opset_version=OPSET,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1024)},) if is_dynamic else None,
        input_names=["image"],
        output_names=["scores"],
        verbose=False,
    )
    program.save(folder / "model.onnx")
    torch.export.save(program.exported_program, folder / "model.pt2")


def by_dynamo(make: MakeModel, folder: Path) -> None:
    """With a dynamic batch, or with a fixed one where PyTorch cannot."""
    try:
        _dynamo(make, folder, is_dynamic=True)
    except Exception as error:
        print(f"with a dynamic batch: {error}", file=sys.stderr)
        _dynamo(make, folder, is_dynamic=False)


def _torchscript(make: MakeModel, folder: Path, is_dynamic: bool) -> None:
    """The older exporter, which records one run of the model."""
    model, size = random_model(make)
    names = {"image": {0: "batch"}, "scores": {0: "batch"}} if is_dynamic else None
    torch.onnx.export(
        model,
        (torch.randn(1 + is_dynamic, *size),),
        str(folder / "model.onnx"),
        dynamo=False,
        opset_version=17,
        dynamic_axes=names,
        input_names=["image"],
        output_names=["scores"],
    )


BOTH_EXPORTERS: dict[str, Exporter] = {
    "dynamo, any batch": partial(_dynamo, is_dynamic=True),
    "dynamo, one image": partial(_dynamo, is_dynamic=False),
    "TorchScript, any batch": partial(_torchscript, is_dynamic=True),
    "TorchScript, one image": partial(_torchscript, is_dynamic=False),
}
