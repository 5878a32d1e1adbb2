"""Methods of several passes, against pytorch-grad-cam, torchcam, captum and what PyTorch's own operators give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import whylight
from samples import BUNDLED, DATA
from whylight import Classifier
from whylight.errors import WhylightError
from whylight.methods import averaged_gradients, methods
from whylight.target.passes import Passes

PEERS = DATA / "peers_of_passes"
LAST, FIRST, SECOND = "node_relu_2", "node_relu", "node_relu_1"
TOKENS = "node_add_153"
OF_A_LAYER = ("score-cam", "ss-cam", "is-cam", "ablation-cam", "recipro-cam", "smooth-gradcam++")
OF_THE_IMAGE = ("occlusion", "rise", "smoothgrad", "integrated-gradients")

Stored = dict[str, NDArray[Any]]


def loaded(name: str) -> tuple[Classifier, Stored]:
    with np.load(PEERS / f"{name}.npz") as file:
        return whylight.load(PEERS / f"{name}.onnx", input_range="1"), dict(file)


@pytest.fixture(scope="module")
def small() -> tuple[Classifier, Stored]:
    return loaded("small")


@pytest.fixture(scope="module")
def tokens() -> tuple[Classifier, Stored]:
    return loaded("tokens")


def maps_of(model: tuple[Classifier, Stored], method: str, layer: Any = None, **options: Any) -> NDArray[np.float32]:
    classifier, stored = model
    explainer = classifier.explainer(method, layer, **options)
    _, scores, maps = explainer.run(stored["images"], stored["classes"])
    rows = np.arange(len(scores))
    np.testing.assert_allclose(scores, stored["scores"][rows, stored["classes"]], rtol=1e-4, atol=1e-4)
    return maps


def assert_same(maps: NDArray[Any], expected: NDArray[Any]) -> None:
    """Within 1e-3 of each map's maximum."""
    assert maps.shape == expected.shape
    for one, other in zip(maps, expected, strict=True):
        assert np.ptp(other) > 0
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(other).max())


@pytest.mark.parametrize("method", OF_A_LAYER)
def test_maps_of_a_layer_are_the_peers(small: tuple[Classifier, Stored], method: str) -> None:
    assert_same(maps_of(small, method, LAST), small[1][method])


@pytest.mark.parametrize("method", OF_THE_IMAGE)
def test_maps_of_the_image_are_the_peers(small: tuple[Classifier, Stored], method: str) -> None:
    assert_same(maps_of(small, method), small[1][method])


@pytest.mark.parametrize("method", ["recipro-cam", "ablation-cam"])
def test_tokens_without_a_place_stay_as_they_are(tokens: tuple[Classifier, Stored], method: str) -> None:
    assert_same(maps_of(tokens, method, TOKENS), tokens[1][method])


