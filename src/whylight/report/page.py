"""The page: rows and counts as JSON, style and script inside, every link relative to it."""

import base64
import os
import re
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from whylight.class_names.source import class_names
from whylight.errors import WhylightError, WhylightWarning
from whylight.files.marks import PAGE, signature
from whylight.files.storage import is_remote, local_path_of
from whylight.files.writing import check_output, replacing
from whylight.options import Output
from whylight.page import compose
from whylight.report.options import ReportOptions
from whylight.report.results import Entry, Results, open_results
from whylight.report.thumbnails import Written, with_copies, with_thumbnails

_SUBFOLDER = re.compile(r"[0-9]{4,}")
_THUMBNAIL = re.compile(r"[0-9]+(_overlay)?\.webp")
_MARK = ".whylight"
"""In the folder of the thumbnails, which a report makes and the next one replaces."""
_CONFIDENCE_DIGITS = 6
_MOST_INSIDE = 15 << 20
"""Characters of pictures in a page: a mail makes a third more of it, and 20 MB are what most servers take."""
_DEFAULT, _REPLACING = ReportOptions(), Output()


@dataclass(frozen=True)
class ReportSummary:
    """What a report counts.

    Attributes:
        rows: all rows.
        explained: rows with an overlay.
        errors: rows with an error.
        confusions: rows by true and predicted class, those that have both.
        output: the page.
    """

    rows: int
    explained: int
    errors: int
    confusions: Mapping[tuple[int, int], int]
    output: Path

    @property
    def right(self) -> int:
        """Rows whose predicted class is the true one."""
        return sum(count for (truth, predicted), count in self.confusions.items() if truth == predicted)

    @property
    def wrong(self) -> int:
        """Rows whose predicted class is another one."""
        return sum(self.confusions.values()) - self.right

    @property
    def accuracy(self) -> float | None:
        """The share of right ones; None where no row has both classes."""
        return self.right / sum(self.confusions.values()) if self.confusions else None

    def to_dict(self) -> dict[str, Any]:
        """The counts, ready for JSON."""
        return {
            "rows": self.rows,
            "explained": self.explained,
            "errors": self.errors,
            "right": self.right,
            "wrong": self.wrong,
            "accuracy": self.accuracy,
            "output": str(self.output),
        }


@dataclass
class _Counts:
    """What is counted while rows are written."""

    rows: int = 0
    explained: int = 0
    errors: int = 0
    left_out: int = 0
    confusions: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count one more row."""
        self.rows += 1
        self.explained += entry.overlay is not None
        self.errors += bool(entry.error)
        if entry.truth is not None and entry.predicted is not None:
            self.confusions[entry.truth, entry.predicted] += 1


def write_report(
    table: str | Path,
    output: str | Path,
    options: ReportOptions = _DEFAULT,
    advance: Callable[[int], None] = lambda _: None,
    replacing_results: Output = _REPLACING,
) -> ReportSummary:
    """Write a page about a result CSV of ``gradcam-batch``.

    Thumbnails go into the folder ``<output without .html>_files``; one of an earlier report is replaced. Page and
    folder appear when all is done. The page links to the images and overlays where they are. A ``single`` page has
    copies of them inside, and neither a folder nor links.

    Args:
        table: the result CSV.
        output: the HTML file to write.
        options: which variables hold what, and the classes' names.
        advance: told of rows that are done. What it raises stops the work, and is raised again; nothing is left.
        replacing_results: what becomes of a page that is there.

    Raises:
        WhylightError: the CSV is missing or no result of ``gradcam-batch``, or the output cannot be written or would
            replace what is no report.
    """
    table, output = local_path_of(table), local_path_of(output)
    labels = None if options.labels is None else class_names(options.labels)
    results = open_results(table, options.input_variable, options.label_variable, labels)
    if output.is_dir() or (output.exists() and output.samefile(table)):
        found = "a folder" if output.is_dir() else "the result CSV itself"
        raise WhylightError(f"{output}: {found}: expected an HTML file to write")
    if not output.suffix:
        raise WhylightError(f"{output}: expected an HTML file to write, such as {output}.html")
    check_output(output, PAGE, (table, options.labels), replacing_results.overwrite)
    if not options.single:
        _refuse_to_replace_others(_files_folder(output))
    counts = _Counts()
    rows = _rows_with_copies if options.single else _rows_with_links
    with replacing(output) as file, rows(results, output, counts, advance) as (files, written):
        for text in _page(table, files, results, written, counts):
            file.write(text.encode(errors="replace"))
    if counts.left_out:
        warnings.warn(
            f"{output}: the pictures of the last {counts.left_out} of {counts.rows} rows are left out: a mail takes no "
            f"more than {_MOST_INSIDE >> 20} MB; without the option 'single' all are there",
            WhylightWarning,
            stacklevel=2,
        )
    return ReportSummary(counts.rows, counts.explained, counts.errors, counts.confusions, output)


def _page(
    table: Path, files: Path | None, results: Results, rows: Iterator[list[Any]], counts: _Counts
) -> Iterator[str]:
    """The page's text, piece by piece: the counts are complete when the rows have been written."""
    path = Path(os.path.abspath(table))  # noqa: PTH100 (resolve would name the target of a link)
    page = compose.templates.get_template("report.html").stream(
        folder=path.parent.name,
        name=path.name,
        generator=signature(PAGE),
        **compose.parts("report"),
        rows=rows,
        facts=lambda: _facts(files, results, counts),
    )
    page.enable_buffering(1000)
    return page


