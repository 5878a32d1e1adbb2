"""Make `tests/data/peers_of_passes`: small seeded classifiers in ONNX, and what other programs make of them.

    pip install -r benchmarks/requirements-peers.txt    # and torchcam, captum, onnxscript
    python tests/methods/make_peer_maps_of_passes.py

An .onnx and an .npz for each model. Methods that no other program has, or that take other random numbers there, are
written out here with PyTorch's own operators, and with the noise of `numpy.random.default_rng` that whylight takes.
"""

from collections.abc import Callable
from pathlib import Path

import captum.attr
import numpy as np
import pytorch_grad_cam
import torch
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import VisionTransformer

FOLDER = Path(__file__).parents[1] / "data" / "peers_of_passes"
CLASSES = [3, 1]
CLASS_OF_TOKENS = 4
SIDE = 29
"""Such that corners of the last layer's 8 x 8 cells fall on pixels: (29 - 1) / (8 - 1) = 4."""


class Small(nn.Module):
    """(N, 3, 29, 29) -> (N, 6), with a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU())
        self.hidden = nn.Linear(12, 10)
        self.head = nn.Linear(10, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = self.third(x + self.second(x))
        return self.after(x)

    def after(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.hidden(x.mean((2, 3)))))


class Tokens(nn.Module):
    """A vision transformer of 4 x 4 patches and a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.net = VisionTransformer(
            image_size=24, patch_size=6, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24, num_classes=6
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """Behind the first block, (N, 1 + 16, C)."""
        x = self.net._process_input(x)
        x = torch.cat([self.net.class_token.expand(len(x), -1, -1), x], 1)
        return self.net.encoder.layers[0](x + self.net.encoder.pos_embedding)

    def after(self, x: torch.Tensor) -> torch.Tensor:
        return self.net.heads(self.net.encoder.ln(self.net.encoder.layers[1](x))[:, 0])


@torch.no_grad()
def seeded(model: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.dtype.is_floating_point:
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            elif tensor.ndim > 1:
                tensor.copy_(noise * (1.6 / tensor[0].numel() ** 0.5))
            else:
                tensor.copy_(noise * 0.3 + (1 if name.endswith("weight") else 0))
    if isinstance(model, Small):
        model.third[1].bias[4] = -50  # a channel that is zero everywhere
        model.head.bias[CLASSES] += 3  # scores above zero
    return model.eval()


def export(model: nn.Module, images: torch.Tensor, path: Path) -> None:
    program = torch.onnx.export(
        model,
        (images,),
        input_names=["image"],
        output_names=["scores"],
        opset_version=20,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("N")},),
        verbose=False,
    )
    proto = program.model_proto
    for part in (
        *proto.graph.node,
        *proto.graph.value_info,
        *proto.graph.input,
        *proto.graph.output,
        proto.graph,
        proto,
    ):
        del part.metadata_props[:]
    for node in proto.graph.node:
        node.doc_string = ""
    del proto.graph.value_info[:]
    path.write_bytes(proto.SerializeToString())


def of_pytorch_grad_cam(model: Small, images: torch.Tensor) -> dict[str, np.ndarray]:
    targets = [ClassifierOutputTarget(index) for index in CLASSES]
    found = {}
    for name, method in {"score-cam": pytorch_grad_cam.ScoreCAM, "ablation-cam": pytorch_grad_cam.AblationCAM}.items():
        with method(model, [model.third]) as explainer:
            weights, inner = [], explainer.get_cam_weights
            explainer.get_cam_weights = lambda *given, inner=inner, w=weights: w.append(inner(*given)) or w[-1]
            explainer(images, targets)
        with torch.no_grad():
            activation = model.third(model.first(images) + model.second(model.first(images))).numpy()
        found[name] = np.maximum(np.einsum("nk,nkhw->nhw", weights[0], activation), 0)
    with pytorch_grad_cam.GradCAM(model, [model.third]) as explainer:
        found["smooth"] = explainer(images, targets, aug_smooth=True)
    with pytorch_grad_cam.GradCAM(model, [model.first, model.third]) as explainer:
        found["fused"] = explainer(images, targets)
    with pytorch_grad_cam.GradCAM(model, [model.first, model.second]) as explainer:
        found["fused of one size"] = explainer(images, targets)
    return found


