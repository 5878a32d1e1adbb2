"""What a run makes, said in the folder of its overlays, so that the next one knows what is its own to replace.

Files that are there, and of which nothing is said, are somebody else's: a run that would write over one is refused
before it begins. The overlays' folder belongs to one result: ``r.csv`` and ``r.tsv`` never share one.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from whylight.batch.options import FORMATS, MAP_FILES
from whylight.batch.plan import ROWS_A_FOLDER, Plan
from whylight.dataset.result_facts import MADE, ResultFacts
from whylight.errors import WhylightError
from whylight.files.checks import reading
from whylight.files.storage import is_remote
from whylight.files.writing import save_bytes, unfinished

_FOLDER = re.compile(r"[0-9]{4,}")
_NUMBERED = re.compile(r"([0-9]+)\.\w+")
_BLOCK = 1 << 20

Runs = tuple[tuple[int, int], ...]
"""Rows in their order: the first, from 0, and how many."""


@dataclass(frozen=True)
class Made:
    """What a run has made, or is about to make.

    Attributes:
        result: the name of the result CSV.
        rows: those with an overlay.
        format: the overlays' ending.
        save_cam: the ending of the maps' files; None where there are none.
        shard_size: rows of which an .npz file holds the maps.
        checksum: of the result CSV; empty as long as that is not written.
    """

    result: str
    rows: Runs
    format: str
    save_cam: str | None
    shard_size: int
    checksum: str = ""

    @classmethod
    def planned(cls, plan: Plan, rows: int) -> Made:
        """All that a run may make."""
        every = ((0, rows),) if rows else ()
        return cls(plan.output.name, every, plan.options.format, plan.options.save_cam, plan.shard_size)

    @classmethod
    def of(cls, plan: Plan) -> Made | None:
        """What is said in the folder that the overlays of a run go to; None where nothing is said.

        Raises:
            WhylightError: there is a file in the place of what says it.
        """
        path = plan.path(plan.facts_file)
        if not path.exists():
            return None
        foreign = f"{path}: not of an earlier run, or damaged: choose another output than {plan.output}, or remove it"
        if not path.is_file():
            raise WhylightError(foreign)
        with reading(path):
            try:
                held: dict[str, Any] = json.loads(path.read_bytes())[MADE]
                made = cls(**{**held, "rows": tuple((int(first), int(count)) for first, count in held["rows"])})
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise WhylightError(foreign) from error
        is_known = made.format in FORMATS and made.save_cam in (None, *MAP_FILES) and isinstance(made.result, str)
        if not is_known or not isinstance(made.shard_size, int) or made.shard_size < 1:
            raise WhylightError(foreign)
        return made

    def holds(self, index: int, ending: str) -> bool:
        """Whether the overlay of a row is among what was made, or its map."""
        from bisect import bisect_right

        if ending == self.save_cam == "npz":
            return any(first < (index + 1) * self.shard_size and index * self.shard_size < first + count
                       for first, count in self.rows)  # fmt: skip
        if ending not in (self.format, self.save_cam):
            return False
        place = bisect_right(self.rows, index, key=lambda run: run[0]) - 1
        return place >= 0 and index < sum(self.rows[place])

    def save(self, plan: Plan, facts: ResultFacts) -> None:
        """Say it, beside what is true of all overlays.

        Raises:
            WhylightError: it cannot be written.
        """
        said = {**asdict(facts), MADE: asdict(self)}
        save_bytes(
            json.dumps(said, ensure_ascii=False, indent=1).encode(errors="surrogatepass"), plan.path(plan.facts_file)
        )


class Place:
    """Where a run writes: what is there already, and whose it is."""

    def __init__(self, plan: Plan, overwrite: bool) -> None:
        self._plan = plan
        self._overwrite = overwrite
        self._is_finished = False
        self.made: Made | None = None

    def check(self) -> None:
        """See that what is in the place of the result, and of the folder of its overlays, is an earlier run's.

        Raises:
            WhylightError: they are not.
        """
        plan, output = self._plan, self._plan.output
        folder = plan.path(plan.facts_file).parent
        if folder.exists() and not folder.is_dir():
            raise WhylightError(f"{folder}: a file, where the overlays would lie: choose another output than {output}")
        self.made = made = Made.of(plan)
        if made is not None and made.result != output.name:
            raise WhylightError(
                f"{folder}: the overlays of {made.result} are there: choose another output than {output}, or remove "
                "them"
            )
        is_there = _holds_something(output)
        self._is_finished = is_there  # without its table a result is of no use
        if is_there and not (made and made.checksum and _checksum(output) == made.checksum):
            raise WhylightError(
                f"{output}: a file that whylight did not make, or that has changed since: it is not written over; "
                "choose another output, or move it away"
            )

    def check_files(self, rows: int) -> None:
        """See that a new run replaces a finished one only if it may, and nothing that none has made.

        Raises:
            WhylightError: it would, or there is a folder that cannot be written to.
        """
        if self._is_finished and not self._overwrite:
            raise WhylightError(
                f"{self._plan.output}: the result of an earlier run: the option 'overwrite' replaces it"
            )
        planned = Made.planned(self._plan, rows)
        for path, index in _numbered(self._plan):
            ending = path.suffix[1:].lower()
            if planned.holds(index, ending) and not (self.made and self.made.holds(index, ending)):
                raise WhylightError(
                    f"{path}: the run would write over it, and no earlier run made it: choose another output than "
                    f"{self._plan.output}"
                )

    def begin(self, rows: int, facts: ResultFacts, going_on: bool) -> Made:
        """Remove what an earlier run made, unless this one goes on, and say what this one is about to make.

        Returns:
            What this one is about to make.

        Raises:
            WhylightError: something cannot be removed or written.
        """
        plan = self._plan
        try:
            plan.output.unlink(missing_ok=True)  # first of all: it would name overlays of two runs
            if not is_remote(plan.output):
                for path in unfinished(plan.output.parent, plan.output.name):
                    path.unlink(missing_ok=True)
            if self.made is not None:
                self._clear(going_on)
        except OSError as error:
            raise WhylightError(f"{plan.output}: cannot be written: {error.strerror or error}") from error
        made = Made.planned(plan, rows)
        made.save(plan, facts)
        return made

    def _clear(self, going_on: bool) -> None:
        made, folder = self.made, self._plan.path(self._plan.facts_file).parent
        assert made is not None
        for path, index in () if going_on else _numbered(self._plan):
            if made.holds(index, path.suffix[1:].lower()):
                path.unlink(missing_ok=True)
        if is_remote(folder):
            return
        for path in unfinished(folder, below=True):
            path.unlink(missing_ok=True)
        for each in (*folder.glob("cam/*"), *folder.glob("*")):
            if not going_on and each.is_dir() and (_FOLDER.fullmatch(each.name) or each.name == "cam"):
                with suppress(OSError):  # somebody else's files are in it
                    each.rmdir()


def _numbered(plan: Plan) -> Iterator[tuple[Path, int]]:
    """What is there in the places of overlays and maps: the files, and the numbers of their rows (.npz: shards).

    Raises:
        WhylightError: there is something else in the place of a folder, or it cannot be written to.
    """
    folder = plan.path(plan.facts_file).parent
    for parent in (folder, folder / "cam"):
        for name in names_in(parent):
            number = _NUMBERED.fullmatch(name)
            if parent != folder and number and name == f"{int(number[1]):05d}.npz":
                yield parent / name, int(number[1])
            if not _FOLDER.fullmatch(name):
                continue
            if not is_remote(folder) and not os.access(parent / name, os.W_OK | os.X_OK):
                raise WhylightError(f"{parent / name}: cannot be written to")
            for each in names_in(parent / name):
                found = _NUMBERED.fullmatch(each)
                if found and f"{int(found[1]) // ROWS_A_FOLDER:04d}" == name and str(int(found[1])) == found[1]:
                    yield parent / name / each, int(found[1])


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, which may not be there.

    Raises:
        WhylightError: it cannot be read, or is no folder.
    """
    try:
        if not is_remote(folder):
            return os.listdir(folder)  # noqa: PTH208  # many at a time
        folder.fs.invalidate_cache()  # type: ignore[attr-defined]  # others write there too
        return [path.name for path in folder.iterdir()] if folder.exists() else []
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WhylightError(f"{folder}: cannot be read as a folder: {error.strerror or error}") from error


def with_row(rows: list[list[int]], index: int) -> None:
    """Add the next row to runs of rows."""
    if rows and index == sum(rows[-1]):
        rows[-1][1] += 1
    else:
        rows.append([index, 1])


def _holds_something(path: Path) -> bool:
    """Whether there is anything but an empty file."""
    if not path.exists():
        return not is_remote(path) and path.is_symlink()
    return not path.is_file() or path.stat().st_size > 0


def _checksum(path: Path) -> str:
    """That of a result CSV: see `whylight.dataset.result.ResultWriter.checksum`."""
    size = value = 0
    with reading(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            size, value = size + len(block), zlib.crc32(block, value)
    return f"{size} {value:08x}"
