"""What goes around a layer, measured: against the variances of a network that is a sum of two."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import whylight
from sketch import Sketch
from whylight.compiling import share
from whylight.compiling.share import share_around


def two_branches(path: Path) -> whylight.Classifier:
    """Scores are the sum of two branches' own."""
    sketch = Sketch()
    stem = sketch.conv("stem", "image", 3, 4)
    branches = [sketch.relu_conv(name, stem, 4, 5) for name in "ab"]
    sketch.node("Add", "scores", *[sketch.head(maps, 5, f"{maps}.scores") for maps in branches])
    return whylight.load(sketch.save(path), input_range="1")


def test_the_share_is_what_the_other_branch_makes_the_scores_vary(tmp_path: Path) -> None:
    classifier = two_branches(tmp_path / "m.onnx")
    images = share._random_images(classifier)
    content = onnx.load(tmp_path / "m.onnx")
    content.graph.output.extend([onnx.ValueInfoProto(name=f"{name}.relu.scores") for name in "ab"])
    session = onnxruntime.InferenceSession(content.SerializeToString())
    scores, of_a, of_b = session.run(None, {"image": images})
    for name, other in (("a", of_b), ("b", of_a)):
        expected = other.var(0).sum() / scores.var(0).sum()
        assert share_around(classifier, [classifier.layer(name)]) == pytest.approx(min(expected, 1), rel=1e-3)


def test_nothing_goes_around_a_layer_that_all_ways_lead_through(tmp_path: Path) -> None:
    classifier = two_branches(tmp_path / "m.onnx")
    assert share_around(classifier, [classifier.layer("stem")]) == 0
    assert share_around(classifier, [classifier.layer("a"), classifier.layer("b")]) == 0


def test_a_layer_that_is_bypassed_gives_a_warning_with_the_share(tmp_path: Path) -> None:
    classifier = two_branches(tmp_path / "m.onnx")
    around = share_around(classifier, [classifier.layer("a")])
    with pytest.warns(whylight.WhylightWarning, match=f"{around:.0%} of the score goes around layer 'a'"):
        explainer = classifier.explainer("gradcam", "a")
    assert "goes around layer 'a'" in explainer.facts.notes[0]


def test_random_images_fill_the_range(tmp_path: Path) -> None:
    images = share._random_images(two_branches(tmp_path / "m.onnx"))
    assert images.shape == (8, 3, 16, 16)
    assert 0 <= images.min() < 0.1
    assert 0.9 < images.max() <= 1
    assert np.abs(np.diff(images, axis=3)).max() < 0.5, "soft transitions"
