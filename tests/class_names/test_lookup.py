"""Which class a name means."""

import pytest

from whylight.class_names.lookup import class_index_of, named, references_in
from whylight.class_names.source import class_names
from whylight.errors import WhylightError

NAMES = ("tabby, tabby cat", "tiger cat", "猫, neko", "crane", "crane", "missile", "projectile, missile")


@pytest.mark.parametrize(
    ("reference", "index"),
    [
        (1, 1),
        ("tiger cat", 1),
        ("Tiger-Cat", 1),
        ("tabby_cat", 0),
        ("tabby", 0),
        ("Tabby, tabby cat", 0),
        ("猫", 2),
        ("NEKO", 2),
        ("missile", 5),
        ("projectile", 6),
    ],
)
def test_a_name_or_a_synonym_means_a_class(reference: int | str, index: int) -> None:
    assert class_index_of(reference, NAMES, len(NAMES)) == index


@pytest.mark.parametrize(
    ("reference", "names", "message"),
    [
        (7, NAMES, "class index 7 is out of range: the model has classes 0 to 6"),
        (-1, NAMES, "class index -1 is out of range"),
        ("tigre cat", NAMES, "no class 'tigre cat'; the nearest are 'tiger cat', 'tabby cat'"),
        (
            "crane",
            NAMES,
            r"several classes are called 'crane': 3 \(crane\), 4 \(crane\): expected one",
        ),
        ("?", ("", ""), "no class"),
        ("cat", (), "no class 'cat': the model's classes have no names: expected a number from 0 to 6"),
    ],
)
def test_what_means_no_class_is_said(reference: int | str, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(WhylightError, match=message) as caught:
        class_index_of(reference, names, 7)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3,5,predicted", ["3", "5", "predicted"]),
        ("tabby, tabby cat", ["tabby, tabby cat"]),
        ("tiger cat, neko", ["tiger cat", "neko"]),
        ("281", ["281"]),
    ],
)
def test_commas_part_classes_but_in_a_name(text: str, parts: list[str]) -> None:
    assert references_in(text, NAMES) == parts


def test_classes_are_shown_with_their_names() -> None:
    assert [named(index, ("cat", "")) for index in range(3)] == ["0 (cat)", "1", "2"]


def test_the_classes_of_imagenet_are_where_the_challenge_has_them() -> None:
    names = class_names("imagenet", 1000)
    known = {"tench": 0, "tabby cat": 281, "tiger cat": 282, "Egyptian cat": 285, "espresso": 967, "toilet tissue": 999}
    assert {name: class_index_of(name, names, 1000) for name in known} == known