def _facts(files: Path | None, results: Results, counts: _Counts) -> dict[str, Any]:
    said = None if results.facts is None else asdict(results.facts)
    return {
        "files": None if files is None else quote(os.fsencode(files.name)),
        "names": results.names,
        "by": said and {name: said[name] for name in ("origin", "method", "layer", "model", "score")},
        "explained": counts.explained,
        "errors": counts.errors,
        "confusions": [[*classes, count] for classes, count in counts.confusions.most_common()],
    }


@contextmanager
def _rows_with_links(
    results: Results, output: Path, counts: _Counts, advance: Callable[[int], None]
) -> Iterator[tuple[Path, Iterator[list[Any]]]]:
    """The folder of the thumbnails, and each row as the page's script reads it (`page/report.js`); counts them."""
    files = _files_folder(output)
    start = os.path.abspath(output.parent)  # noqa: PTH100
    with (
        _replacing_thumbnails(files) as folder,
        closing(with_thumbnails(results.entries(), folder)) as entries,
    ):
        yield files, (_row(entry, written, start, counts, advance) for entry, written in entries)


@contextmanager
def _rows_with_copies(
    results: Results, _: Path, counts: _Counts, advance: Callable[[int], None]
) -> Iterator[tuple[None, Iterator[list[Any]]]]:
    """No folder, and each row with copies of its pictures, or without them where the page would become too large."""

    def rows() -> Iterator[list[Any]]:
        room = _MOST_INSIDE
        for entry, copies in entries:
            urls = [copy and f"data:image/webp;base64,{base64.b64encode(copy).decode()}" for copy in copies]
            room -= sum(len(url) for url in urls if url)
            counts.left_out += room < 0
            has_image, has_overlay = (copy is not None for copy in copies)
            yield [*_row(entry, (has_image, has_overlay), None, counts, advance), [None, None] if room < 0 else urls]

    with closing(with_copies(results.entries())) as entries:
        yield None, rows()


def _row(
    entry: Entry, written: Written, start: str | None, counts: _Counts, advance: Callable[[int], None]
) -> list[Any]:
    has_image, has_overlay = written
    counts.add(entry)
    advance(1)
    return [
        _link(entry.image, start),
        _link(entry.overlay, start),
        int(has_image) + 2 * int(has_overlay),
        entry.truth,
        entry.predicted,
        entry.explained,
        None if entry.confidence is None else round(entry.confidence, _CONFIDENCE_DIGITS),
        entry.error,
    ]


def _link(path: Path | None, start: str | None) -> str | None:
    """The path as a URL relative to a folder. It names a file whatever the name looks like: no scheme, no host.

    Where there is nothing to link to (start is None), it is the file's name.
    """
    if path is None:
        return None
    if start is None:
        return quote(os.fsencode(path.name))
    if is_remote(path):
        return str(path)
    try:
        return quote(os.fsencode(os.path.relpath(path, start).replace(os.sep, "/")))
    except ValueError:  # on another drive of Windows
        return path.absolute().as_uri()


@contextmanager
def _replacing_thumbnails(folder: Path) -> Iterator[Path]:
    """A folder that takes the place of ``folder`` when the block ends well, and vanishes when it does not.

    Raises:
        WhylightError: it cannot be written, or what is there is not of a report's making.
    """
    _refuse_to_replace_others(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", suffix=".whylight.part", dir=folder.parent))
    try:
        (temporary / "new").mkdir()
        (temporary / "new" / _MARK).write_text(signature(PAGE))
        yield temporary / "new"
        if folder.exists():
            folder.rename(temporary / "old")
        (temporary / "new").rename(folder)
    except OSError as error:
        raise WhylightError(f"{folder}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _files_folder(page: Path) -> Path:
    return page.with_name(f"{page.stem}_files")


def _refuse_to_replace_others(folder: Path) -> None:
    """See that a folder is not there, or is an earlier report's, with nothing else in it.

    Raises:
        WhylightError: it is something else.
    """
    if os.path.lexists(folder) and not _holds_thumbnails(folder):
        raise WhylightError(f"{folder}: not the thumbnails of a report: expected no such folder, or an old report's")


def _holds_thumbnails(folder: Path) -> bool:
    if folder.is_symlink() or not (folder / _MARK).is_file():
        return False
    folders = [child for child in folder.iterdir() if child.name != _MARK]
    return all(
        _SUBFOLDER.fullmatch(each.name)
        and each.is_dir()
        and all(_THUMBNAIL.fullmatch(file.name) for file in each.iterdir())
        for each in folders
    )