def test_smooth_gradcam_without_noise_is_torchcams(
    small: tuple[Classifier, Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averaged_gradients, "_NOISE", 0)
    assert_same(maps_of(small, "smooth-gradcam++", LAST), small[1]["smooth-gradcam++ without noise"])


def stretched(maps: NDArray[Any]) -> NDArray[Any]:
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    return np.asarray((maps - low) / (high - low))


def enlarged(maps: NDArray[Any], side: int) -> NDArray[Any]:
    """Bilinearly, values in the middle of their cells."""
    places = np.clip((np.arange(side) + 0.5) * maps.shape[1] / side - 0.5, 0, maps.shape[1] - 1)
    low = np.minimum(places.astype(int), maps.shape[1] - 2)
    part = places - low
    rows = maps[:, low] * (1 - part)[:, None] + maps[:, low + 1] * part[:, None]
    return np.asarray(rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part)


def test_fused_layers_are_pytorch_grad_cams(small: tuple[Classifier, Stored]) -> None:
    fused = maps_of(small, "gradcam", [FIRST, LAST])
    assert_same(stretched(fused), small[1]["fused"])


def test_fused_layers_of_one_size_keep_it(small: tuple[Classifier, Stored]) -> None:
    fused = maps_of(small, "gradcam", [FIRST, SECOND])
    assert fused.shape[1:] == (15, 15)
    assert_same(stretched(enlarged(fused, 29)), small[1]["fused of one size"])


def test_smoothing_is_pytorch_grad_cams(small: tuple[Classifier, Stored]) -> None:
    classifier, stored = small
    smooth = maps_of(small, "gradcam", LAST, smooth=True)
    assert smooth.shape[1:] == (8, 8)
    # the peer stretches each map after it is enlarged, whylight before: the largest pixel is not the largest cell
    assert np.abs(enlarged(smooth, 29) - stored["smooth"]).max() < 0.05
    explainer = classifier.explainer("gradcam", LAST)
    found = []
    for factor in (0.9, 1.0, 1.1):
        images = stored["images"] * np.float32(factor)
        found.append(stretched(explainer.run(images, stored["classes"])[2]))
        mirrored = explainer.run(np.ascontiguousarray(images[..., ::-1]), stored["classes"])[2]
        found.append(stretched(mirrored)[..., ::-1])
    assert_same(smooth, np.mean(found, 0))
    peers = np.mean([stretched(enlarged(maps, 29)) for maps in found], 0)
    assert_same(peers, stored["smooth"])


def test_integrated_gradients_add_up_to_the_score_gained(small: tuple[Classifier, Stored]) -> None:
    classifier, stored = small
    explainer = classifier.explainer("integrated-gradients")
    _, scores, maps = explainer.run(stored["images"], stored["classes"])
    _, nothing, _ = explainer.run(np.zeros_like(stored["images"]), stored["classes"])
    # ReLU has kinks on the way: 50 points are off by some thousandths of what is added up
    np.testing.assert_allclose(maps.sum((1, 2)), scores - nothing, atol=3e-3 * np.abs(maps).sum((1, 2)).min())


@pytest.mark.parametrize("method", ["integrated-gradients", "occlusion"])
def test_what_speaks_against_the_class_counts_as_nothing_in_a_stretched_map(
    small: tuple[Classifier, Stored], method: str
) -> None:
    classifier, stored = small
    explainer = classifier.explainer(method)
    maps = explainer.run(stored["images"], stored["classes"])[2]
    assert maps.min() < 0 < maps.max()
    (stretched,) = explainer.stretched([maps])
    np.testing.assert_array_equal(stretched[maps <= 0], 0)
    for one, whole in zip(stretched, maps, strict=True):
        np.testing.assert_allclose(one[whole > 0] * whole.max(), whole[whole > 0], atol=1e-5 * whole.max())


def test_what_speaks_against_a_class_turns_every_score(small: tuple[Classifier, Stored]) -> None:
    for method in ("occlusion", "recipro-cam"):
        layer = LAST if method == "recipro-cam" else None
        maps = maps_of(small, method, layer, counterfactual=True)
        np.testing.assert_allclose(maps, -maps_of(small, method, layer), atol=1e-6)


def test_a_contrast_is_the_difference_of_two_classes(small: tuple[Classifier, Stored]) -> None:
    classifier, stored = small
    images = stored["images"]
    for method in ("occlusion", "rise", "integrated-gradients"):
        three, one = (classifier.explainer(method).run(images, np.array([k, k]))[2] for k in (3, 1))
        contrast = classifier.explainer(method, against=1).run(images, np.array([3, 3]))[2]
        np.testing.assert_allclose(contrast, three - one, atol=1e-4 * np.abs(three).max())


def test_channels_that_are_the_same_everywhere_cost_one_pass(
    small: tuple[Classifier, Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    activation = small[1]["activation"][0]
    different = {one.tobytes() for one in stretched_or_zero(activation)}
    assert len(different) < len(activation)
    asked = []
    scores = Passes.scores

    def counted(self: Passes, count: int, *rest: Any) -> NDArray[np.float32]:
        asked.append(count)
        return scores(self, count, *rest)

    monkeypatch.setattr(Passes, "scores", counted)
    classifier, stored = small
    classifier.explainer("score-cam", LAST).run(stored["images"][:1], stored["classes"][:1])
    assert asked == [len(different)]


def stretched_or_zero(channels: NDArray[Any]) -> NDArray[Any]:
    low, high = channels.min((1, 2), keepdims=True), channels.max((1, 2), keepdims=True)
    return np.asarray((channels - low) / np.where(high > low, high - low, 1))


@pytest.mark.parametrize("method", [name for name, method in sorted(methods().items()) if method.driver])
def test_maps_do_not_depend_on_the_batch(
    small: tuple[Classifier, Stored], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, stored = small
    explainer = classifier.explainer(method, LAST if methods()[method].sees_layer else None)
    images, classes = stored["images"], stored["classes"]
    _, _, together = explainer.run(images, classes)
    monkeypatch.setattr("whylight.target.passes._LARGEST_BATCH", 5)
    _, _, alone = explainer.run(images[1:], classes[1:])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-5 * np.abs(together[1]).max())


def test_the_control_depends_on_the_image_alone(small: tuple[Classifier, Stored]) -> None:
    classifier, stored = small
    explainer = classifier.explainer("random", LAST)
    first, second = explainer.run(stored["images"], np.array([0, 0]))[2]
    other_class = explainer.run(stored["images"], np.array([1, 1]))[2]
    np.testing.assert_array_equal(other_class[0], first)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.6
    fine = classifier.explainer("random", FIRST).run(stored["images"], np.array([0, 0]))[2][0]
    assert fine.shape == (15, 15)
    assert np.abs(np.diff(fine)).mean() < 0.85 * np.abs(np.diff(first)).mean()  # as smooth as coarser layers' maps


def test_a_model_with_one_output_and_gray_images() -> None:
    folder = DATA / "four_or_nine"
    classifier = whylight.load(folder / "results.nnp")
    for method in ("occlusion", "recipro-cam", "score-cam", "rise"):
        zero, one = classifier.explainer(method)([folder / "0000.png"] * 2, [0, 1])
        assert np.isfinite(zero.cam).all()
        assert not np.array_equal(zero.cam, one.cam)


def test_methods_of_the_image_take_no_layer() -> None:
    classifier = whylight.load(BUNDLED / "mnist" / "results.nnp")
    with pytest.raises(WhylightError, match="'rise' looks at no layer"):
        classifier.explainer("rise", classifier.default_layer.name)


def test_what_is_taken_out_is_replaced_by_what_the_network_sees_as_zero(tmp_path: Path) -> None:
    """Of y = (x / 255 - (0.1, 0.5, 0.9)) * 2 the pixel (25.5, 127.5, 229.5) is zero."""
    from onnx import load_model, save_model

    from whylight.graph.builder import GraphBuilder

    model = load_model(PEERS / "small.onnx")
    op = GraphBuilder()
    pixels = op.input("pixels", ("N", 3, 29, 29))
    means = np.array([0.1, 0.5, 0.9], np.float32).reshape(3, 1, 1)
    zero_mean = op.Mul(op.Sub(op.Div(pixels, np.float32(255)), means), np.float32(2))
    front = op.model([zero_mean], "front")
    for node in model.graph.node:
        node.input[:] = [zero_mean.name if name == "image" else name for name in node.input]
    nodes = [*front.graph.node, *model.graph.node]
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend(nodes)
    model.graph.input.extend(front.graph.input)
    model.graph.initializer.extend(front.graph.initializer)
    save_model(model, tmp_path / "pixels.onnx")
    classifier = whylight.load(tmp_path / "pixels.onnx", input_range="255")
    np.testing.assert_allclose(classifier.baseline, [25.5, 127.5, 229.5], rtol=1e-5)
    plain, stored = loaded("small")
    images = np.asarray((stored["images"] / 2 + means) * 255, np.float32)
    for method in ("score-cam", "occlusion", "integrated-gradients"):
        layer = LAST if method == "score-cam" else None
        _, _, maps = classifier.explainer(method, layer).run(images, stored["classes"])
        _, _, expected = plain.explainer(method, layer).run(stored["images"], stored["classes"])
        assert_same(maps, expected)
