"""The smallest model of every module of ``torchvision.models``, for `coverage.py`."""

from functools import partial
from itertools import groupby

import torch_models  # before torchvision, for its operators
import torchvision.models
from torch import nn

_LARGER_IMAGES = {"inception_v3": 299}


def smallest_models() -> dict[str, torch_models.MakeModel]:
    """By the name of their module."""
    builders = {
        name: torchvision.models.get_model_builder(name) for name in torchvision.models.list_models(torchvision.models)
    }
    ordered = sorted(builders, key=lambda name: builders[name].__module__)
    chosen = {}
    for module, names in groupby(ordered, key=lambda name: builders[name].__module__):
        made = [partial(_made, name) for name in names]
        chosen[module.rpartition(".")[2]] = min(made, key=torch_models.parameters)
    return chosen


def _made(name: str) -> tuple[nn.Module, torch_models.Size]:
    size = _LARGER_IMAGES.get(name, 224)
    return torchvision.models.get_model(name, weights=None), (3, size, size)


if __name__ == "__main__":
    both = {how: export for how, export in torch_models.BOTH_EXPORTERS.items() if "any batch" in how}
    torch_models.run(smallest_models, both)
