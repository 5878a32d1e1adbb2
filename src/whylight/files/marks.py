"""Whose a file is: results say in themselves that whylight made them, so that nothing else is ever written over.

Pictures say it at the end of the description that is kept in the file, pages as what generated them, models in their
metadata, videos in a comment. Tables are known by their header, and datasets' results by what lies beside the overlays:
see `whylight.batch.made`.
"""

from __future__ import annotations

import re
from pathlib import Path

from whylight.errors import WhylightError
from whylight.files.checks import one_line, reason
from whylight.version import __version__

OVERLAY, COMPARISON, CHART, SHEET, PAGE, MODEL, VIDEO = (
    "overlay", "comparison", "chart", "sheet", "page", "model", "video",
)  # fmt: skip
EVALUATION, SANITY = "evaluation", "sanity check"
"""The kinds of results."""

_IN_TEXT = (COMPARISON, CHART, SHEET, PAGE, MODEL, VIDEO)
_SIGNATURE = rb'[;(>"\x00-\x1f\x80-\xff] ?whylight [0-9][\w.+-]*(?:, (%b))?' % "|".join(_IN_TEXT).encode()
_TABLES = {
    EVALUATION: rb"method(,[\w.-]+,[\w.-]+_error,[\w.-]+_count)+\r?\n|row,[^\n]*,method(,[\w.-]+)+\r?\n",
    SANITY: rb"method,passes,randomized,layer,spearman_absolute,",
}
"""How their headers begin."""
_LOOKED_AT = 1 << 16
"""Bytes at each end of a file."""


def signature(kind: str = OVERLAY) -> str:
    """What a result of a kind says about who made it."""
    return f"whylight {__version__}" if kind == OVERLAY else f"whylight {__version__}, {kind}"


def signed(text: str, kind: str = OVERLAY) -> str:
    """A description with the signature at its end."""
    return f"{text}; {signature(kind)}" if text else signature(kind)


def kind_of(path: Path) -> str | None:
    """The kind of result that a file is; None for whatever whylight did not make.

    Raises:
        WhylightError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            begin = file.read(_LOOKED_AT)
            file.seek(max(0, path.stat().st_size - _LOOKED_AT))
            end = file.read()
    except OSError as error:
        raise WhylightError(f"{one_line(path)}: cannot be read: {reason(error)}") from error
    if path.suffix.lower() == ".csv":
        return next((kind for kind, header in _TABLES.items() if re.match(header, begin)), None)
    found = [match for part in (begin, end) for match in re.finditer(_SIGNATURE, part)]
    return (found[-1][1] or OVERLAY.encode()).decode() if found else None
