"""The smallest model of every module of ``timm.models``, for `coverage.py`; its miniatures for tests do not count."""

from functools import partial
from pathlib import Path

import timm
import torch_models  # before timm, which imports torchvision
from timm.models import list_modules
from torch import nn


def smallest_models() -> dict[str, torch_models.MakeModel]:
    """By the name of their module."""
    chosen = {}
    for module in list_modules():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        made = {name: partial(_made, name) for name in names}
        chosen[module] = min(made.values(), key=lambda make: (torch_models.parameters(make), make.args))
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
    torch_models.run(smallest_models, {"dynamo": _export})
