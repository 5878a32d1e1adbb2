"""What may be chosen about a run."""

import subprocess
import sys

import pytest

from whylight.batch.options import BatchOptions
from whylight.errors import WhylightError


def test_columns_are_a_list_or_text() -> None:
    assert BatchOptions(columns="score, rank").columns == ("score", "rank")  # type: ignore[arg-type]
    assert BatchOptions(columns=["score"]).columns == ("score",)  # type: ignore[arg-type]
    assert BatchOptions(columns="").columns == ()  # type: ignore[arg-type]
    with pytest.raises(WhylightError, match="no column 'x' to add: expected some of score, probability, predicted, ra"):
        BatchOptions(columns=("x",))
    with pytest.raises(WhylightError, match="workers 0: expected 1 or more"):
        BatchOptions(workers=0)


def test_options_cost_nothing_to_look_at() -> None:
    code = (
        "import sys, whylight.batch.options, whylight.trust.options, whylight.report.options; "
        "print(sorted({'numpy', 'PIL', 'onnx', 'onnxruntime', 'jinja2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
