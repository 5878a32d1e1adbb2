# mypy: ignore-errors
"""Makes peers.npz: what other libraries measure. Run it where torch, grad-cam, torchcam and captum are installed.

The classifier is linear, so that any library can run it: probabilities = softmax(pixels @ weights).
"""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from captum.metrics import infidelity, sensitivity_max
from pytorch_grad_cam.metrics.perturbation_confidence import PerturbationConfidenceMetric
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, RemoveLeastRelevantFirst, RemoveMostRelevantFirst
from torchcam.metrics import ClassificationMetric

COUNT, SIDE, CLASSES = 6, 12, 4


class Linear(torch.nn.Module):
    """The classifier."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.from_numpy(weights)

    def forward(self, images):
        """(N, classes)."""
        return torch.softmax(images.flatten(1) @ self.weights, 1)


class FixedMaps:
    """An extractor of torchcam that gives maps made before."""

    def __init__(self, model, maps):
        self.model, self.maps = model, torch.from_numpy(maps)

    def __call__(self, class_idx=None, scores=None, **_):
        """The maps."""
        return [self.maps]

    def fuse_cams(self, cams):
        """There is one layer."""
        return cams[0]

    def _hooks_off(self):
        return nullcontext()


def road(model, images, maps, indices):
    """Road of grad-cam, without the noise."""
    targets = [lambda output, index=index: output[index] for index in indices]
    found = []
    for percentile in range(10, 100, 10):
        least, most = (
            PerturbationConfidenceMetric(remove(percentile, NoisyLinearImputer(noise=0)))(
                torch.from_numpy(images), maps, targets, model, return_diff=False
            )
            for remove in (RemoveLeastRelevantFirst, RemoveMostRelevantFirst)
        )
        found.append((least - most) / 2)
    return np.stack(found, 1)


def drop_and_increase(model, images, maps, indices):
    """Of torchcam, image by image."""
    found = []
    for i in range(len(images)):
        metric = ClassificationMetric(FixedMaps(model, maps[i : i + 1]))
        metric.update(torch.from_numpy(images[i : i + 1]), int(indices[i]))
        summary = metric.summary()
        found.append((summary["avg_drop"], summary["conf_increase"]))
    return np.array(found).T


def infidelities(model, images, maps, indices):
    """Of captum, with 64 squares of a quarter of the sides."""

    def squares(seed):
        generator = np.random.default_rng([1, seed])
        masks = np.zeros((64, SIDE, SIDE), np.float32)
        for mask in masks:
            top, left = generator.integers(SIDE - 2), generator.integers(SIDE - 2)
            mask[top : top + 3, left : left + 3] = 1
        return masks

    found = []
    for i in range(len(images)):
        masks = torch.from_numpy(squares(i))[:, None]

        def perturb(inputs, masks=masks):
            removed = inputs * masks
            return removed, inputs - removed

        attributions = torch.from_numpy(maps[i])[None, None].expand(1, 3, SIDE, SIDE)
        value = infidelity(
            model, perturb, torch.from_numpy(images[i : i + 1]), attributions,
            target=int(indices[i]), n_perturb_samples=64, normalize=True,
        )  # fmt: skip
        found.append(value.item())
    return np.array(found)


def explained(images):
    """A map that depends on the image: the sum of its squares, from 0 to 1; a tuple for a tuple, as captum wants it."""
    if isinstance(images, tuple):
        return tuple(explained(one) for one in images)
    energy = (images**2).sum(1)
    low, high = energy.amin((1, 2), keepdim=True), energy.amax((1, 2), keepdim=True)
    return ((energy - low) / (high - low))[:, None]


def sensitivities(images):
    """Of captum, with ten draws of 2 % of white."""
    found = []
    for i in range(len(images)):
        generator = np.random.default_rng([2, i])
        noise = np.stack([generator.uniform(-0.02, 0.02, images.shape[1:]) for _ in range(10)]).astype(np.float32)

        def perturb(inputs, _, noise=noise):
            (inputs,) = inputs if isinstance(inputs, tuple) else (inputs,)
            return inputs + torch.from_numpy(noise)

        found.append(
            sensitivity_max(explained, torch.from_numpy(images[i : i + 1]), perturb, n_perturb_samples=10).item()
        )
    return np.array(found)


def main():
    generator = np.random.default_rng(7)
    images = generator.random((COUNT, 3, SIDE, SIDE), np.float32)
    weights = generator.standard_normal((3 * SIDE * SIDE, CLASSES)).astype(np.float32) / 4
    maps = generator.random((COUNT, SIDE, SIDE), np.float32)
    indices = generator.integers(CLASSES, size=COUNT)
    model = Linear(weights)
    indices[::2] = model(torch.from_numpy(images)).argmax(1)[::2]
    drop, increase = drop_and_increase(model, images, maps, indices)
    np.savez_compressed(
        Path(__file__).with_name("peers.npz"),
        images=images,
        weights=weights,
        maps=maps,
        indices=indices,
        road=road(model, images, maps, indices),
        average_drop=drop,
        increase=increase,
        infidelity=infidelities(model, images, maps, indices),
        sensitivity_maps=explained(torch.from_numpy(images))[:, 0].numpy(),
        sensitivity=sensitivities(images),
    )


if __name__ == "__main__":
    main()
