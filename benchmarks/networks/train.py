"""Small classifiers of digits among clutter, one of each kind of network; trains them and writes ONNX files.

python benchmarks/networks/train.py [NAME ...]     (minutes on two cores; the files are kept beside this script)
"""

import sys
import time
from itertools import pairwise
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from cluttered import CLASSES, SIZE, cluttered_digits

FOLDER = Path(__file__).parent
TRAINING = 6000
EPOCHS = 12


def convolved(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def pooled(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which is a convolution of one pixel where the size changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolved(inputs, outputs, 3, stride),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class Dense(nn.Module):
    """Each convolution reads all before it, and all are handed on."""

    def __init__(self, inputs: int, growth: int, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(n := inputs + i * growth), nn.ReLU(), nn.Conv2d(n, growth, 3, 1, 1))
            for i in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Inception(nn.Module):
    """Four branches side by side."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.one = convolved(inputs, width, 1)
        self.three = nn.Sequential(convolved(inputs, width, 1), convolved(width, width))
        self.five = nn.Sequential(convolved(inputs, width, 1), convolved(width, width), convolved(width, width))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), convolved(inputs, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class Block(nn.Module):
    """Attention and a perceptron, each normalized before and added."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.qkv, self.projection = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def attend(self, x: Tensor) -> Tensor:
        batch, tokens, channels = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (channels // self.heads) ** -0.5).softmax(-1)
        return self.projection((weights @ v).transpose(1, 2).reshape(batch, tokens, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Windowed(Block):
    """Attention inside windows of 4 x 4, in every second block moved by half a window."""

    def __init__(self, channels: int, shift: int) -> None:
        super().__init__(channels)
        self.shift = shift

    def attend(self, x: Tensor) -> Tensor:
        batch, rows, columns, channels = x.shape
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.reshape(batch, rows // 4, 4, columns // 4, 4, channels).transpose(2, 3)
        x = super().attend(x.reshape(-1, 16, channels))
        x = x.reshape(batch, rows // 4, columns // 4, 4, 4, channels).transpose(2, 3)
        return torch.roll(x.reshape(batch, rows, columns, channels), (self.shift, self.shift), (1, 2))


class Tokens(nn.Module):
    """A stem of convolutions, tokens of 8 x 8 places, blocks; the head reads a class token or the mean of all."""

    def __init__(self, has_class_token: bool, stem: nn.Module, channels: int = 64, depth: int = 3) -> None:
        super().__init__()
        self.stem = stem
        places = (SIZE // 8) ** 2
        self.class_token = nn.Parameter(torch.zeros(1, 1, channels)) if has_class_token else None
        self.position = nn.Parameter(torch.randn(1, places + has_class_token, channels) * 0.1)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.position))
        return self.head(x.mean(1) if self.class_token is None else x[:, 0])


class Windows(nn.Module):
    """Attention in windows at 16 x 16 places, then at 8 x 8, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolved(1, 16, 3, 2), nn.Conv2d(16, 32, 3, 2, 1))
        self.first = nn.Sequential(Windowed(32, 0), Windowed(32, 2))
        self.merge = nn.Linear(128, 64)
        self.second = nn.Sequential(Windowed(64, 0), Windowed(64, 2))
        self.norm, self.head = nn.LayerNorm(64), nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)
        return self.head(self.norm(self.second(self.merge(x))).mean((1, 2)))


class Ensemble(nn.Module):
    """The mean of the scores of two networks."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList([plain(24), plain(32)])

    def forward(self, x: Tensor) -> Tensor:
        return (self.members[0](x) + self.members[1](x)) / 2


def plain(width: int = 32) -> nn.Module:
    halves = [nn.Sequential(convolved(a, b), nn.MaxPool2d(2)) for a, b in ((1, 16), (16, width), (width, 2 * width))]
    return nn.Sequential(*halves, convolved(2 * width, 2 * width), pooled(2 * width))


def connected() -> nn.Module:
    """Plain, but the places of the last maps are not averaged: fully connected layers read each of them."""
    widths = (1, 12, 24, 32, 32)
    halves = [nn.Sequential(convolved(a, b), nn.MaxPool2d(2)) for a, b in pairwise(widths)]
    return nn.Sequential(
        *halves, nn.Flatten(), nn.Linear(16 * 32, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, CLASSES)
    )


def dense() -> nn.Module:
    return nn.Sequential(
        convolved(1, 16, 3, 2), Dense(16, 12, 3), convolved(52, 32, 1), nn.AvgPool2d(2), Dense(32, 12, 3),
        convolved(68, 32, 1), nn.AvgPool2d(2), Dense(32, 16, 3), nn.BatchNorm2d(80), nn.ReLU(), pooled(80),
    )  # fmt: skip


def stem(channels: int) -> nn.Module:
    return nn.Sequential(convolved(1, 16, 3, 2), convolved(16, 32, 3, 2), nn.Conv2d(32, channels, 3, 2, 1))


def patches(channels: int) -> nn.Module:
    """Tokens of patches that overlap: two convolutions learn in minutes what one of 8 x 8 learns in hours."""
    return nn.Sequential(convolved(1, 32, 7, 4), nn.Conv2d(32, channels, 3, 2, 1))


NETWORKS = {
    "plain": plain,
    "connected": connected,
    "residual": lambda: nn.Sequential(
        convolved(1, 16, 3, 2), Residual(16, 32, 2), Residual(32, 64, 2), Residual(64, 64, 1), pooled(64)
    ),
    "dense": dense,
    "inception": lambda: nn.Sequential(
        convolved(1, 16, 3, 2), convolved(16, 32, 3, 2), Inception(32, 16), nn.MaxPool2d(2), Inception(64, 16),
        Inception(64, 16), pooled(64),
    ),
    "ensemble": Ensemble,
    "class-token": lambda: Tokens(True, patches(64)),
    "averaging": lambda: Tokens(False, patches(64)),
    "windowed": Windows,
    "hybrid": lambda: Tokens(False, stem(64), depth=2),
}  # fmt: skip


def trained(name: str) -> tuple[nn.Module, float]:
    """A network, and its accuracy on 1000 images that it has not seen."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    data, test = cluttered_digits(TRAINING, 0), cluttered_digits(1000, 1)
    images, labels = torch.from_numpy(data.images)[:, None].float() / 255, torch.from_numpy(data.labels)
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.02)
    steps = EPOCHS * (len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images))[: len(images) // 64 * 64].split(64):
            loss = nn.functional.cross_entropy(network.train()(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        found = network.eval()(torch.from_numpy(test.images)[:, None].float() / 255).argmax(1)
    return network, float((found == torch.from_numpy(test.labels)).float().mean())


def _without_traces(path: Path) -> None:
    """Leave out where in whose files the network was written: paths of the machine that trained it."""
    model = onnx.load(path)
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        kept = {each.key: each.value for each in part.metadata_props if not each.key.endswith("stack_trace")}
        del part.metadata_props[:]
        for key, value in kept.items():
            part.metadata_props.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def main() -> None:
    for name in sys.argv[1:] or NETWORKS:
        started = time.perf_counter()
        network, accuracy = trained(name)
        path = FOLDER / f"{name}.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(2, 1, SIZE, SIZE),),
            path,
            input_names=["image"],
            output_names=["scores"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
        _without_traces(path)
        size = path.stat().st_size / 2**10
        print(f"{name}: accuracy {accuracy:.3f}, {size:.0f} KiB, {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
