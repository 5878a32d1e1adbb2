# mypy: ignore-errors
"""Make `tests/data/peers`: small seeded classifiers in ONNX, and the maps that other programs make of them.

    pip install -r benchmarks/requirements-peers.txt    # and torchcam, captum, onnxscript
    python tests/methods/make_peer_maps.py

For each model an .onnx and an .npz: the images, the class that is explained in each, the layer's activation and the
gradient of the class score by it, and the maps of pytorch-grad-cam (``pytorch-grad-cam/<method>``), torchcam and captum
as they are before any of them cuts what is below zero and stretches them to [0, 1].
"""

import copy
from pathlib import Path

import captum.attr
import numpy as np
import pytorch_grad_cam
import torch
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torchvision.models import VisionTransformer

FOLDER = Path(__file__).parents[1] / "data" / "peers"
CLASSES = [3, 7]

PYTORCH_GRAD_CAM = {
    "gradcam": pytorch_grad_cam.GradCAM,
    "gradcam++": pytorch_grad_cam.GradCAMPlusPlus,
    "xgradcam": pytorch_grad_cam.XGradCAM,
    "hirescam": pytorch_grad_cam.HiResCAM,
    "gradcam-elementwise": pytorch_grad_cam.GradCAMElementWise,
    "layercam": pytorch_grad_cam.LayerCAM,
    "eigencam": pytorch_grad_cam.EigenCAM,
    "eigen-gradcam": pytorch_grad_cam.EigenGradCAM,
    "kpca-cam": pytorch_grad_cam.KPCA_CAM,
    "fem": pytorch_grad_cam.FEM,
}
TORCHCAM = {
    "gradcam": torchcam.methods.GradCAM,
    "gradcam++": torchcam.methods.GradCAMpp,
    "xgradcam": torchcam.methods.XGradCAM,
    "layercam": torchcam.methods.LayerCAM,
    "finer-cam": torchcam.methods.FinerCAM,
}


