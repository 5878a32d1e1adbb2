"""Maps that another program, or an earlier run, has made: arrays and files in, the map of a row out."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError
from whylight.files.checks import check_file, reason
from whylight.files.values import finite, read_values
from whylight.trust.cases import FloatArray

_ROWS_A_FOLDER = 1000
"""As `whylight.batch.plan` lays out files of single maps."""

MapSource = NDArray[Any] | str | Path


@dataclass(frozen=True)
class PrecomputedMaps:
    """Maps by the number of their row.

    A map of the model's input size covers all of the image; a smaller one covers what the network sees of it.

    Attributes:
        source: what messages call them.
        find: gives the map of a row, numbered from 0, as it is kept; raises KeyError where there is none.
    """

    source: str
    find: Callable[[int], NDArray[Any]]

    def map_of(self, index: int, size: tuple[int, int]) -> FloatArray:
        """The map (h, w) of row ``index``, from 0.

        Args:
            index: the row's.
            size: height and width of the model's input: no map is larger.

        Raises:
            WhylightError: there is none, it cannot be read, or it is no map.
        """
        try:
            values = self.find(index)
        except KeyError:
            raise WhylightError(f"{self.source}: no map of this row: expected one named '{index}'") from None
        name = f"{self.source}: map '{index}'"
        if values.dtype.kind not in "buif" or values.ndim != 2 or not values.size:
            raise WhylightError(
                f"{name}: {values.dtype} of shape {values.shape}: expected real numbers (height, width)"
            )
        if values.shape[0] > size[0] or values.shape[1] > size[1]:
            found, expected = (" x ".join(map(str, shape)) for shape in (values.shape, size))
            raise WhylightError(f"{name}: {found}: expected at most {expected}, the size of the model's input")
        return finite(values.astype(np.float32), name)


def open_maps(source: MapSource) -> PrecomputedMaps:
    """Maps that lie somewhere.

    Args:
        source: an array (rows, height, width), or a .npy file of one; a .npz file whose arrays (height, width) are
            named by their row, from 0; or the folder of such files that ``gradcam-batch --save_cam`` writes,
            ``gradcam/cam``.

    Raises:
        WhylightError: it is none of these.
    """
    if isinstance(source, np.ndarray):
        return _stacked(source, "the maps")
    if not isinstance(source, str | Path):
        raise WhylightError(
            f"found {type(source).__name__} in place of maps: expected an Explainer, an array (rows, height, width), a "
            ".npy or .npz file, or the folder that the option 'save_cam' writes"
        )
    path = Path(source)
    if path.is_dir():
        return _folder(path)
    check_file(path)
    match path.suffix.lower():
        case ".npy":
            return _stacked(read_values(path), str(path))
        case ".npz":
            return PrecomputedMaps(str(path), _Archives(dict.fromkeys(_names(path), path)))
    raise WhylightError(
        f"{path}: no maps: expected a .npy or .npz file, or the folder that the option 'save_cam' writes"
    )


def _stacked(values: NDArray[Any], source: str) -> PrecomputedMaps:
    if values.ndim != 3:
        raise WhylightError(f"{source}: an array of shape {values.shape}: expected (rows, height, width)")
    return PrecomputedMaps(source, partial(_row_of, values))


def _row_of(values: NDArray[Any], index: int) -> NDArray[Any]:
    if index >= len(values):
        raise KeyError(index)
    found: NDArray[Any] = values[index]
    return found


def _folder(path: Path) -> PrecomputedMaps:
    archives = sorted(path.glob("*.npz"))
    if archives:
        return PrecomputedMaps(str(path), _Archives({name: one for one in archives for name in _names(one)}))
    if not any(path.glob("*/*.npy")):
        raise WhylightError(f"{path}: a folder without maps: expected .npz files, or 0000/0.npy and so on")
    return PrecomputedMaps(str(path), partial(_single, path))


def _single(folder: Path, index: int) -> NDArray[Any]:
    path = folder / f"{index // _ROWS_A_FOLDER:04d}" / f"{index}.npy"
    if not path.exists():
        raise KeyError(index)
    return read_values(path)


class _Archives:
    """Finds maps in .npz files. The last one stays open: rows come in order. Several threads may share it."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        """Take the file of each row's name."""
        self._files = files
        self._lock = Lock()
        self._last: tuple[Path, Any] | None = None

    def __call__(self, index: int) -> NDArray[Any]:
        """The map of a row."""
        path = self._files[str(index)]
        with self._lock:
            try:
                if self._last is None or self._last[0] != path:
                    if self._last is not None:
                        self._last[1].close()
                    self._last = path, np.load(path)
                found: NDArray[Any] = self._last[1][str(index)]
            except Exception as error:  # numpy's and zipfile's share no base class
                raise WhylightError(f"{path}: map '{index}' cannot be read: {reason(error)}") from error
        return found


def _names(path: Path) -> list[str]:
    """The rows that a .npz file has maps of."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile) as error:
        raise WhylightError(f"{path}: not an .npz file: {reason(error)}") from error
    rows = [name for name in names if name.isdecimal()]
    if not rows:
        found = ", ".join(names[:3]) or "none"
        raise WhylightError(f"{path}: no arrays named by their row, '0', '1', ...; it has: {found}")
    return rows
