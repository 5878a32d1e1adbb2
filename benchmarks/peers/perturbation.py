"""Ablation-CAM or Score-CAM of one image on ResNet-50 with pytorch-grad-cam: what `perturbation.py` compares with.

Runs in the peers' environment: ``python perturbation.py FOLDER METHOD BATCH CHANNELS CLASS_INDEX``. With CHANNELS 0 it
writes the network, with random weights, to FOLDER. Otherwise it explains FOLDER/image.npy by the first channels, and
prints the seconds and the part of the channels that they are for.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchvision.models import resnet50


def main() -> None:
    folder, method, batch, channels = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = resnet50().eval()
    image = torch.from_numpy(np.load(folder / "image.npy"))
    if not channels:
        torch.onnx.export(
            model,
            (image,),
            folder / "resnet50.onnx",
            input_names=["image"],
            output_names=["scores"],
            opset_version=20,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            external_data=False,
            verbose=False,
        )
        return
    explainer = (pytorch_grad_cam.ScoreCAM if method == "score-cam" else pytorch_grad_cam.AblationCAM)(
        model, [model.layer4[-1]]
    )
    explainer.batch_size = batch
    count = 2048
    if channels < count:
        # the first channels alone: time grows with their number
        inner = explainer.get_cam_weights

        def weights_of_some(images, layer, targets, activations, gradients):
            some = inner(images, layer, targets, activations[:, :channels], gradients)
            return np.pad(some, ((0, 0), (0, count - some.shape[1])))

        explainer.get_cam_weights = weights_of_some
    with torch.no_grad():
        model(image)
    start = time.perf_counter()
    cam = explainer(image, [ClassifierOutputTarget(int(sys.argv[5]))])
    print(f"{time.perf_counter() - start:.3f} {channels / count}")
    np.save(folder / f"peer_{method}.npy", cam)


if __name__ == "__main__":
    main()
