"""Progress: a rate that can be believed, and a line where there is no terminal."""

import time

import pytest

from whylight.cli import progress as shown
from whylight.cli.progress import Rate, progress


def test_a_rate_is_of_the_last_seconds_not_of_an_instant() -> None:
    rate = Rate(0)
    for _ in range(4):  # shards that end together
        rate.add(16, 0.0001)
    assert rate.text("images", 0.0001) == ""
    assert rate.text("images", 2) == "32.0 images/s"
    rate.add(36, 4)
    assert rate.text("images", 4) == "25.0 images/s"
    rate.add(50, 20)
    assert rate.text("images", 20) == "5.0 images/s"


def test_long_work_says_how_far_it_is_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shown, "_SILENCE", 0.05)
    with progress("randomizing", "stages") as bar:
        bar.expect(7)
        bar.advance(3)
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines()[0] == "whylight: randomizing: 3 of 7 stages after 0 s"


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("explaining") as bar:
        bar.advance(1)
    assert capsys.readouterr().err == ""
