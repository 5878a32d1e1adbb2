"""Signals and volumes: classifiers with one and three axes, from the file to the map and its picture."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import whylight
from onnx_samples import CLASSES, small_cnn
from reading.nnp.networks import function, network, variable, write_nnp
from whylight import Classifier
from whylight.cli import main
from whylight.drawing.render import colorize, overlay
from whylight.errors import WhylightError
from whylight.images.pictures import display, picture_of
from whylight.methods import methods

Array = np.ndarray[Any, Any]

SIZES = [(20,), (6, 8, 9)]
CHANNELS = 2


def classifier(folder: Path, size: tuple[int, ...], **arguments: Any) -> Classifier:
    path = folder / "model.onnx"
    onnx.save(small_cnn(size, **arguments), path)
    return whylight.load(path)


def array(size: tuple[int, ...], channels: int = CHANNELS) -> Array:
    return np.random.default_rng(3).standard_normal((channels, *size)).astype(np.float32)


def weights(size: tuple[int, ...], channels: int = CHANNELS) -> dict[str, Array]:
    initializers = small_cnn(size, channels).graph.initializer
    return {each.name: onnx.numpy_helper.to_array(each).astype(np.float64) for each in initializers}


def convolved(maps: Array, kernel: Array, bias: Array) -> Array:
    """(C, ...) -> (K, ...), 3 taps along each axis, padded by one zero."""
    places = maps.ndim - 1
    padded = np.pad(maps, [(0, 0), *[(1, 1)] * places])
    windows = np.lib.stride_tricks.sliding_window_view(padded, [3] * places, tuple(range(1, places + 1)))
    axes = [0, *range(places + 1, 2 * places + 1)]
    summed = np.tensordot(kernel, windows, (list(range(1, places + 2)), axes))
    return summed + bias.reshape(-1, *[1] * places)


def last_maps(values: dict[str, Array], image: Array) -> Array:
    """The output of the layer ``conv``, (6, ...)."""
    maps = np.tanh(convolved(image.astype(np.float64), values["kernel"], values["bias"]))
    for axis in range(1, maps.ndim):  # the largest of two neighbours; what is left over goes
        even = maps.shape[axis] // 2 * 2
        first, second = (np.take(maps, range(start, even, 2), axis) for start in (0, 1))
        maps = np.maximum(first, second)
    return convolved(maps, values["kernel2"], values["bias2"])


def logits(values: dict[str, Array], maps: Array) -> Array:
    pooled = np.maximum(maps, 0).reshape(len(maps), -1).mean(1)
    return np.asarray(pooled @ values["weight"] + values["offset"])


def differences(function: Any, point: Array, step: float = 1e-6) -> Array:
    """The derivative of a function of an array, by central differences."""
    slopes = np.zeros(point.shape)
    for place in np.ndindex(point.shape):
        moved = np.zeros(point.shape)
        moved[place] = step
        slopes[place] = (function(point + moved) - function(point - moved)) / (2 * step)
    return slopes


@pytest.mark.parametrize("size", SIZES)
def test_gradcam_and_the_gradient_are_those_of_finite_differences(tmp_path: Path, size: tuple[int, ...]) -> None:
    model, values, image = classifier(tmp_path, size), weights(size), array(size)
    maps = last_maps(values, image)
    for chosen in (0, 2):
        slopes = differences(lambda at, chosen=chosen: logits(values, at)[chosen], maps)
        owed = slopes.reshape(len(maps), -1).mean(1)
        expected = np.maximum(np.tensordot(owed, maps, 1), 0)
        _, scores, cam = model.explainer(layer="conv").run(image[np.newaxis], np.array([chosen]))
        assert scores[0] == pytest.approx(logits(values, maps)[chosen], rel=1e-4)
        np.testing.assert_allclose(cam[0], expected, atol=1e-4 * max(np.abs(maps).max() * np.abs(owed).max(), 1e-9))
    slopes = differences(lambda at: logits(values, last_maps(values, at))[1], image.astype(np.float64))
    cam = model.explainer("gradient").run(image[np.newaxis], np.array([1]))[2]
    np.testing.assert_allclose(cam[0], np.abs(slopes).max(0), atol=1e-3 * np.abs(slopes).max())


@pytest.mark.filterwarnings("ignore:.*everywhere")
@pytest.mark.parametrize("name", sorted(methods()))
@pytest.mark.parametrize("size", SIZES)
def test_every_method_gives_a_finite_map_of_the_dimensions(tmp_path: Path, size: tuple[int, ...], name: str) -> None:
    model = classifier(tmp_path, size)
    if name == "legrad":
        with pytest.raises(WhylightError, match="'legrad' takes vision transformers"):
            model.explainer(name)
        return
    image = array(size)
    maps = [model.explainer(name).run(image[np.newaxis], np.array([chosen]))[2][0] for chosen in range(CLASSES)]
    layer = tuple(extent // 2 for extent in size)
    finest = not methods()[name].sees_layer or name in ("guided-gradcam", "refine-cam")
    for cam in maps:
        assert cam.shape == (size if finest else layer)
        assert np.isfinite(cam).all()
    assert any(np.ptp(cam) > 0 for cam in maps) or name == "fem"


@pytest.mark.parametrize(
    ("size", "order", "layout"),
    [
        *[((20,), *pair) for pair in (("first", "CL"), ("last", "LC"), ("none", "L"))],
        *[((6, 8, 9), *pair) for pair in (("first", "CDHW"), ("last", "DHWC"), ("none", "DHW"))],
        ((8, 9), "none", "HW"),
    ],
)
@pytest.mark.parametrize("batch", ["batch", 2])
def test_the_first_convolution_says_what_the_axes_are(
    tmp_path: Path, size: tuple[int, ...], order: str, layout: str, batch: int | str
) -> None:
    channels = 1 if order == "none" else CHANNELS
    if len(size) == 2:
        path = tmp_path / "model.onnx"
        onnx.save(small_cnn(size, 1, order, batch), path)
        model = whylight.load(path, input_range="1")
    else:
        model = classifier(tmp_path, size, channels=channels, order=order, batch=batch)
    assert (model.input.layout, model.input.size, model.input.channels) == (layout, size, channels)
    assert model.default_layer.name == "act"
    values, image = weights(size, channels), array(size, channels)
    output = model.explainer().run(image[np.newaxis], np.array([0]))[0][0]
    scores = logits(values, last_maps(values, image))
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(output, expected, atol=1e-5)
    # smoothed, and fused from layers of two resolutions
    assert model.explainer(layer=["early", "conv"], smooth=True).run(image[np.newaxis], np.array([0]))[2].shape[1:] == (
        size
    )


def test_the_layout_can_be_said(tmp_path: Path) -> None:
    content = small_cnn((20,))
    onnx.save(content, tmp_path / "model.onnx")
    assert whylight.load(tmp_path / "model.onnx", layout="NCL").input.layout == "CL"
    with pytest.raises(WhylightError, match=r"no input is an image.*no signal"):
        whylight.load(tmp_path / "model.onnx", layout="NCHW")
    content.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "length"
    onnx.save(content, tmp_path / "model.onnx")
    with pytest.raises(WhylightError, match=r"of any size; say which by the option 'input_size': LENGTH"):
        whylight.load(tmp_path / "model.onnx")
    assert whylight.load(tmp_path / "model.onnx", input_size=(24,)).input.size == (24,)
    with pytest.raises(WhylightError, match="an input size of 24,24 does not fit"):
        whylight.load(tmp_path / "model.onnx", input_size=(24, 24))


@pytest.mark.parametrize("size", SIZES)
def test_arrays_are_taken_as_they_are(tmp_path: Path, size: tuple[int, ...]) -> None:
    explainer = classifier(tmp_path, size).explainer("gradcam-elementwise")
    image = 100 * array(size) - 30
    expected = logits(weights(size), last_maps(weights(size), image))[1]
    np.save(tmp_path / "first.npy", image)
    np.save(tmp_path / "last.npy", np.moveaxis(image, 0, -1))
    for given in (image, np.moveaxis(image, 0, -1), tmp_path / "first.npy", str(tmp_path / "last.npy")):
        explanation = explainer(given, 1)
        assert explanation.score == pytest.approx(expected, rel=1e-3)
        assert explanation.cam.shape == tuple(extent // 2 for extent in size)
        assert explanation.input.size == size


def test_arrays_of_one_channel_need_no_axis_for_it(tmp_path: Path) -> None:
    explainer = classifier(tmp_path, (20,), channels=1).explainer()
    signal = array((20,), 1)
    np.savetxt(tmp_path / "column.csv", signal[0])
    for given in (signal, signal[0], signal.T, signal[0].astype(np.float64), tmp_path / "column.csv"):
        assert explainer(given, 0).score == pytest.approx(explainer(signal, 0).score, rel=1e-5)


def test_means_are_taken_off_each_channel(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(small_cnn((20,)), path)
    signal, mean, std = array((20,)), np.array([[3.0], [-2.0]]), np.array([[2.0], [0.5]])
    plain = whylight.load(path).explainer()((signal - mean) / std, 1)
    normalized = whylight.load(path, mean=[3, -2], std=[2, 0.5]).explainer()(signal, 1)
    assert normalized.score == pytest.approx(plain.score, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 21)), r"shape \(2, 21\): expected \(2, 20\) or \(20, 2\).*signals are not resized"),
        (np.zeros(20), r"shape \(20,\): expected \(2, 20\)"),
        (np.full((2, 20), np.nan), "NaN"),
        (np.array([["a"] * 20] * 2), "expected an array of numbers"),
        (Image.new("RGB", (20, 2)), "the model takes signals: expected an array of numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, given: Any, message: str) -> None:
    explainer = classifier(tmp_path, (20,)).explainer()
    with pytest.raises(WhylightError, match=message):
        explainer(given)


def test_the_overlay_of_a_signal_is_its_curve_over_the_colors(tmp_path: Path) -> None:
    signal = array((20,))
    explanation = classifier(tmp_path, (20,)).explainer("random")(signal)
    plain = np.asarray(explanation.overlay(alpha=0))
    # at each sample there is ink at the height of its value
    low, high = signal.min(), signal.max()
    for channel, place in np.ndindex(signal.shape):
        row = 8 + (high - signal[channel, place]) / (high - low) * (plain.shape[0] - 16)
        column = int((place + 0.5) * plain.shape[1] / 20)
        near = plain[max(int(row) - 2, 0) : int(row) + 4, column - 2 : column + 3]
        assert near.min() < 128
    colors = np.asarray(explanation.overlay(alpha=1))
    cells = colors.reshape(plain.shape[0], 10, -1, 3)
    middle = cells[5, :, cells.shape[2] // 2].astype(float)
    np.testing.assert_allclose(middle, colorize(explanation.cam), atol=12)
    assert (colors == colors[:1]).all()


def test_the_overlay_of_a_volume_has_its_slices_side_by_side(tmp_path: Path) -> None:
    volume = array((6, 8, 9), 1)
    explanation = classifier(tmp_path, (6, 8, 9), channels=1).explainer("gradient")(volume)
    found = np.asarray(explanation.overlay())
    assert found.shape == (8, 6 * 9, 3)
    unit = (volume[0] - volume.min()) / (volume.max() - volume.min())
    for depth in range(6):
        image = display(picture_of(unit[depth], 1), 1)
        expected = overlay(Image.fromarray(np.array(image)), explanation.cam[depth])
        np.testing.assert_allclose(found[:, 9 * depth : 9 * depth + 9].astype(int), np.asarray(expected), atol=2)


def test_the_overlay_of_a_deep_volume_has_eight_slices(tmp_path: Path) -> None:
    volume = np.zeros((1, 32, 8, 8), np.float32)
    volume[0, 31] = 1
    found = np.asarray(classifier(tmp_path, (32, 8, 8), channels=1).explainer("random")(volume).overlay(alpha=0))
    assert found.shape == (8, 64, 3)
    assert (found[:, :-8] == 0).all()
    assert (found[:, -8:] == 255).all()


@pytest.mark.filterwarnings("ignore:.*everywhere")
@pytest.mark.parametrize("size", SIZES)
def test_the_commands_take_arrays(
    tmp_path: Path, size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(small_cnn(size), "model.onnx")
    image = array(size)
    np.save("a.npy", image)
    np.save("b.npy", image[:, ::-1])
    arguments = ["gradcam", "-m", "model.onnx", "--image", "a.npy", "-c", "1", "-o", "a.png", "--json"]
    expected = logits(weights(size), last_maps(weights(size), image))[1]
    for _ in range(2):  # once more from the cache
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out)["score"] == pytest.approx(expected, rel=1e-4)
    assert Image.open("a.png").width > 20
    assert main(["inspect", "model.onnx"]) == 0
    text = capsys.readouterr().out
    assert f"* act      Relu     N x 6 x {' x '.join(str(extent // 2) for extent in size)}\n" in text
    assert "range" not in text
    assert main(["compile", "model.onnx", "-o", "explainer.onnx"]) == 0
    assert whylight.Explainer("explainer.onnx")("a.npy", 1).score == pytest.approx(expected, rel=1e-4)
    Path("data.csv").write_text("x:image,y:label\na.npy,1\nb.npy,2\n")
    assert main(["gradcam-batch", "-m", "model.onnx", "-i", "data.csv", "-o", "out.csv", "--save_cam", "npy"]) == 0
    rows = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert len(rows) == 3
    assert all(Path(row[0]).is_file() for row in rows[1:])
    for index in range(2):
        (path,) = Path("out").rglob(f"*{index}.npy")
        assert np.load(path).shape == tuple(extent // 2 for extent in size)
    assert main(["sanity", "model.onnx", "-o", "sanity.csv"]) == 2
    assert f"takes arrays of shape {size}: maps are judged on pictures" in capsys.readouterr().err


def test_a_console_network_of_signals(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = {
        "conv/W": random.standard_normal((4, 2, 3)),
        "conv/b": random.standard_normal(4),
        "affine/W": random.standard_normal((4 * 12, 3)),
        "affine/b": random.standard_normal(3),
    }
    text = network(
        variable("x", (-1, 2, 12)),
        variable("features", (-1, 4, 12)),
        variable("active", (-1, 4, 12)),
        variable("y", (-1, 3)),
        *[variable(name, value.shape, "Parameter") for name, value in values.items()],
        function(
            "Convolution",
            ["x", "conv/W", "conv/b"],
            ["features"],
            "convolution_param { base_axis: 1 pad { dim: 1 } stride { dim: 1 } dilation { dim: 1 } group: 1 }",
        ),
        function("ReLU", ["features"], ["active"]),
        function("Affine", ["active", "affine/W", "affine/b"], ["y"], "affine_param { base_axis: 1 }"),
    )
    model = whylight.load(write_nnp(tmp_path / "model.nnp", text, values))
    assert (model.input.layout, model.input.size, model.input.channels) == ("CL", (12,), 2)
    signal = array((12,))
    maps = convolved(signal.astype(np.float64), values["conv/W"], values["conv/b"])
    slopes = values["affine/W"][:, 1].reshape(4, 12) * (maps > 0)
    expected = np.maximum(slopes.mean(1) @ maps, 0)
    explanation = model.explainer(layer="Convolution")(signal, 1)
    np.testing.assert_allclose(explanation.cam, (expected - expected.min()) / np.ptp(expected), atol=1e-4)
