"""Where the names of classes stand."""

import json
from pathlib import Path

import pytest

from whylight.class_names.source import class_names, names_of_metadata, read_labels
from whylight.errors import WhylightError


def test_a_text_file_has_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufefftench, Tinca tinca\r\n金魚 \r\n\r\ncat".encode())
    assert class_names(path) == ("tench, Tinca tinca", "金魚", "", "cat")
    path.write_bytes(b"cat\ndog\n\n\n")
    assert class_names(path, 2) == ("cat", "dog")
    path.write_bytes("金魚".encode("cp932"))
    with pytest.raises(WhylightError, match="not UTF-8"):
        class_names(path)
    with pytest.raises(WhylightError, match="no such file"):
        class_names(tmp_path / "none.txt")


@pytest.mark.parametrize(
    "value",
    [
        ["cat", "dog", "鳥"],
        {"0": "cat", "1": "dog", "2": "鳥"},
        {"2": "鳥", "1": "dog", "0": "cat"},
        {"cat": 0, "dog": 1, "鳥": 2},
        {"0": ["n02121808", "cat"], "1": ["n02084071", "dog"], "2": ["n01503061", "鳥"]},
        {"model_type": "vit", "id2label": {"0": "cat", "1": "dog", "2": "鳥"}, "label2id": {"cat": 0}},
    ],
)
def test_a_json_file_has_a_list_or_a_mapping(tmp_path: Path, value: object) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(value), "utf-8")
    assert class_names(path, 3) == ("cat", "dog", "鳥")


@pytest.mark.parametrize("text", ["{}", '{"0": "cat", "2": "dog"}', '["cat", 3]', "7", '{"cat": 0.5}'])
def test_json_without_names_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(WhylightError, match=r"labels\.json: no class names: expected a list of them"):
        class_names(path)
    path.write_text("[" * 100_000)
    with pytest.raises(WhylightError, match=r"labels\.json: nested deeper than anybody means"):
        class_names(path)


def test_names_are_one_a_class() -> None:
    with pytest.raises(WhylightError, match="labels: 2 names, but the model has 3 classes: expected one name a class"):
        class_names(["cat", "dog"], 3)
    with pytest.raises(WhylightError, match="labels 'imagenet': 1000 names, but the model has 10 classes"):
        class_names("imagenet", 10)


def test_models_of_tensorflow_have_a_class_before_those_of_imagenet() -> None:
    assert class_names("imagenet", 1001)[:2] == ("background", "tench, Tinca tinca")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"names": "{0: 'cat', 1: \"dog's\"}"}, ("cat", "dog's")),
        ({"names": "['cat', 'dog']"}, ("cat", "dog")),
        ({"id2label": '{"0": "cat", "1": "dog"}'}, ("cat", "dog")),
        ({"labels": '["cat", "dog"]'}, ("cat", "dog")),
        ({"classes": "cat\ndog\n"}, ("cat", "dog")),
        ({"classes": "cat, dog"}, ("cat", "dog")),
        ({"names": "{0: 'person', 1: 'car', 2: 'bus'}", "labels": "cat,dog"}, ("cat", "dog")),
        ({"names": "{0: 'cat', 1: 'dog', 2: 'bird'}"}, ()),
        ({"names": "{0: '0', 1: '1'}"}, ()),
        ({"id2label": '{"0": "LABEL_0", "1": "LABEL_1"}'}, ()),
        ({"names": "__import__('os').getcwd()"}, ()),
        ({"names": "-" * 200_000 + "1"}, ()),
        ({"author": "cat,dog"}, ()),
    ],
)
def test_metadata_say_names_in_several_ways(metadata: dict[str, str], expected: tuple[str, ...]) -> None:
    assert names_of_metadata(metadata, 2) == expected


def test_lines_end_as_files_end_them(tmp_path: Path) -> None:
    """A name may hold what str.splitlines takes for the end of a line."""
    (tmp_path / "a.txt").write_bytes("cat\r\ndog\u2028s\rbird\u0085\x0cs\n".encode())
    assert read_labels(tmp_path / "a.txt") == ("cat", "dog\u2028s", "bird\u0085\x0cs")
