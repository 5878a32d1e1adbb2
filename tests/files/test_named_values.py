"""Numbers and arrays by name: as text, as Python holds them, and in files."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.files.named_values import named_values
from whylight.options import ModelOptions


@pytest.mark.parametrize("given", ["a=0.5", ["a=0.5"], {"a": 0.5}, {"a": "0.5"}, [("a", 0.5)], {"a": np.float32(0.5)}])
def test_a_number(given: Any) -> None:
    (found,) = named_values(given)
    assert (found.name, found.value.shape, float(found.value)) == ("a", (), 0.5)
    assert str(found) == "a=0.5"
    assert named_values((found,)) == (found,)


def test_whole_numbers_stay_whole() -> None:
    one, other = named_values(["a=3", "b=3.0"])
    assert (one.value.dtype.kind, other.value.dtype.kind) == ("i", "f")


@pytest.mark.parametrize("suffix", [".npy", ".csv"])
def test_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"numbers=1{suffix}"
    array = np.array([[1.0, 2], [3, 4]])
    np.save(path, array) if suffix == ".npy" else np.savetxt(path, array, delimiter=",")
    for given in (f"a={path}", {"a": path}, {"a": str(path)}):
        np.testing.assert_array_equal(named_values(given)[0].value, array)
    with pytest.raises(WhylightError, match=r"no\.npy: no such file"):
        named_values("a=no.npy")


def test_an_array_is_told_from_others_by_its_content() -> None:
    texts = {
        str(named_values({"a": array})[0]) for array in (np.zeros(3), np.ones(3), np.ones((3, 1)), np.ones(3, int))
    }
    assert len(texts) == 4


@pytest.mark.parametrize(
    "given", ["a", "=1", "a=", ["a=1", "a=2"], {"a": object()}, {1: 2}, [("a", 1, 2)], {"a": ""}, {"a": [[1], [1, 2]]}]
)
def test_what_is_none_is_refused(given: Any) -> None:
    with pytest.raises(WhylightError, match=r"^fix "):
        ModelOptions(fix=given)


def test_options_state_them_and_go_to_other_processes() -> None:
    options = ModelOptions(fix={"a": 0.5, "b": np.arange(3)})
    stated = options.to_dict()["fix"]
    assert stated[0] == "a=0.5"
    assert stated[1].startswith("b=int64 (3,) ")
    assert pickle.loads(pickle.dumps(options)).to_dict() == options.to_dict()
    assert list(options.changed()) == ["fix"]