def of_torchcam(model: Small, images: torch.Tensor) -> dict[str, np.ndarray]:
    """With corners that stay corners, and, for SS-CAM, with whylight's noise."""

    class Noise:
        def __init__(self) -> None:
            self.sample_number = -1

        def sample(self, size: torch.Size) -> torch.Tensor:
            self.sample_number += 1
            noise = np.random.default_rng(self.sample_number).standard_normal((SIDE, SIDE), np.float32)
            return 2 * torch.from_numpy(noise).expand(size)

    def upsample(activation: torch.Tensor) -> torch.Tensor:
        return interpolate(activation, (SIDE, SIDE), mode="bilinear", align_corners=True)

    found = {}
    for name, method in {"ss-cam": torchcam.methods.SSCAM, "is-cam": torchcam.methods.ISCAM}.items():
        with method(model, model.third) as explainer:
            explainer._upsample, explainer._distrib = upsample, Noise()
            with torch.inference_mode():
                model(images)
            found[name] = explainer(CLASSES, normalized=False)[0].numpy()
    with torchcam.methods.SmoothGradCAMpp(model, model.third, num_samples=1, std=1e-12) as explainer:
        scores = model(images)
        found["smooth-gradcam++ without noise"] = (
            explainer(CLASSES, scores, normalized=False, eps=1e-16)[0].detach().numpy()
        )
    return found


def of_captum(model: Small, images: torch.Tensor) -> dict[str, np.ndarray]:
    occlusion = captum.attr.Occlusion(model).attribute(images, (3, 4, 4), (3, 2, 2), target=CLASSES)
    integrated = captum.attr.IntegratedGradients(model).attribute(images, target=CLASSES, n_steps=50)
    return {"occlusion": occlusion.numpy()[:, 0], "integrated-gradients": integrated.detach().numpy().sum(1)}


def noisy(images: torch.Tensor, samples: int) -> torch.Tensor:
    """(samples, N, C, H, W), with noise of 15 % of each image's range."""
    noise = np.stack([np.random.default_rng(i).standard_normal(images.shape[1:], np.float32) for i in range(samples)])
    span = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    return images + 0.15 * span.reshape(-1, 1, 1, 1) * torch.from_numpy(noise)[:, None]


