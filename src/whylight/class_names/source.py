"""Where classes' names stand: in a labels file, in a model's metadata, or in this package for ImageNet."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError
from whylight.files.budget import check_whole_file
from whylight.files.checks import reading

IMAGENET = "imagenet"
"""In place of a labels file: the 1000 classes of ILSVRC 2012."""
Labels = Path | str | Sequence[str]
"""A labels file, `IMAGENET`, or the names, the first that of class 0."""

_KEYS = ("names", "id2label", "class_names", "labels", "classes")
"""Entries of a model's metadata that hold the names: of Ultralytics, of Hugging Face, and others'."""
_CONFIGURATION = "config.json"
_BACKGROUND = "background"
"""What TensorFlow's models have before the classes of ImageNet."""
_LONGEST = 2**22
"""Characters of an entry of metadata beyond which it is not looked at."""


def class_names(labels: Labels, class_count: int | None = None) -> tuple[str, ...]:
    """The names that a person gives.

    Args:
        labels: a text file with one name a line, or a JSON file: a list, or a mapping of class indices and names,
            either way around, perhaps under the key ``id2label``; or `IMAGENET`, or the names themselves.
        class_count: of the model, where it is known.

    Raises:
        WhylightError: the file is missing or holds no names, or there is not one a class.
    """
    if labels == IMAGENET:
        source, names = f"labels '{IMAGENET}'", _imagenet()
        if class_count == len(names) + 1:
            names = (_BACKGROUND, *names)
    elif isinstance(labels, str | Path):
        source, names = str(labels), read_labels(Path(labels))
    else:
        source, names = "labels", tuple(labels)
    while class_count is not None and len(names) > class_count and not names[-1]:
        names = names[:-1]  # blank lines at the end of a file
    if class_count is not None and len(names) != class_count:
        raise WhylightError(
            f"{source}: {len(names)} names, but the model has {class_count} classes: expected one name a class"
        )
    return names


def read_labels(path: Path) -> tuple[str, ...]:
    """The class names of a file; see `class_names`.

    Raises:
        WhylightError: the file is missing, is not UTF-8 text, or is JSON that holds no names.
    """
    check_whole_file(path)
    with reading(path):
        text = path.read_bytes().decode("utf-8-sig")
    if path.suffix.lower() != ".json":
        return tuple(line.strip() for line in io.StringIO(text, newline=None))  # a name may hold U+2028
    with reading(path, "JSON"):
        found = names_in(json.loads(text))
    if not found:
        raise WhylightError(
            f"{path}: no class names: expected a list of them, or a mapping from class indices to names"
        )
    return found


def names_of_metadata(metadata: Mapping[str, str], class_count: int) -> tuple[str, ...]:
    """The names in a model's metadata: a Python or JSON list or mapping, or text with lines or commas; else none.

    Names that are not one a class, and those that say no more than a number, are not taken.
    """
    for key in _KEYS:
        text = metadata.get(key, "").strip()
        if len(text) > _LONGEST:
            continue
        ways = (
            [names_in(_literal(text))] if text.startswith(("[", "{", "(")) else [_parts(text, "\n"), _parts(text, ",")]
        )
        for found in ways:
            if len(found) == class_count and not _says_nothing(found):
                return found
    return ()


def names_beside(model: Path) -> tuple[str, ...]:
    """The names in the ``config.json`` beside a model, as Hugging Face writes it with ``id2label``; else none."""
    path = model.with_name(_CONFIGURATION)
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            return ()
        held = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # it may belong to something else
        return ()
    found = names_in(held) if isinstance(held, dict) and "id2label" in held else ()
    return () if _says_nothing(found) else found


def names_in(value: Any) -> tuple[str, ...]:
    """The names in a list, or in a mapping of class indices and names; none where it is neither, or one is missing."""
    if isinstance(value, Mapping) and isinstance(value.get("id2label"), Mapping):
        value = value["id2label"]
    if isinstance(value, Mapping):
        pairs = [_pair(*item) for item in value.items()]
        known = dict(pair for pair in pairs if pair is not None)
        value = [known.get(index) for index in range(len(pairs))]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return ()
    return tuple(name.strip() for name in value)


def _pair(key: Any, value: Any) -> tuple[int, str] | None:
    """Index and name: ``0: "cat"``, ``"0": "cat"``, ``"cat": 0``, or ``"0": ["n02121808", "cat"]``."""
    if isinstance(value, list | tuple) and value:
        value = value[-1]
    if isinstance(key, str) and isinstance(value, int):
        key, value = value, key
    try:
        return (int(key), value) if isinstance(value, str) else None
    except (ValueError, TypeError):
        return None


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    import ast

    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _parts(text: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(separator))


def _says_nothing(names: Sequence[str]) -> bool:
    """Whether they are numbers, or what Hugging Face puts where nobody has named the classes."""
    return all(name in ("", str(index), f"LABEL_{index}", f"class{index}") for index, name in enumerate(names))


def _imagenet() -> tuple[str, ...]:
    return tuple(Path(__file__).with_name("imagenet.txt").read_text("utf-8").splitlines())
