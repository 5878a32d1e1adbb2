"""What lies in a folder and what does not, links followed."""

from pathlib import Path

import pytest

from whylight.errors import WhylightError
from whylight.files.confining import Confined, inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with links inside and outside, and a file beside it."""
    folder = tmp_path / "open"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").touch()
    (tmp_path / "open-too").mkdir()
    (tmp_path / "secret.png").touch()
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    (folder / "in").symlink_to(folder / "images", target_is_directory=True)
    return folder


@pytest.mark.parametrize(
    "name", ["images/a.png", "images/../images/a.png", "in/a.png", "images/new.png", "./images/a.png"]
)
def test_what_lies_inside(folder: Path, name: str) -> None:
    expected = (folder / name).resolve()
    assert inside(folder, name) == expected
    assert inside(folder, str(folder / name)) == expected
    assert Confined(folder).file(str(folder), name).resolve() == expected


@pytest.mark.parametrize(
    "name",
    ["../secret.png", "out.png", "up/secret.png", "images/../../secret.png", "../open-too/a.png", "/etc/passwd",
     "http://127.0.0.1/a.png", "a\0.png", "in/../../secret.png", ".."],
)  # fmt: skip
def test_what_lies_outside(folder: Path, name: str) -> None:
    with pytest.raises(WhylightError, match="outside the folder"):
        inside(folder, name)
    with pytest.raises(WhylightError, match="outside the folder"):
        Confined(folder).file(str(folder), name)
