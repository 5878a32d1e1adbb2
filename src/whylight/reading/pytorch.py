"""Networks in PyTorch: exported to ONNX in memory, where PyTorch is installed."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from math import prod
from pathlib import Path
from typing import Any

import onnx

from whylight.classifier.classifier import Classifier
from whylight.contract import kind_of
from whylight.errors import WhylightError
from whylight.graph.inference import OPSET
from whylight.options import ModelOptions
from whylight.reading.onnx_model import to_classifier
from whylight.reading.onnx_model.read import prepared

_USUAL_SIZE = (224, 224)


def load_module(module: Any, options: ModelOptions) -> Classifier:
    """The classifier in a ``torch.nn.Module``; its layers are named by the paths of its modules.

    It is exported in evaluation mode, and left in the mode that it was in. The image size is that of the options, else
    that of a timm configuration that it carries, else 224 x 224; for signals and volumes it has to be given, and for a
    network of products alone, which then may take pictures in one row.

    Raises:
        WhylightError: PyTorch's exporter is not installed or cannot export it.
    """
    torch = _torch()
    path = Path(type(module).__name__)
    configuration = getattr(module, "pretrained_cfg", None)
    timm: Mapping[str, Any] = configuration if isinstance(configuration, Mapping) else {}
    channels = _channels(module)
    size = options.input_size or tuple(timm.get("input_size", (0, *_USUAL_SIZE)))[1:]
    dimensions = _dimensions(module)
    size *= dimensions if len(size) == 1 else 1
    kind = kind_of(dimensions)
    if kind != "picture" and not options.input_size:
        expected = "(length,)" if kind == "signal" else "(depth, height, width)"
        raise WhylightError(f"{path}: say the size of its input: input_size={expected}")
    parameter = next(module.parameters(), None)
    as_weights = {"device": parameter.device, "dtype": parameter.dtype} if parameter is not None else {}
    was_training = module.training
    module.eval()
    try:
        shape = (2, numbers) if (numbers := _row(module, size)) else (2, channels, *size)
        model = _exported(path, torch, module, torch.zeros(shape, **as_weights))
    finally:
        module.train(was_training)
    held = _class_names(module)
    if timm.get("mean") and timm.get("std"):
        held |= {"mean": str(list(timm["mean"])), "std": str(list(timm["std"]))}
    onnx.helper.set_model_props(model, held)
    return to_classifier(path, model, options)


def read_exported_program(path: Path) -> onnx.ModelProto:
    """The program in a .pt2 file, as ``torch.export.save`` writes it, exported to ONNX in memory.

    Raises:
        WhylightError: PyTorch is not installed, or the file is no exported program.
    """
    torch = _torch()
    try:
        program = torch.export.load(path)
    except Exception as error:  # the loader's errors share no base class
        raise WhylightError(f"{path}: not an exported program of torch.export.save: {_reason(error)}") from error
    return _exported(path, torch, program, None)


def _torch() -> Any:
    try:
        import onnxscript  # noqa: F401
        import torch
    except ImportError as error:
        raise WhylightError(
            f"a PyTorch network needs the package '{error.name}': pip install 'whylight[torch]', "
            "or export the network to ONNX"
        ) from error
    return torch


def _channels(module: Any) -> int:
    """Of the first convolution; 3 where there is none."""
    return next((int(each.in_channels) for each in module.modules() if hasattr(each, "in_channels")), 3)


def _dimensions(module: Any) -> int:
    """Of the image, as the first convolution takes it; 2 where there is none."""
    sizes = (each.kernel_size for each in module.modules() if hasattr(each, "in_channels"))
    return next((len(size) for size in sizes if isinstance(size, tuple)), 2)


def _class_names(module: Any) -> dict[str, str]:
    """What networks of Ultralytics and of Hugging Face say of their classes, as metadata of a file."""
    found = {
        "names": getattr(module, "names", None),
        "id2label": getattr(getattr(module, "config", None), "id2label", None),
    }
    return {name: str(value) for name, value in found.items() if isinstance(value, Mapping | list | tuple)}


def _row(module: Any, size: Sequence[int]) -> int | None:
    """The numbers that it takes in one row, if it begins with a product of as many as a picture of that size has."""
    first = next(
        (each for each in module.modules() if hasattr(each, "in_channels") or hasattr(each, "in_features")), None
    )
    numbers = getattr(first, "in_features", None)
    return numbers if isinstance(numbers, int) and numbers % prod(size) == 0 else None


def _exported(path: Path, torch: Any, network: Any, example: Any) -> onnx.ModelProto:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    attempts: list[dict[str, Any]] = [{}]
    if example is not None:
        attempts = [{"args": (example,), "dynamic_shapes": dynamic}, {"args": (example[:1],)}]
    for number, attempt in enumerate(attempts, start=1):
        try:
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                # not optimized: that would make one layer of a convolution and the normalization after it
                program = torch.onnx.export(
                    network, **attempt, dynamo=True, opset_version=OPSET, optimize=False, verbose=False
                )
            return prepared(path, program.model_proto)
        except Exception as error:  # the exporter's errors share no base class
            if number == len(attempts):
                raise WhylightError(f"{path}: PyTorch cannot export it to ONNX: {_reason(error)}") from error
    raise AssertionError("unreachable")


def _reason(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
