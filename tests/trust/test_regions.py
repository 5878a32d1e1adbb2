"""Boxes and masks of dataset CSVs, at the size of the model's input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.dataset.opening import open_dataset
from whylight.errors import WhylightError
from whylight.images.pictures import picture_of
from whylight.trust.cases import Regions
from whylight.trust.regions import read_regions, region_columns


def regions_of(folder: Path, header: str, *rows: str, box: str | None = None, mask: str | None = None) -> Regions:
    """Those of images of 40 x 20 pixels, for a model of 10 x 10."""
    (folder / "data.csv").write_text("\n".join([header, *rows]) + "\n")
    dataset = open_dataset(folder / "data.csv")
    columns = region_columns(dataset, box, mask)
    assert columns is not None
    read = list(dataset.rows())
    picture = picture_of(np.zeros((20, 40), np.uint8), 1)
    return read_regions(dataset, columns, read, [picture] * len(read), (10, 10))


def test_a_box_is_scaled_with_the_image(tmp_path: Path) -> None:
    header = "x,box__0:left,box__1:top,box__2:right,box__3:bottom"
    regions = regions_of(tmp_path, header, "a.png,6,4,20,14", "a.png,,,,")
    np.testing.assert_allclose(regions.boxes, [[1.5, 2, 5, 7], [np.nan] * 4])
    expected = np.zeros((10, 10))
    expected[2:7, 2:5] = 1
    expected[2:7, 1] = 0.5
    np.testing.assert_allclose(regions.coverage[0], expected)
    assert np.isnan(regions.coverage[1]).all()


def test_labels_say_which_side_a_column_is(tmp_path: Path) -> None:
    header = "x,place__0:top,place__1:bottom,place__2:left,place__3:right"
    regions = regions_of(tmp_path, header, "a.png,4,14,8,20", box="place")
    np.testing.assert_allclose(regions.boxes, [[2, 2, 5, 7]])


@pytest.mark.parametrize("ending", ["png", "npy"])
def test_a_mask_gives_its_coverage_and_its_box(tmp_path: Path, ending: str) -> None:
    mask = np.zeros((20, 40), np.uint8)
    mask[4:8, 8:21] = 255
    if ending == "png":
        Image.fromarray(mask).save(tmp_path / "m.png")
    else:
        np.save(tmp_path / "m.npy", mask > 0)
    regions = regions_of(tmp_path, "x,mask", f"a.png,m.{ending}")
    expected = np.zeros((10, 10))
    expected[2:4, 2:5] = 1
    expected[2:4, 5] = 0.25
    np.testing.assert_allclose(regions.coverage[0], expected, atol=1e-6)
    np.testing.assert_allclose(regions.boxes, [[2, 2, 5, 4]])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("9,4,6,14", "left < right"),
        ("50,4,60,14", "40 x 20"),
        ("a,4,6,14", "four numbers"),
        ("3,,6,14", "four numbers"),
    ],
)
def test_a_bad_box_is_an_error_that_names_the_row(tmp_path: Path, cells: str, message: str) -> None:
    with pytest.raises(WhylightError, match=message) as error:
        regions_of(tmp_path, "x,box__0,box__1,box__2,box__3", "a.png,1,1,2,2", f"a.png,{cells}")
    assert "row 2 (line 3)" in str(error.value)


def test_a_mask_of_another_size_or_without_a_pixel_is_an_error(tmp_path: Path) -> None:
    for name, shape, message in (("small", (20, 39), "39 x 20.*40 x 20"), ("empty", (20, 40), "empty")):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{name}.png")
        with pytest.raises(WhylightError, match=message):
            regions_of(tmp_path, "x,mask", f"a.png,{name}.png")


def test_a_box_has_four_columns(tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match="3 columns: expected 4: left, top, right, bottom"):
        regions_of(tmp_path, "x,box__0,box__1,box__2", "a.png,1,2,3")
