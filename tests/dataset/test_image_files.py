"""Folders, patterns and image files as datasets."""

from pathlib import Path

import pytest
from PIL import Image

from whylight.dataset.csv_table import CsvTable
from whylight.dataset.image_files import ImageFiles, image_files
from whylight.dataset.opening import open_dataset
from whylight.dataset.table import Dataset
from whylight.errors import WhylightError, WhylightWarning

NAMES = ("tabby, tabby cat", "dog", "猫")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("10/a.png", "2/b.jpg", "2/more/c.png", "1/ d .webp"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)
    return tmp_path / "photos"


def cells(dataset: Dataset) -> list[tuple[str, ...]]:
    return [row.cells for row in dataset.rows()]


def test_a_folder_is_a_dataset_of_its_images(photos: Path) -> None:
    dataset = open_dataset(photos)
    assert isinstance(dataset, ImageFiles)
    assert (dataset.variables, dataset.origin, dataset.source) == (["x"], "predicted", str(photos))
    assert [dataset.image(row, (0,)) for row in dataset.rows()] == [
        photos / name for name in ("1/ d .webp", "10/a.png", "2/b.jpg", "2/more/c.png")
    ]


def test_what_is_named_one_by_one_comes_in_that_order_and_once(photos: Path) -> None:
    dataset = open_dataset([str(photos / "2" / "b.jpg"), str(photos / "1"), f"{photos}/2/*.jpg"])
    assert [Path(name).name for (name,) in cells(dataset)] == ["b.jpg", " d .webp"]
    assert [Path(name).name for (name,) in cells(open_dataset(photos / "2" / "b.jpg"))] == ["b.jpg"]


def test_a_list_of_one_table_is_that_table(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\na.png,1\n")
    assert isinstance(open_dataset([tmp_path / "data.csv"]), CsvTable)
    with pytest.raises(WhylightError, match="labels from folders: expected a folder of images, found a table"):
        open_dataset(tmp_path / "data.csv", "folders")
    with pytest.raises(WhylightError, match=r"data\.csv: a table among images"):
        open_dataset([tmp_path / "data.csv", tmp_path])


def test_folders_are_numbered_as_torchvision_numbers_them(photos: Path) -> None:
    """ImageFolder: the folders' names sorted as text; images further down belong to the folder right below the root."""
    with pytest.warns(WhylightWarning, match="folder '1' is class 0; names by the option 'labels' say otherwise"):
        dataset = open_dataset(photos, "folders").of_classes((), 3)
    assert [label for _, label in cells(dataset)] == ["0", "1", "2", "2"]
    with pytest.raises(WhylightError, match="3 folders, but the model has 4 classes, which have no names"):
        open_dataset(photos, "folders").of_classes((), 4)


def test_folders_are_called_after_classes_where_these_have_names(photos: Path) -> None:
    for name, folder in (("1", "Tabby Cat"), ("10", "猫"), ("2", "1")):
        (photos / name).rename(photos / folder)
    dataset = open_dataset(photos, "folders").of_classes(NAMES, 3)
    assert [(Path(name).name, label) for name, label in cells(dataset)] == [
        ("b.jpg", "1"),
        ("c.png", "1"),
        (" d .webp", "0"),
        ("a.png", "2"),
    ]
    (photos / "猫").rename(photos / "lion")
    with pytest.raises(WhylightError, match="photos: folder 'lion': no class 'lion'; the nearest are"):
        open_dataset(photos, "folders").of_classes(NAMES, 3)


def test_the_folder_of_a_file_that_is_named_is_its_own(photos: Path) -> None:
    dataset = open_dataset([str(photos / "10" / "a.png"), f"{photos}/2/*.jpg"], "folders").of_classes(("2", "10"), 2)
    assert [label for _, label in cells(dataset)] == ["1", "0"]


def test_an_image_in_no_folder_is_said(photos: Path) -> None:
    Image.new("RGB", (2, 2)).save(photos / "loose.png")
    with pytest.raises(WhylightError, match=r"loose\.png: lies in no folder of .*expected a folder for each class"):
        open_dataset(photos, "folders")


def test_each_image_is_there_for_each_class(photos: Path) -> None:
    dataset = image_files([photos / "10", photos / "1"], classes=["dog", "predicted", 2]).of_classes(NAMES, 3)
    assert [(Path(name).name, label) for name, label in cells(dataset)] == [
        (name, label) for name in ("a.png", " d .webp") for label in ("1", "predicted", "2")
    ]
    assert [dataset.class_index(row, (1,)) for row in dataset.rows()] == [1, "predicted", 2] * 2
    with pytest.raises(WhylightError, match="no class 'bird'"):
        image_files([photos], classes=["bird"]).of_classes(NAMES, 3)


def test_a_result_names_images_relative_to_itself(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    for folder, prefix in ((tmp_path, "photos"), (photos, "."), (tmp_path / "link", "../../photos")):
        dataset = open_dataset(photos).written_to(folder / "gradcam.csv")
        assert [name for (name,) in cells(dataset)][1] == f"{prefix}/10/a.png".removeprefix("./")
        for row in dataset.rows():
            assert Path(str(dataset.image(row, (0,)))).read_bytes()