def slope(of: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> torch.Tensor:
    at = at.detach().requires_grad_()
    return torch.autograd.grad(of(at)[range(len(CLASSES)), CLASSES].sum(), at)[0]


def written_out(model: Small, images: torch.Tensor) -> dict[str, np.ndarray]:
    def below(x: torch.Tensor) -> torch.Tensor:
        x = model.first(x)
        return model.third(x + model.second(x)).detach()

    smooth = torch.stack([slope(model, one) for one in noisy(images, 50)]).mean(0)
    slopes = torch.stack([slope(model.after, below(one)) for one in noisy(images, 10)]).double()
    maps, (first, second, third) = below(images), ((slopes**power).mean(0) for power in (1, 2, 3))
    share = second / (2 * second + (maps * third).sum((2, 3), keepdim=True)).where(second > 0, 1)
    weights = (share * first.relu()).sum((2, 3), keepdim=True)
    with torch.no_grad():
        recipro = torch.zeros_like(maps[:, 0])
        for y, x in np.ndindex(*maps.shape[2:]):
            alone = torch.zeros_like(maps)
            alone[:, :, y, x] = maps[:, :, y, x]
            recipro[:, y, x] = model.after(alone)[range(len(CLASSES)), CLASSES]
    return {
        "smoothgrad": smooth.abs().amax(1).numpy(),
        "smooth-gradcam++": (weights * maps).sum(1).relu().float().numpy(),
        "recipro-cam": recipro.numpy(),
        "rise": rise(model, images),
    }


@torch.no_grad()
def rise(model: Small, images: torch.Tensor, count: int = 4000, cells: int = 7) -> np.ndarray:
    random = np.random.default_rng(0)
    grids = torch.from_numpy((random.random((count, cells, cells)) < 0.5).astype(np.float32))
    cell = -(-SIDE // cells)
    shifts = (random.random((count, 2)).astype(np.float32) * cell).astype(int)
    large = interpolate(grids[:, None], ((cells + 1) * cell,) * 2, mode="bilinear", align_corners=False)[:, 0]
    masks = torch.stack([m[y : y + SIDE, x : x + SIDE] for m, (y, x) in zip(large, shifts, strict=True)])
    found = []
    for image, index in zip(images, CLASSES, strict=True):
        kept = model(image * masks[:, None]).softmax(1)[:, index]
        found.append((kept[:, None, None] * masks).sum(0) / (count * 0.5))
    return torch.stack(found).numpy()


@torch.no_grad()
def recipro_of_tokens(model: Tokens, images: torch.Tensor) -> np.ndarray:
    tokens, found = model.tokens(images), torch.zeros(len(images), 4, 4)
    side = torch.tensor([0.25, 0.5, 0.25])
    for y, x in np.ndindex(4, 4):
        mask = torch.zeros(6, 6)
        mask[y : y + 3, x : x + 3] = torch.outer(side, side)
        kept = torch.cat([torch.ones(1), mask[1:5, 1:5].reshape(-1)])
        found[:, y, x] = model.after(tokens * kept[:, None])[:, CLASS_OF_TOKENS]
    return found.numpy()


@torch.no_grad()
def ablation_of_tokens(model: Tokens, images: torch.Tensor) -> np.ndarray:
    tokens = model.tokens(images)
    whole = model.after(tokens)[:, CLASS_OF_TOKENS]
    total = torch.zeros(len(images), 4, 4)
    for channel in range(tokens.shape[2]):
        without = tokens.clone()
        without[:, 1:, channel] = 0
        lost = (whole - model.after(without)[:, CLASS_OF_TOKENS]) / whole
        total += lost[:, None, None] * tokens[:, 1:, channel].reshape(-1, 4, 4)
    return total.relu().numpy()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    images = torch.from_numpy(np.random.default_rng(7).random((2, 3, SIDE, SIDE), np.float32))
    model = seeded(Small(), 3)
    export(model, images, FOLDER / "small.onnx")
    found = of_pytorch_grad_cam(model, images) | of_torchcam(model, images) | of_captum(model, images)
    found |= written_out(model, images)
    with torch.no_grad():
        first = model.first(images)
        found |= {"scores": model(images).numpy(), "activation": model.third(first + model.second(first)).numpy()}
        found |= {"first": first.numpy(), "second": model.second(first).numpy()}
    np.savez_compressed(FOLDER / "small.npz", images=images.numpy(), classes=CLASSES, **found)
    images = torch.from_numpy(np.random.default_rng(8).random((2, 3, 24, 24), np.float32))
    transformer = seeded(Tokens(), 4)
    export(transformer, images, FOLDER / "tokens.onnx")
    with torch.no_grad():
        found = {"scores": transformer(images).numpy(), "tokens": transformer.tokens(images).numpy()}
    found["recipro-cam"] = recipro_of_tokens(transformer, images)
    found["ablation-cam"] = ablation_of_tokens(transformer, images)
    np.savez_compressed(FOLDER / "tokens.npz", images=images.numpy(), classes=[CLASS_OF_TOKENS] * 2, **found)


if __name__ == "__main__":
    main()
