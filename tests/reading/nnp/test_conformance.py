"""Every supported function computes what nnabla computed, in all of nnabla's own test cases."""

from pathlib import Path

import pytest

from reading.nnp.conformance import Case, assert_case_holds, cases
from samples import DATA
from whylight.reading.nnp.functions import supported_functions

CASES = [case for archive in sorted((DATA / "cases").glob("*.zip")) for case in cases(archive)]

CANNOT_HOLD: dict[str, str] = {}
"""Cases that cannot hold, ``<Function> <number>``, each with the reason."""

WITHOUT_CASES = {
    "BcAdd2",
    "Dropout",
    "ImageAugmentation",
    "RandomCrop",
    "RandomErase",
    "RandomFlip",
    "RandomShift",
    "SyncBatchNormalization",
    "TensorNormalization",
}
"""Functions that nnabla's tests hold no deterministic case for; the tests of their categories cover them."""


def test_every_supported_function_has_cases() -> None:
    assert supported_functions().keys() == {case.function for case in CASES} | WITHOUT_CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.function}-{case.number}")
def test_case(case: Case, tmp_path: Path) -> None:
    name = f"{case.function} {case.number}"
    if name in CANNOT_HOLD:
        pytest.xfail(CANNOT_HOLD[name])
    assert_case_holds(case, tmp_path)
