"""The documents name every method."""

from pathlib import Path

from whylight.methods import methods

DOCUMENTS = Path(__file__).parents[2]


def test_every_method_is_in_the_document_of_methods() -> None:
    text = (DOCUMENTS / "docs" / "methods.md").read_text("utf-8")
    assert not [name for name in methods() if f"`{name}`" not in text]


def test_the_number_of_methods_is_right() -> None:
    for name, words in (
        ("README.md", f"**{_WORDS[len(methods())]} methods**"),
        ("README.ja.md", f"{len(methods())} の手法"),
    ):
        assert words in (DOCUMENTS / name).read_text("utf-8"), name


_WORDS = {32: "Thirty-two", 33: "Thirty-three", 34: "Thirty-four"}
