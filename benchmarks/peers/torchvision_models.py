"""The smallest model of every module of ``torchvision.models``, for `coverage.py`."""

from functools import partial

import torch_models  # before torchvision, for its operators
import torchvision.models
from torch import nn

_LARGER_IMAGES = {"inception_v3": 299}


def smallest_models() -> list[str]:
    """Of every module, the model with the fewest parameters."""
    modules: dict[str, list[str]] = {}
    for name in torchvision.models.list_models(torchvision.models):
        modules.setdefault(torchvision.models.get_model_builder(name).__module__, []).append(name)
    return [min(names, key=lambda name: torch_models.parameters(partial(_made, name))) for names in modules.values()]


def _made(name: str) -> tuple[nn.Module, torch_models.Size]:
    size = _LARGER_IMAGES.get(name, 224)
    return torchvision.models.get_model(name, weights=None), (3, size, size)


if __name__ == "__main__":
    both = {how: export for how, export in torch_models.BOTH_EXPORTERS.items() if "any batch" in how}
    torch_models.run(smallest_models, _made, both)
