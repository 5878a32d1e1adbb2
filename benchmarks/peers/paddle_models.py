"""The smallest model of every family of ``paddle.vision.models`` with random weights, for `coverage.py`."""

from functools import partial
from pathlib import Path

import numpy as np
import paddle
from answering import serve
from paddle.vision import models

MODELS = {
    "AlexNet": partial(models.alexnet),
    "DenseNet": partial(models.densenet121),
    "GoogLeNet": partial(models.googlenet),
    "Inception v3": partial(models.inception_v3),
    "MobileNet v1": partial(models.mobilenet_v1, scale=0.25),
    "MobileNet v2": partial(models.mobilenet_v2, scale=0.25),
    "MobileNet v3": partial(models.mobilenet_v3_small, scale=0.5),
    "ResNet": partial(models.resnet18),
    "ResNeXt": partial(models.resnext50_32x4d),
    "ShuffleNet v2": partial(models.shufflenet_v2_x0_25),
    "SqueezeNet": partial(models.squeezenet1_1),
    "VGG": partial(models.vgg11, batch_norm=True),
}
CLASSES = 10
_SIZES = {"AlexNet": 224, "GoogLeNet": 224, "VGG": 64}
_PLAIN = 96


class FirstOutput(paddle.nn.Layer):
    """A classifier without the outputs beside it that help in training."""

    def __init__(self, classifier: paddle.nn.Layer) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        """(N, C, h, w) to (N, classes)."""
        scores = self.classifier(image)
        return scores[0] if isinstance(scores, (list, tuple)) else scores


def random_model(name: str) -> paddle.nn.Layer:
    """The model with random weights, where they start as constants too."""
    paddle.seed(0)
    model = FirstOutput(MODELS[name](num_classes=CLASSES))
    random = np.random.default_rng(0)
    for path, values in model.state_dict().items():
        value = values.numpy()
        if value.size > 1 and bool((value == value.flat[0]).all()):
            is_shift = path.endswith(("bias", "_mean"))
            number = random.normal(0, 0.1, value.shape) if is_shift else random.uniform(0.5, 1.5, value.shape)
            values.set_value(number.astype(value.dtype))
    _normalize(model, paddle.randn([2, 3, _SIZES.get(name, _PLAIN), _SIZES.get(name, _PLAIN)]))
    return model


def _normalize(model: paddle.nn.Layer, images: paddle.Tensor) -> None:
    """Batch normalizations divide by one number a layer, so that the image is not lost on its way."""
    normalizations = [layer for layer in model.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
    model.eval()
    for layer in normalizations:
        layer.train()
        layer._momentum = 0.0
    with paddle.no_grad():
        model(images)
    for layer in normalizations:
        scale = float((layer._variance + layer._mean**2).mean())
        layer._variance.set_value(np.full(layer._variance.shape, scale, np.float32))
        layer._mean.set_value(np.zeros(layer._mean.shape, np.float32))
    model.eval()


def _export(count: int | None, name: str, folder: Path) -> None:
    size = _SIZES.get(name, _PLAIN)
    image = paddle.static.InputSpec([count, 3, size, size], "float32", "image")
    paddle.onnx.export(random_model(name), str(folder / "model"), input_spec=[image], opset_version=17)


def _sizes() -> dict[str, int]:
    made = {name: make(num_classes=CLASSES) for name, make in MODELS.items()}
    return {name: int(sum(values.size for values in model.parameters())) for name, model in made.items()}


if __name__ == "__main__":
    serve(_sizes, {"any batch": partial(_export, None), "one image": partial(_export, 1)})
