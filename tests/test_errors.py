"""The one error: its message is one line whatever names hold."""

import pickle

import pytest

from whylight.errors import OutOfMemoryError, WhylightError, WhylightWarning


@pytest.mark.parametrize("kind", [WhylightError, OutOfMemoryError, WhylightWarning])
def test_a_message_is_one_line_that_can_be_printed(kind: type[Exception]) -> None:
    error = kind("a\nb\x1b[31m\0\u2028: 日本語 é 'x'")
    assert str(error) == "a\\nb\\x1b[31m\\x00\\u2028: 日本語 é 'x'"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(kind(f"{error}: again")) == f"{error}: again", "it is escaped once"


@pytest.mark.parametrize("kind", [WhylightError, OutOfMemoryError, WhylightWarning])
def test_a_message_has_an_end(kind: type[Exception]) -> None:
    name = "n" * 100_000
    said = str(kind(f"model.onnx: layer '{name}': expected another"))
    assert len(said) < 1000
    assert said.startswith("model.onnx: layer 'nnn")
    assert said.endswith("nnn': expected another")
    assert len(str(kind("many short words " * 10_000))) < 3000
