"""Trial runs of graphs that never end, or that want all memory there is."""

import time

import numpy as np
import pytest
from onnx import parser

from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE
from whylight.graph.trial import Deadline, Trial

ENDLESS = """<ir_version: 9, opset_import: ["" : 18]>
endless (float x) => (float y) {
    turns = Constant<value_int = 4611686018427387904>()
    yes = Cast<to = 9>(turns)
    y = Loop (turns, yes, x) <
        body = step (int64 turn, bool go, float before) => (bool again, float after) {
            again = Identity(go)
            after = Sigmoid(before)
        }
    >
}
"""
FILLING = """<ir_version: 9, opset_import: ["" : 18]>
filling (int64[1] size) => (float y) {
    many = ConstantOfShape(size)
    more = Sigmoid(many)
    y = ReduceSum<keepdims = 0>(more)
}
"""


def trial(text: str, seconds: float = 30) -> Trial:
    model = parser.parse_model(text).SerializeToString()
    return Trial(model, Deadline(0, seconds), len(model))


def test_what_ends_gives_its_outputs() -> None:
    (found,) = trial(FILLING).run(["y"], {"size": np.array([10])})
    assert found == pytest.approx(5)


def test_what_does_not_end_is_stopped() -> None:
    start = time.monotonic()
    with pytest.raises(WhylightError, match="did not end within 1 seconds"):
        trial(ENDLESS, 1).run(["y"], {"x": np.array(1, np.float32)})
    assert time.monotonic() - start < 20


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "64M")
    with pytest.raises(WhylightError, match="it wants more than 64 MiB of memory"):
        trial(FILLING).run(["y"], {"size": np.array([2**25])})
    (found,) = trial(FILLING).run(["y"], {"size": np.array([2**20])})
    assert found == pytest.approx(2**19)


def test_what_lies_beside_it_is_not_its_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "256M")
    model, size = parser.parse_model(FILLING).SerializeToString(), {"size": np.array([2**24])}
    Trial(model, Deadline(0), 0).run(["y"], size)
    with pytest.raises(WhylightError, match="it wants more than 64 MiB of memory"):
        Trial(model, Deadline(0), 0, beside=192 * 2**20).run(["y"], size)
    with pytest.raises(WhylightError, match="it wants more than 1 MiB of memory"):
        Trial(model, Deadline(0), 0, beside=2**40).run(["y"], size)
