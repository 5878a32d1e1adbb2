"""Small networks of every kind in JAX (flax.nnx) with random weights, for `coverage.py`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import jax2onnx
from answering import serve
from flax import nnx

CLASSES, SIZE = 10, 32
Array = jax.Array


def conv(rngs: nnx.Rngs, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nnx.Conv:
    """With padding that keeps the size."""
    return nnx.Conv(
        inputs, outputs, (kernel, kernel), (stride, stride), feature_group_count=groups, padding="SAME", rngs=rngs
    )


class Plain(nnx.Module):
    """Convolutions, maximum pooling, and all places flattened."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first, self.second = conv(rngs, 3, 16), conv(rngs, 16, 32)
        self.dense = nnx.Linear(32 * (SIZE // 4) ** 2, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """(N, h, w, 3) to (N, classes), as all others."""
        for layer in (self.first, self.second):
            x = nnx.max_pool(nnx.relu(layer(x)), window_shape=(2, 2), strides=(2, 2))
        return self.dense(x.reshape(x.shape[0], -1))


class Residual(nnx.Module):
    """Batch normalization, and a shortcut of one convolution in each block."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = conv(rngs, 3, 16)
        self.blocks = nnx.List(
            [
                nnx.List(
                    [
                        conv(rngs, i, o, 3, 2),
                        nnx.BatchNorm(o, use_running_average=True, rngs=rngs),
                        conv(rngs, o, o),
                        nnx.BatchNorm(o, use_running_average=True, rngs=rngs),
                        conv(rngs, i, o, 1, 2),
                    ]
                )
                for i, o in ((16, 24), (24, 32))
            ]
        )
        self.dense = nnx.Linear(32, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = self.stem(x)
        for first, first_norm, second, second_norm, shortcut in self.blocks:
            inner = second_norm(second(nnx.relu(first_norm(first(x)))))
            x = nnx.relu(inner + shortcut(x))
        return self.dense(x.mean((1, 2)))


class Dense(nnx.Module):
    """Blocks that concatenate all that came before."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = conv(rngs, 3, 16, 3, 2)
        self.layers = nnx.List([conv(rngs, 16 + 8 * number, 8) for number in range(4)])
        self.dense = nnx.Linear(48, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = self.stem(x)
        for layer in self.layers:
            x = jnp.concatenate([x, nnx.relu(layer(x))], -1)
        return self.dense(x.mean((1, 2)))


class Separable(nnx.Module):
    """Depthwise convolutions between pointwise ones, with swish, and a gate for the channels."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = conv(rngs, 3, 16, 3, 2)
        self.wide, self.deep, self.narrow = conv(rngs, 16, 48, 1), conv(rngs, 48, 48, 3, 2, 48), conv(rngs, 48, 24, 1)
        self.squeeze, self.excite = nnx.Linear(48, 12, rngs=rngs), nnx.Linear(12, 48, rngs=rngs)
        self.dense = nnx.Linear(24, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = nnx.swish(self.deep(nnx.swish(self.wide(nnx.swish(self.stem(x))))))
        gate = nnx.sigmoid(self.excite(nnx.relu(self.squeeze(x.mean((1, 2))))))
        return self.dense(self.narrow(x * gate[:, None, None]).mean((1, 2)))


class Mixer(nnx.Module):
    """Products along the tokens and along the channels."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.patches = nnx.Conv(3, 32, (8, 8), (8, 8), rngs=rngs)
        self.blocks = nnx.List(
            [
                nnx.List(
                    [
                        nnx.LayerNorm(32, rngs=rngs),
                        nnx.Linear(16, 24, rngs=rngs),
                        nnx.Linear(24, 16, rngs=rngs),
                        nnx.LayerNorm(32, rngs=rngs),
                        nnx.Linear(32, 64, rngs=rngs),
                        nnx.Linear(64, 32, rngs=rngs),
                    ]
                )
                for _ in range(2)
            ]
        )
        self.norm, self.dense = nnx.LayerNorm(32, rngs=rngs), nnx.Linear(32, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = self.patches(x)
        x = x.reshape(x.shape[0], 16, 32)
        for first_norm, first, second, second_norm, third, fourth in self.blocks:
            x = x + second(nnx.gelu(first(first_norm(x).transpose(0, 2, 1)))).transpose(0, 2, 1)
            x = x + fourth(nnx.gelu(third(second_norm(x))))
        return self.dense(self.norm(x).mean(1))


class Transformer(nnx.Module):
    """A vision transformer, whose score reads the class token or the mean of all."""

    def __init__(self, rngs: nnx.Rngs, has_class_token: bool) -> None:
        self.patches = nnx.Conv(3, 32, (8, 8), (8, 8), rngs=rngs)
        self.has_class_token = has_class_token
        self.token = nnx.Param(jax.random.normal(rngs.params(), (1, 1, 32)))
        self.position = nnx.Param(jax.random.normal(rngs.params(), (1, 16 + has_class_token, 32)))
        self.blocks = nnx.List(
            [
                nnx.List(
                    [
                        nnx.LayerNorm(32, rngs=rngs),
                        nnx.MultiHeadAttention(4, 32, decode=False, rngs=rngs),
                        nnx.LayerNorm(32, rngs=rngs),
                        nnx.Linear(32, 64, rngs=rngs),
                        nnx.Linear(64, 32, rngs=rngs),
                    ]
                )
                for _ in range(2)
            ]
        )
        self.norm, self.dense = nnx.LayerNorm(32, rngs=rngs), nnx.Linear(32, CLASSES, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        x = self.patches(x)
        x = x.reshape(x.shape[0], 16, 32)
        if self.has_class_token:
            x = jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, 32)), x], 1)
        x = x + self.position[...]
        for first_norm, attention, second_norm, first, second in self.blocks:
            x = x + attention(first_norm(x))
            x = x + second(nnx.gelu(first(second_norm(x))))
        x = self.norm(x)
        return self.dense(x[:, 0] if self.has_class_token else x.mean(1))


MODELS: dict[str, Callable[[nnx.Rngs], nnx.Module]] = {
    "plain": Plain,
    "residual": Residual,
    "dense": Dense,
    "separable": Separable,
    "mixer": Mixer,
    "class-token transformer": lambda rngs: Transformer(rngs, has_class_token=True),
    "averaging transformer": lambda rngs: Transformer(rngs, has_class_token=False),
}


def _export(count: str | int, name: str, folder: Path) -> None:
    model = MODELS[name](nnx.Rngs(0))
    image = (count, SIZE, SIZE, 3)
    jax2onnx.to_onnx(model, [image], model_name=name, return_mode="file", output_path=str(folder / "model.onnx"))


def _size(model: nnx.Module) -> int:
    return sum(values.size for values in jax.tree.leaves(nnx.state(model, nnx.Param)))


if __name__ == "__main__":
    serve(
        lambda: {name: _size(make(nnx.Rngs(0))) for name, make in MODELS.items()},
        {"any batch": partial(_export, "B"), "one image": partial(_export, 1)},
    )
