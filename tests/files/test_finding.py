"""Folders and patterns, and the files that they mean."""

import os
from pathlib import Path

import pytest

from whylight.errors import WhylightError
from whylight.files.finding import files_of, means_several


def is_png(name: str) -> bool:
    return name.lower().endswith(".png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in (
        *("b.png", "a.PNG", "note.txt", ".hidden.png", "旅行/c d.png", "旅行/deep/e.png", ".cache/f.png"),
        *("result/done", "result/0000/0.png", "report.html", "report_files/0000/0.png", "my_files/g.png"),
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "photos"


FOUND = ["a.PNG", "b.png", "my_files/g.png", "旅行/c d.png", "旅行/deep/e.png"]


def found(place: str | Path, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_of(place, is_png, "done")]


def test_a_folder_is_searched_to_its_end_but_for_what_is_hidden_or_a_result(photos: Path) -> None:
    assert sorted(found(photos, photos)) == FOUND
    assert found(photos, photos) == found(f"{photos}/", photos)


def test_a_pattern_means_files_and_folders(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(f"{photos}/*.png", photos) == ["b.png"]
    assert sorted(found(f"{photos}/*", photos)) == FOUND
    assert sorted(found(f"{photos}/**/*.png", photos)) == FOUND[1:]
    assert found(f"{photos}/result/0000/*.png", photos) == ["result/0000/0.png"], "who asks for a result gets it"
    monkeypatch.chdir(photos)
    assert files_of("[ab].*", is_png, "done") == [Path("a.PNG"), Path("b.png")]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(photos: Path) -> None:
    (photos / "a[1].png").touch()
    assert not means_several(photos / "a[1].png")
    assert found(photos / "a[1].png", photos) == ["a[1].png"]


def test_what_means_several(photos: Path) -> None:
    assert means_several(photos)
    assert means_several(f"{photos}/*.png")
    assert not means_several(photos / "b.png")
    assert not means_several(photos / "none.png")
    assert not means_several("https://example.org/a.png?size=3")
    assert not means_several("\0")


def test_nothing_is_said(photos: Path) -> None:
    for place in (photos / "result", f"{photos}/*.jpg"):
        with pytest.raises(WhylightError, match="no image files there"):
            files_of(place, is_png, "done")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_said(photos: Path) -> None:
    (photos / "旅行").chmod(0)
    with pytest.raises(WhylightError, match="cannot be read"):
        files_of(photos, is_png, "done")
    (photos / "旅行").chmod(0o700)
