"""Keras's applications and two networks of its tutorials with random weights, for `coverage.py`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from answering import serve
from keras import applications, layers

CLASSES = 10
_SIZES = {"InceptionV3": 139, "InceptionResNetV2": 139, "NASNetMobile": 224}
_SMALLEST = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
)
"""One of every family."""


def digits() -> keras.Model:
    """The network of the tutorial "Simple MNIST convnet"."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def _gelu(x: keras.KerasTensor) -> keras.KerasTensor:
    """With tanh: tf2onnx writes the exact one in an operator that ONNX does not have."""
    return keras.activations.gelu(x, approximate=True)


def vision_transformer() -> keras.Model:
    """As the example "Image classification with Vision Transformer": patches, and all tokens flattened at the end."""
    image = keras.Input((32, 32, 3))
    patches = layers.Reshape((64, 48))(layers.Conv2D(48, 4, strides=4)(image))
    tokens = layers.Dense(48)(patches) + layers.Embedding(64, 48)(np.arange(64)[None])
    for _ in range(2):
        normal = layers.LayerNormalization(epsilon=1e-6)(tokens)
        tokens = tokens + layers.MultiHeadAttention(3, 16)(normal, normal)
        hidden = layers.Dense(96, activation=_gelu)(layers.LayerNormalization(epsilon=1e-6)(tokens))
        tokens = tokens + layers.Dense(48)(hidden)
    features = layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(tokens))
    return keras.Model(image, layers.Dense(CLASSES)(layers.Dense(64, activation=_gelu)(features)))


def _application(name: str) -> keras.Model:
    size = _SIZES.get(name, 96)
    return getattr(applications, name)(weights=None, input_shape=(size, size, 3), classes=CLASSES)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "MNIST convnet": digits,
    "vision transformer": vision_transformer,
    **{name: partial(_application, name) for name in _SMALLEST},
}


def random_model(name: str) -> keras.Model:
    """The model with random weights, where they start as constants too (a scale of 1e-6 hides a whole branch)."""
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    random = np.random.default_rng(0)
    for variable in model.weights:
        value = np.array(variable)
        if value.size > 1 and value.dtype.kind == "f" and bool((value == value.flat[0]).all()):
            is_shift = variable.name in ("bias", "beta", "moving_mean")
            shape = value.shape
            variable.assign(random.normal(0, 0.1, shape) if is_shift else random.uniform(0.5, 1.5, shape))
    _normalize(model, random.uniform(0, 255, (2, *model.input_shape[1:])).astype(np.float32))
    return model


def _normalize(model: keras.Model, images: np.ndarray) -> None:
    """Batch normalizations divide by one number a layer, so that the image is not lost on its way."""
    normalizations = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    for layer in normalizations:
        layer.momentum = 0.0
    model(images, training=True)
    for layer in normalizations:
        scale = float(np.mean(layer.moving_variance + np.square(layer.moving_mean)))
        layer.moving_variance.assign(np.full(layer.moving_variance.shape, scale, np.float32))
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape, np.float32))


def _by_keras(name: str, folder: Path) -> None:
    random_model(name).export(str(folder / "model.onnx"), format="onnx", verbose=False)


def _by_tf2onnx(name: str, folder: Path) -> None:
    model = random_model(name)
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")]
    function = tf.function(lambda image: model(image, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, opset=17, output_path=str(folder / "model.onnx"))


if __name__ == "__main__":
    serve(
        lambda: {name: make().count_params() for name, make in MODELS.items()},
        {"Keras": _by_keras, "tf2onnx": _by_tf2onnx},
    )
