"""Small image classifiers of Hugging Face's transformers, made of their configurations, for `coverage.py`."""

from typing import Any

import torch
import torch_models  # before transformers, which imports torchvision
import transformers
from torch import nn

_TOKENS = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 96,
}
"""A transformer of 4 x 4 patches."""
_WINDOWS = {"image_size": 64, "embed_dim": 24, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4}
_PYRAMID = {"hidden_sizes": [16, 24, 40, 48], "depths": [1, 1, 1, 2], "num_attention_heads": [1, 2, 5, 6]}

CONFIGURATIONS: dict[str, tuple[int, dict[str, Any]]] = {
    "Beit": (32, _TOKENS),
    "Bit": (96, {"embedding_size": 16, "hidden_sizes": [32, 64, 96, 128], "depths": [1, 1, 2, 2], "num_groups": 8}),
    "CLIP": (32, {"vision_config": _TOKENS, "text_config": {"num_hidden_layers": 1}}),
    "ConvNext": (96, {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 2]}),
    "ConvNextV2": (96, {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 2]}),
    "Cvt": (96, {"embed_dim": [16, 32, 48], "num_heads": [1, 2, 3], "depth": [1, 2, 3]}),
    "Data2VecVision": (32, _TOKENS),
    "DeiT": (32, _TOKENS),
    "Dinov2": (32, _TOKENS),
    "Dinov2WithRegisters": (32, _TOKENS),
    "EfficientNet": (96, {"width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640, "image_size": 96}),
    "FocalNet": (96, {"image_size": 96, "embed_dim": 16, "depths": [1, 1, 2, 2]}),
    "HGNetV2": (
        96,
        {
            "hidden_sizes": [24, 32, 40, 48],
            "stem_channels": [3, 8, 16],
            "stage_in_channels": [16, 24, 32, 40],
            "stage_mid_channels": [8, 12, 16, 20],
            "stage_out_channels": [24, 32, 40, 48],
            "stage_numb_of_layers": [2, 2, 2, 2],
        },
    ),
    "Hiera": (96, {"image_size": [96, 96], "embed_dim": 16, "depths": [1, 1, 2, 1], "masked_unit_size": [8, 8]}),
    "IJepa": (32, _TOKENS),
    "Levit": (
        96,
        {"image_size": 96, "hidden_sizes": [32, 48, 64], "num_attention_heads": [2, 3, 4], "depths": [1, 2, 2]},
    ),
    "MetaClip2": (32, {"vision_config": _TOKENS, "text_config": {"num_hidden_layers": 1}}),
    "MobileNetV1": (96, {"depth_multiplier": 0.25, "image_size": 96}),
    "MobileNetV2": (96, {"depth_multiplier": 0.35, "image_size": 96}),
    "MobileViT": (
        96,
        {"image_size": 96, "hidden_sizes": [16, 24, 32], "neck_hidden_sizes": [8, 8, 12, 16, 24, 32, 64]},
    ),
    "MobileViTV2": (96, {"image_size": 96, "width_multiplier": 0.25}),
    "PoolFormer": (96, {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 2]}),
    "Pvt": (96, {**_PYRAMID, "image_size": 96}),
    "PvtV2": (96, {**_PYRAMID, "image_size": [96, 96]}),
    "RegNet": (96, {"embedding_size": 16, "hidden_sizes": [16, 24, 32, 48], "depths": [1, 1, 2, 2], "groups_width": 8}),
    "ResNet": (96, {"embedding_size": 16, "hidden_sizes": [32, 48, 64, 96], "depths": [1, 1, 2, 2]}),
    "Segformer": (96, _PYRAMID),
    "Siglip": (32, {"vision_config": _TOKENS, "text_config": {"num_hidden_layers": 1}}),
    "SwiftFormer": (96, {"depths": [1, 1, 2, 2], "embed_dims": [16, 24, 32, 48]}),
    "Swin": (64, {**_WINDOWS, "attn_implementation": "eager"}),
    "Swinv2": (64, _WINDOWS),
    "TextNet": (
        96,
        {
            "image_size": [96, 96],
            "stem_out_channels": 16,
            "hidden_sizes": [16, 16, 24, 32, 48],
            "conv_layer_kernel_sizes": [[[3, 3]], [[3, 3], [1, 3]], [[3, 3], [3, 1]], [[3, 3], [3, 1], [1, 3]]],
            "conv_layer_strides": [[1], [2, 1], [2, 1], [2, 1, 1]],
        },
    ),
    "ViT": (32, _TOKENS),
    "ViTMSN": (32, _TOKENS),
}
"""By the beginning of their class's name: height and width of the image, and what is not as configured by default."""


class Scores(nn.Module):
    """A classifier that gives its scores alone."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to (N, classes)."""
        return self.classifier(pixel_values=image).logits


def _made(family: str) -> tuple[nn.Module, torch_models.Size]:
    size, changed = CONFIGURATIONS[family]
    configuration = getattr(transformers, f"{family}Config")(**changed, num_labels=10)
    classifier = getattr(transformers, f"{family}ForImageClassification")(configuration)
    for module in classifier.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # some start so small that the image is lost on its way
    return Scores(classifier), (3, size, size)


if __name__ == "__main__":
    torch_models.run(lambda: CONFIGURATIONS, _made, torch_models.BOTH_EXPORTERS)
