"""Names of classes."""

from pathlib import Path

from whylight.dataset.csv_table import lines_of
from whylight.files.checks import check_file


def read_labels(path: Path) -> list[str]:
    """The class names of a text file: one a line, the first is class 0.

    Raises:
        WhylightError: the file is missing, or is not UTF-8 text.
    """
    check_file(path)
    return [line.strip() for line in lines_of(path)]
