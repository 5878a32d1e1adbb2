"""The boundary to other libraries: one line with the file's name, whatever they raise."""

import pytest

from whylight.errors import OutOfMemoryError, WhylightError
from whylight.files.checks import reading


class StrangeError(Exception):
    """Of a library: its message has several lines, and none of them may be empty."""


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyError("x"), r"a\\nb.nnp: not a network, or damaged \(KeyError: 'x'\)"),
        (StrangeError("\n\nfirst\nsecond"), r"a\\nb.nnp: not a network, or damaged \(StrangeError: first\)"),
        (StrangeError(), r"a\\nb.nnp: not a network, or damaged \(StrangeError: StrangeError\)"),
        (PermissionError(13, "Permission denied"), r"a\\nb.nnp: cannot be read as a network: Permission denied"),
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "it"), r"a\\nb.nnp: not UTF-8 text: save it as UTF-8"),
        (RecursionError(), r"a\\nb.nnp: nested deeper than anybody means: refused"),
        (WhylightError("b.nnp: known"), "b.nnp: known"),
    ],
)
def test_whatever_is_raised(raised: Exception, said: str) -> None:
    with pytest.raises(WhylightError, match=f"^{said}$"), reading("a\nb.nnp", "a network"):
        raise raised


def test_too_little_memory_is_its_own_error() -> None:
    with pytest.raises(OutOfMemoryError, match=r"^a\.nnp: there is not enough memory for it$"), reading("a.nnp"):
        raise MemoryError


def test_who_interrupts_is_not_kept() -> None:
    with pytest.raises(KeyboardInterrupt), reading("a.nnp"):
        raise KeyboardInterrupt