class Residual(nn.Module):
    """Two convolutions and the way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        return self.relu(x + self.second(self.first(x)))


def trunk() -> nn.Sequential:
    """(N, 3, 24, 24) -> (N, 16, 6, 6)."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        Residual(8),
        nn.Sequential(nn.Conv2d(8, 12, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(12), nn.ReLU()),
        nn.Sequential(nn.Conv2d(12, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
    )


def pooled() -> nn.Sequential:
    """Global average pooling and one linear layer: what CAM takes."""
    return nn.Sequential(trunk(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def hidden() -> nn.Sequential:
    """A hidden layer with a smooth activation: the score has a second derivative."""
    return nn.Sequential(
        trunk(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(64, 12), nn.Softplus(beta=1), nn.Linear(12, 10)
    )


def transformer() -> VisionTransformer:
    return VisionTransformer(
        image_size=24, patch_size=6, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=24, num_classes=10
    )


@torch.no_grad()
def seeded(model: nn.Module, seed: int) -> nn.Module:
    """Every parameter and statistic gets a value that matters."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if not tensor.dtype.is_floating_point:
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif tensor.ndim > 1:
            tensor.copy_(noise * (1.4 / tensor[0].numel() ** 0.5))
        else:
            tensor.copy_(noise * 0.3 + (1 if name.endswith("weight") else 0))
    # gradients of about one: what some peers add to their denominators does not count then
    [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1].weight.mul_(60)
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
        optimize=False,
        verbose=False,
    )
    program.optimize()
    proto = program.model_proto
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for info in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del info.metadata_props[:]
    del proto.metadata_props[:], proto.graph.metadata_props[:], proto.graph.value_info[:]
    path.write_bytes(proto.SerializeToString())


def activation_and_gradient(model: nn.Module, layer: nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    kept = []
    handle = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    scores = model(images)
    handle.remove()
    (slope,) = torch.autograd.grad(scores[range(len(CLASSES)), CLASSES].sum(), kept)
    return {"scores": scores.detach().numpy(), "activation": kept[0].detach().numpy(), "gradient": slope.numpy()}


def cams(model: nn.Module, layer: nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Maps of one layer, (N, h, w), before they are stretched."""
    targets = [ClassifierOutputTarget(index) for index in CLASSES]
    found = {}
    for name, method in {**PYTORCH_GRAD_CAM, "shapley-cam": pytorch_grad_cam.ShapleyCAM}.items():
        with method(model, [layer]) as explainer:
            raw = []
            inner = explainer.get_cam_image
            explainer.get_cam_image = lambda *given, inner=inner, raw=raw: raw.append(inner(*given)) or raw[-1]
            explainer(images, targets)
            found[f"pytorch-grad-cam/{name}"] = raw[0]
    for name, extractor in TORCHCAM.items():
        with extractor(model, layer) as explainer:
            scores = model(images)
            found[f"torchcam/{name}"] = explainer(CLASSES, scores, normalized=False)[0].detach().numpy()
    return found


def token_cams(model: VisionTransformer, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Maps of the tokens that the last block reads, (N, 4, 4), by pytorch-grad-cam's way: without the class token."""
    found = {}
    for name in ("gradcam", "hirescam", "layercam"):
        explainer = PYTORCH_GRAD_CAM[name](
            model,
            [model.encoder.layers[-1].ln_1],
            reshape_transform=lambda tokens: tokens[:, 1:].reshape(len(tokens), 4, 4, -1).permute(0, 3, 1, 2),
        )
        raw = []
        inner = explainer.get_cam_image
        explainer.get_cam_image = lambda *given, inner=inner, raw=raw: raw.append(inner(*given)) or raw[-1]
        explainer(images, [ClassifierOutputTarget(index) for index in CLASSES])
        found[name] = raw[0]
    return found


def gradients_of_image(model: nn.Module, images: torch.Tensor) -> np.ndarray:
    return captum.attr.Saliency(model).attribute(images, CLASSES, abs=False).detach().numpy()


def gradients(model: nn.Module, layer: nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Maps of the image's size, (N, 3, H, W), and FullGrad's (N, H, W)."""
    guided = captum.attr.GuidedBackprop(model).attribute(images, CLASSES)
    maps = {
        "captum/input-x-gradient": captum.attr.InputXGradient(model).attribute(images, CLASSES),
        "captum/guided-backprop": guided,
        "captum/guided-gradcam": captum.attr.GuidedGradCam(model, layer).attribute(
            images, CLASSES, interpolate_mode="bilinear"
        ),
    }
    found = {name: tensor.detach().numpy() for name, tensor in maps.items()}
    return {**found, "captum/gradient": gradients_of_image(model, images)}


def fused(module: nn.Module) -> nn.Module:
    """Each convolution with the batch normalization behind it in one."""
    for child in module.children():
        fused(child)
    if isinstance(module, nn.Sequential):
        for index in range(len(module) - 1):
            if isinstance(module[index], nn.Conv2d) and isinstance(module[index + 1], nn.BatchNorm2d):
                module[index] = nn.utils.fuse_conv_bn_eval(module[index], module[index + 1])
                module[index + 1] = nn.Identity()
    return module


def full_gradient(model: nn.Module, images: torch.Tensor) -> np.ndarray:
    """(N, H, W), of the model as it is exported: batch normalization is a part of the convolutions."""
    model = fused(copy.deepcopy(model))
    targets = [ClassifierOutputTarget(index) for index in CLASSES]
    kept = []
    with pytorch_grad_cam.FullGrad(model, []) as explainer:
        inner = explainer.compute_cam_per_layer
        explainer.compute_cam_per_layer = lambda *given: kept.append(inner(*given)) or kept[-1]
        images = images.clone().requires_grad_(True)
        explainer(images, targets)
    return kept[0][:, 0]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    images = torch.from_numpy(np.random.default_rng(0).random((2, 3, 24, 24), np.float32))
    shared = {"images": images.numpy(), "classes": np.array(CLASSES)}
    # seeds for which no map is zero everywhere
    for name, make, seed in (("pooled", pooled, 4), ("hidden", hidden, 5)):
        model = seeded(make(), seed)
        layers = {"last": model[0][3], "middle": model[0][1]}
        export(model, images, FOLDER / f"{name}.onnx")
        found = dict(shared)
        for kind, layer in layers.items():
            maps = activation_and_gradient(model, layer, images) | cams(model, layer, images)
            found |= {f"{kind}/{key}": value for key, value in maps.items()}
        if name == "pooled":
            found |= gradients(model, layers["last"], images)
            with torchcam.methods.CAM(model, layers["last"]) as explainer:
                model(images)
                found["last/torchcam/cam"] = explainer(CLASSES, normalized=False)[0].numpy()
        several = [layers["middle"], layers["last"]]
        with torchcam.methods.RefineCAM(model, several, base_method=torchcam.methods.LayerCAM) as explainer:
            product = explainer(CLASSES, model(images), normalized=False)[0]
        found["torchcam/refined-layercam"] = product.detach().numpy()
        found["pytorch-grad-cam/fullgrad"] = full_gradient(model, images)
        np.savez_compressed(FOLDER / f"{name}.npz", **found)
    model = seeded(transformer(), 4)
    export(model, images, FOLDER / "transformer.onnx")
    with torchcam.methods.LeGrad(model, list(model.encoder.layers)) as explainer:
        model(images)
        cam = explainer(CLASSES, normalized=False)[0].detach().numpy()
    found = {"torchcam/legrad": cam, "captum/gradient": gradients_of_image(model, images)}
    found |= {f"tokens/{key}": value for key, value in token_cams(model, images).items()}
    np.savez_compressed(FOLDER / "transformer.npz", **shared, **found)


if __name__ == "__main__":
    main()
