"""Whole datasets, and the page of a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.api.explaining import explainer_of
from whylight.api.given import Advance, tell_nobody, watched
from whylight.files.storage import local_path_of, path_of
from whylight.options import (
    PREDICTED,
    Chosen,
    ClassIndex,
    Execution,
    ModelOptions,
    Options,
    Output,
    Question,
    Rendering,
)

if TYPE_CHECKING:
    from threading import Event

    from whylight.api.models import ModelLike
    from whylight.batch.run import BatchSummary
    from whylight.batch.video import VideoSummary
    from whylight.dataset.opening import Table
    from whylight.dataset.table import Dataset
    from whylight.report.page import ReportSummary
    from whylight.report.results import Results
    from whylight.running.explainer import Explainer


def open_dataset(table: Table, within: str | Path | None = None) -> Dataset:
    """A dataset: its variables, and its rows one by one.

    Args:
        table: a dataset CSV of Neural Network Console, or a table in memory: a pandas DataFrame, or rows: mappings, or
            pairs of an image and a class index. Or images: a folder, which is searched to its end, a pattern such as
            ``photos/*.jpg``, an image file, or a list of these.
        within: a folder: of files that rows name, only those inside it are read, wherever links lead to.

    Raises:
        WhylightError: it is missing, empty, not UTF-8 text or no CSV, or a folder without images.
    """
    from whylight.dataset.csv_table import CsvTable
    from whylight.dataset.image_files import ImageFiles
    from whylight.dataset.opening import open_dataset

    dataset = open_dataset(table)
    if within is not None and isinstance(dataset, CsvTable | ImageFiles):
        return replace(dataset, within=local_path_of(within))
    return dataset


def open_results(
    table: Table,
    *options: Options,
    within: str | Path | None = None,
    **fields: Any,
) -> Results:
    """A dataset as a page shows it: of each row the image, its classes, what the model said, and the overlay.

    Args:
        table: see `open_dataset`; with overlays where `explain_dataset` wrote it, and without them else.
        *options: `ReportOptions`.
        within: see `open_dataset`.
        **fields: fields of `ReportOptions`.

    Raises:
        WhylightError: as `open_dataset`; or the table has no such image.
    """
    from whylight.class_names.source import class_names
    from whylight.report.options import ReportOptions
    from whylight.report.results import results_of

    chosen = Chosen(options, fields, ReportOptions)[ReportOptions]
    labels = None if chosen.labels is None else class_names(chosen.labels)
    return results_of(open_dataset(table, within), chosen.input_variable, chosen.label_variable, labels)


def explain_dataset(
    model: ModelLike | Explainer,
    table: Table,
    output: str | Path,
    *options: Options,
    method: str = "gradcam",
    parameters: str | Path | None = None,
    say: Callable[[str], None] | None = None,
    expect: Callable[[int], None] | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> BatchSummary:
    """Explain every row of a dataset: an overlay each, and the table with a column that names them.

    Images without a table are explained for the class that the model predicts, or that their folders say with
    ``labels_from="folders"``; their table has all columns that can be added.

    A run that was cancelled or killed is taken up where it stopped when it is asked for again, with the same bytes.

    Args:
        model: see `explainer`; or an `Explainer`.
        table: see `open_dataset`.
        output: the result CSV; the overlays go into a folder of its name.
        *options: `BatchOptions`, `Question`, `Execution`, `Rendering`, `Output`; `ModelOptions` for a file.
        method: see `explainer`.
        parameters: see `load`.
        say: is told that a run goes on, or starts over.
        expect: is told of the number of rows before the first is explained.
        advance: is told of rows that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: a variable is missing, a row is bad (unless they are skipped), or the output cannot be written.
    """
    from whylight.batch.options import COLUMNS, BatchOptions

    chosen = Chosen(options, fields, ModelOptions, Question, Execution, Rendering, BatchOptions, Output)
    watch = watched(advance, cancel)
    from whylight.dataset.image_files import ImageFiles
    from whylight.dataset.opening import open_dataset

    dataset = open_dataset(table, chosen[BatchOptions].labels_from)
    dataset.columns_of(chosen[BatchOptions].input_variable)  # said before a model is read and compiled
    options_of_run = chosen[BatchOptions]
    if isinstance(dataset, ImageFiles) and not options_of_run.columns:
        options_of_run = replace(options_of_run, columns=COLUMNS)  # nobody else's table: it says all that is known
    own = explainer_of(model, method, parameters, chosen)
    from whylight.batch.run import explain_dataset

    return explain_dataset(
        own,
        dataset,
        path_of(output),
        options_of_run,
        chosen[Rendering],
        chosen[Output],
        say=say or tell_nobody,
        expect=expect or tell_nobody,
        advance=watch,
    )


def explain_video(
    model: ModelLike | Explainer,
    video: str | Path,
    output: str | Path,
    class_index: ClassIndex = PREDICTED,
    *options: Options,
    method: str = "gradcam",
    parameters: str | Path | None = None,
    expect: Callable[[int], None] | None = None,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> VideoSummary:
    """Explain every frame of a video: a video of as many frames a second, with the overlays and without sound.

    It needs ``imageio-ffmpeg``: ``pip install 'whylight[video]'``.

    Args:
        model: see `explainer`; or an `Explainer`.
        video: the file, or its URL.
        output: the video to write: .mp4, .m4v, .mov, .mkv or .webm.
        class_index: the class to explain: its index, its name, or ``"predicted"``, of each frame.
        *options: `Question`, `Execution`, `Rendering`, `Output`; `ModelOptions` for a file.
        method: see `explainer`.
        parameters: see `load`.
        expect: is told about how many frames there are, before the first is explained.
        advance: is told of frames that are done.
        cancel: stops the work; nothing is left.
        **fields: fields of the options.

    Raises:
        WhylightError: the video cannot be read or written, or as `explainer`.
    """
    from whylight.batch.video import explain_video
    from whylight.files.marks import VIDEO
    from whylight.files.video import refuse_no_video
    from whylight.files.writing import check_output

    chosen = Chosen(options, fields, ModelOptions, Question, Execution, Rendering, Output)
    watch = watched(advance, cancel)
    source, place = path_of(video), local_path_of(output)
    refuse_no_video(place)
    check_output(place, VIDEO, (source, model, parameters, *chosen[ModelOptions].files), chosen[Output].overwrite)
    own = explainer_of(model, method, parameters, chosen)
    return explain_video(own, source, place, class_index, chosen[Rendering], expect or tell_nobody, watch)


def write_report(
    table: str | Path,
    output: str | Path,
    *options: Options,
    advance: Advance | None = None,
    cancel: Event | None = None,
    **fields: Any,
) -> ReportSummary:
    """Write a page about a result of `explain_dataset`: accuracy, confusions, every image beside its overlay.

    Args:
        table: the result CSV.
        output: the HTML file; its thumbnails go into a folder beside it.
        *options: `ReportOptions`, `Output`.
        advance: is told of rows that are done.
        cancel: stops the work.
        **fields: fields of the options.

    Raises:
        WhylightError: the CSV is missing or no such result, or the output cannot be written.
    """
    from whylight.report.options import ReportOptions
    from whylight.report.page import write_report

    chosen = Chosen(options, fields, ReportOptions, Output)
    watch = watched(advance, cancel)
    return write_report(path_of(table), path_of(output), chosen[ReportOptions], watch, chosen[Output])


def image_copy(image: str | Path, longest: int) -> bytes:
    """A copy of an image file for a page: upright, in RGB, as a WebP file's content; never larger than it is itself.

    Args:
        image: any image file that can be explained.
        longest: the most pixels of its longest edge.

    Raises:
        WhylightError: it cannot be read.
    """
    from whylight.report.thumbnails import image_copy

    return image_copy(local_path_of(image), longest)


def image_size(image: str | Path) -> tuple[int, int]:
    """Width and height of an image file, upright, once all of it has been decoded.

    Args:
        image: any image file that can be explained.

    Raises:
        WhylightError: it cannot be read.
    """
    from whylight.report.thumbnails import shown_picture

    height, width = shown_picture(local_path_of(image)).size
    return width, height


def read_labels(labels: str | Path) -> list[str]:
    """The classes' names, the first that of class 0.

    Args:
        labels: a text file with one name a line, a JSON file with a list or a mapping, or ``"imagenet"``.

    Raises:
        WhylightError: the file is missing, is not UTF-8 text, or holds no names.
    """
    from whylight.class_names.source import IMAGENET, class_names

    return list(class_names(labels if isinstance(labels, str) and labels == IMAGENET else path_of(labels)))
