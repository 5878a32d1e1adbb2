"""Maps from elsewhere, by their row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.trust.precomputed import open_maps

MAPS = np.random.default_rng(0).random((3, 4, 5))
SIZE = (20, 20)


def test_every_kind_gives_a_rows_map(tmp_path: Path) -> None:
    np.save(tmp_path / "maps.npy", MAPS)
    np.savez(tmp_path / "maps.npz", **{str(i): one for i, one in enumerate(MAPS)})
    shards, single = tmp_path / "shards", tmp_path / "single"
    shards.mkdir()
    np.savez(shards / "00000.npz", **{"0": MAPS[0], "1": MAPS[1]})
    np.savez(shards / "00001.npz", **{"2": MAPS[2], "1003": MAPS[0]})
    for name, cam in {"0000/0": MAPS[0], "0000/1": MAPS[1], "0000/2": MAPS[2], "0001/1003": MAPS[0]}.items():
        (single / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(single / f"{name}.npy", cam)
    for source in (MAPS, tmp_path / "maps.npy", str(tmp_path / "maps.npz"), shards, str(single)):
        maps = open_maps(source)
        for index in (2, 0, 1):
            np.testing.assert_array_equal(maps.map_of(index, SIZE), MAPS[index].astype(np.float32))
        with pytest.raises(WhylightError, match="no map of this row: expected one named '3'"):
            maps.map_of(3, SIZE)
    for folder in (shards, single):
        np.testing.assert_array_equal(open_maps(folder).map_of(1003, SIZE), MAPS[0].astype(np.float32))


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({"0": np.zeros(4)}, "map '0': float64 of shape (4,): expected real numbers (height, width)"),
        ({"0": np.zeros((4, 5, 1))}, "map '0': float64 of shape (4, 5, 1): expected real numbers (height, width)"),
        ({"0": np.zeros((4, 5), complex)}, "map '0': complex128 of shape (4, 5): expected real numbers"),
        ({"0": np.zeros((21, 5))}, "map '0': 21 x 5: expected at most 20 x 20, the size of the model's input"),
        ({"0": np.full((4, 5), np.inf)}, "map '0': holds NaN or infinite values"),
        ({"0": np.array([[None]])}, "map '0' cannot be read"),
        ({"cat": np.zeros((4, 5))}, "no arrays named by their row, '0', '1', ...; it has: cat"),
    ],
)
def test_bad_maps_are_said_in_one_line(tmp_path: Path, maps: dict[str, Any], message: str) -> None:
    path = tmp_path / "maps.npz"
    np.savez(path, **maps)
    with pytest.raises(WhylightError) as error:
        open_maps(path).map_of(0, SIZE)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_what_holds_no_maps_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK")
    (tmp_path / "maps.txt").write_text("0")
    np.save(tmp_path / "flat.npy", np.zeros((3, 4)))
    for source, message in (
        (5, "found int in place of maps: expected an Explainer, an array"),
        (np.zeros((3, 4)), "the maps: an array of shape (3, 4): expected (rows, height, width)"),
        (tmp_path / "flat.npy", "expected (rows, height, width)"),
        (tmp_path / "none.npz", "no such file"),
        (tmp_path / "broken.npz", "not an .npz file"),
        (tmp_path / "maps.txt", "no maps: expected a .npy or .npz file"),
        (tmp_path / "empty", "a folder without maps"),
    ):
        with pytest.raises(WhylightError) as error:
            open_maps(source)  # type: ignore[arg-type]
        assert message in str(error.value)
