"""Image files as a dataset: those of folders, of patterns, or that are named one by one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from whylight.class_names.lookup import class_index_of
from whylight.contract import Origin
from whylight.dataset.memory_table import MemoryTable
from whylight.dataset.result_facts import FILE
from whylight.dataset.table import column_named
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.confining import inside
from whylight.files.finding import files_of, is_video, means_several
from whylight.files.storage import is_remote, location
from whylight.images.opening import IMAGE_SUFFIXES
from whylight.options import PREDICTED, ClassIndex, class_reference, parsed

if TYPE_CHECKING:
    from whylight.dataset.table import Row
    from whylight.images.inputs import ImageLike

IMAGE, LABEL, CLASS = "x", "y", "class"
"""The variables: the image, the class that its folder says, and the class that is asked about."""


@dataclass(frozen=True)
class ImageFiles(MemoryTable):
    """Image files as a dataset, with a variable ``x``, and one for their classes where something says them.

    Attributes:
        title: what messages call it.
        folder: what the paths in its cells are relative to.
        within: the folder outside of which no file is read; None for any file.
    """

    title: str
    folder: Path
    within: Path | None = None

    @property
    def source(self) -> str:
        """The folder, the pattern, or how many files there are."""
        return self.title

    @property
    def origin(self) -> Origin:
        """Their folders, whoever asks about classes, or, where there is no variable for them, the model."""
        return {LABEL: "label", CLASS: "asked"}.get(self.columns[-1].variable, "predicted")  # type: ignore[return-value]

    def file(self, cell: str) -> Path:
        """Relative to ``folder``; or a URL."""
        if self.within is not None:
            return inside(self.within, str(self.folder / cell))
        if "://" in cell:
            return location(cell)
        return Path(os.path.normpath(os.path.join(self.folder, cell)))  # noqa: PTH118  # the folder is no link

    def image(self, row: Row, _: Sequence[int]) -> ImageLike:
        """The file, with the blanks that its name may begin or end with."""
        return self.file(row.cells[0])

    def of_classes(self, class_names: Sequence[str], class_count: int) -> ImageFiles:
        """With class indices in place of names; see `Dataset.of_classes`.

        Where the classes have names, a folder is that of the class that it is called after, or of the number that it
        is. Where they have none, folders are numbered in the order of their names, as torchvision's ``ImageFolder``
        does it; there has to be one a class.

        Raises:
            WhylightError: there is no class of a name, or not one folder a class.
        """
        if self.origin == "predicted":
            return self
        named = list(dict.fromkeys(label for _, label in self.values))
        if self.origin == "asked":
            indices = {each: _class_of(each, class_names, class_count) for each in named}
        elif class_names:
            indices = {each: self._class_of_folder(each, class_names, class_count) for each in named}
        elif len(named) == class_count:
            indices = {each: index for index, each in enumerate(sorted(named))}
            self._warn_of_numbers(indices)
        else:
            raise WhylightError(
                f"{self.title}: {len(named)} folders, but the model has {class_count} classes, which have no names: "
                "expected a folder for each, or names by the option 'labels'"
            )
        return replace(self, values=tuple((image, indices[label]) for image, label in self.values))

    def written_to(self, output: Path) -> ImageFiles:
        """With paths relative to the folder of a result, so that both can be moved together."""
        if is_remote(output):
            return self
        folder = os.path.realpath(output.parent)
        values = tuple((_relative(self.file(str(image)), folder), *others) for image, *others in self.values)
        return replace(self, values=values, folder=Path(folder))

    def _warn_of_numbers(self, indices: Mapping[str, ClassIndex]) -> None:
        """Say it where folders are called after numbers, and get others: 10 comes before 2."""
        other = next((name for name, index in indices.items() if name.isdecimal() and int(name) != index), None)
        if other is not None:
            warnings.warn(
                f"{self.title}: folders are numbered in the order of their names, as torchvision's ImageFolder does "
                f"it: folder '{other}' is class {indices[other]}; names by the option 'labels' say otherwise",
                WhylightWarning,
                stacklevel=3,
            )

    def _class_of_folder(self, folder: str, class_names: Sequence[str], class_count: int) -> int:
        try:
            return class_index_of(folder, class_names, class_count)
        except WhylightError as error:
            if folder.isdecimal() and int(folder) < class_count:
                return int(folder)
            raise WhylightError(f"{self.title}: folder '{folder}': {error}") from None


def are_images(place: str | Path) -> bool:
    """Whether it is a folder, a pattern or an image file, rather than a table."""
    return means_several(place) or _is_image_file(str(place).rpartition("?")[0] or str(place))


def image_files(
    places: Sequence[str | Path], labels_from: str | None = None, classes: Sequence[ClassIndex] = ()
) -> ImageFiles:
    """Image files as a dataset.

    Args:
        places: files, URLs, folders, which are searched to their ends, and patterns such as ``photos/*.jpg``.
        labels_from: ``"folders"``: the folders that images lie in say their classes; of a folder that is searched these
            are the ones right below it.
        classes: those that each image is explained for.

    Raises:
        WhylightError: a folder cannot be read or has no images, or an image lies in no folder that says its class.
    """
    if videos := [place for place in places if is_video(place)]:
        raise WhylightError(f"{videos[0]}: a video: 'whylight gradcam' explains the frames of one at a time")
    named = [(file, place) for place in places for file in _files(place)]
    cells = dict.fromkeys((_text(file), _folder_of(file, place) if labels_from else None) for file, place in named)
    values: tuple[tuple[Any, ...], ...]
    if labels_from:
        names, values = [IMAGE, LABEL], tuple(cells)
    elif classes:
        names, values = [IMAGE, CLASS], tuple((file, each) for file, _ in cells for each in classes)
    else:
        names, values = [IMAGE], tuple((file,) for file, _ in cells)
    title = str(places[0]) if len(places) == 1 else f"the {len(cells)} images"
    return ImageFiles(tuple(map(column_named, names)), ",".join(names), False, "\n", values, title, Path())


def _class_of(label: ClassIndex, class_names: Sequence[str], class_count: int) -> ClassIndex:
    reference = parsed("class index", label, class_reference)
    return reference if reference == PREDICTED else class_index_of(reference, class_names, class_count)


def _files(place: str | Path) -> list[Any]:
    return [place] if "://" in str(place) else files_of(place, _is_image_file, FILE)


def _is_image_file(name: str) -> bool:
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def _text(file: str | Path) -> str:
    return str(file) if "://" in str(file) else os.path.abspath(file)  # noqa: PTH100  # resolve would follow links


def _folder_of(file: str | Path, place: str | Path) -> str:
    """The name of the folder that says a file's class.

    Raises:
        WhylightError: it lies in none.
    """
    path = Path(file)
    if not Path(place).is_dir():
        return path.absolute().parent.name
    inside = path.relative_to(place).parts
    if len(inside) < 2:
        raise WhylightError(
            f"{path}: lies in no folder of '{place}': expected a folder for each class, with its images inside"
        )
    return inside[0]


def _relative(path: Path, folder: str) -> str:
    if is_remote(path):
        return str(path)
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # on another drive of Windows
        return str(path)
