"""The one budget: what it says of sizes, and that every command takes another."""

from pathlib import Path

import numpy as np
import pytest

from whylight.cli import main
from whylight.errors import WhylightError
from whylight.files.budget import VARIABLE, budget, bytes_of, check_memory, readable


@pytest.mark.parametrize(
    ("text", "size"), [("12", 12), ("3K", 3072), ("1.5g", 3 * 2**29), ("2 GiB", 2**31), ("7MB", 7 * 2**20)]
)
def test_amounts(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1G", "1X", "G", "1e3", "\u0663G"])
def test_no_amounts(text: str) -> None:
    with pytest.raises(WhylightError, match="expected an amount of memory such as 8G"):
        bytes_of(text)


def test_what_a_file_holds_adds_to_what_it_may_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1M")
    check_memory("a", "it", 2**20)
    check_memory("a", "it", 2**20 + 8 * 100, stored=100)
    with pytest.raises(WhylightError, match=r"^a: it would take 1 MiB of memory, more than the 1 MiB .*'memory'"):
        check_memory("a", "it", 2**20 + 1)
    with pytest.raises(WhylightError, match="TiB of memory"):
        check_memory("a", "it", 10**100)


def test_a_budget_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "lots")
    with pytest.raises(WhylightError, match=f"{VARIABLE}: 'lots'"):
        budget()


def test_sizes_for_people() -> None:
    assert [readable(size) for size in (0, 1023, 1024, 3 * 2**29)] == ["0 bytes", "1023 bytes", "1 KiB", "1.5 GiB"]


def test_every_command_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "1G")  # set back afterwards
    np.save(tmp_path / "x.npy", np.zeros(3))
    assert main(["inspect", str(tmp_path / "x.npy"), "--memory", "3G"]) == 2
    assert "expected a model file" in capsys.readouterr().err
    assert budget() == 3 * 2**30
    assert main(["methods", "--memory", "much"]) == 2
    assert "'much': expected an amount of memory" in capsys.readouterr().err
