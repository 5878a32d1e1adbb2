"""The smallest model of every module of ``timm.models``, for `coverage.py`; its miniatures for tests do not count."""

from functools import partial
from pathlib import Path

import torch_models  # first: timm imports torchvision, which needs what this puts in its place

# isort: split
import timm
from timm.models import list_modules
from torch import nn


def smallest_models() -> list[str]:
    """Of every module, the model with the fewest parameters."""
    chosen = []
    for module in list_modules():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        chosen.append(min(names, key=lambda name: (torch_models.parameters(partial(_made, name)), name)))
    return chosen


def _made(name: str) -> tuple[nn.Module, torch_models.Size]:
    model = timm.create_model(name)
    return model, tuple(model.pretrained_cfg["input_size"])


def _export(make: torch_models.MakeModel, folder: Path) -> None:
    try:
        timm.layers.set_fused_attn(True)
        torch_models.by_dynamo(make, folder)
    except Exception:  # PyTorch cannot export its fused attention everywhere
        timm.layers.set_fused_attn(False)
        torch_models.by_dynamo(make, folder)


if __name__ == "__main__":
    torch_models.run(smallest_models, _made, {"dynamo": _export})
